"""Counts of traffic: their histograms, their minutes, and what they forget."""

from __future__ import annotations

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from trunkline.health.traffic import (
    BOUNDS_MS,
    WINDOW_MINUTES,
    Tally,
    Times,
    Traffic,
    first_minute,
    minute_of,
)
from trunkline.health.v1 import health_pb2, health_service_pb2

MINUTE_NS = 60_000_000_000


def _ms(value: int) -> Duration:
    return Duration(seconds=value // 1000, nanos=value % 1000 * 1_000_000)


def test_bounds_are_inclusive() -> None:
    """A value that is a bound counts below it; what is above all counts last."""
    for index, bound in enumerate(BOUNDS_MS):
        for value, place in ((bound, index), (bound + 1, index + 1)):
            times = Times()
            times.add(_ms(value))
            assert times.counts[place] == 1
            assert times.sum_ms == value


@given(st.lists(st.integers(0, 200_000)))
def test_every_value_is_counted_once(values: list[int]) -> None:
    """The counts are one more than the bounds, and sum up."""
    times = Times()
    for value in values:
        times.add(_ms(value))
    described = times.describe()
    assert len(described.counts) == len(described.bounds_ms) + 1 == 11
    assert sum(described.counts) == len(values)
    assert described.sum_ms == sum(values)


def test_nonsense_does_not_outweigh_all_others() -> None:
    """A negative time counts as none, an endless one as a day."""
    times = Times()
    times.add(Duration(seconds=-5))
    times.add(Duration(seconds=2**60))
    assert times.counts[0] == 1
    assert times.counts[-1] == 1
    assert times.sum_ms == 24 * 60 * 60 * 1000


@given(st.lists(st.tuples(st.integers(0, 30), st.booleans(), st.integers(0, 99_999))))
def test_the_window_holds_its_minutes_and_no_other(
    outcomes: list[tuple[int, bool, int]],
) -> None:
    """What is described are the outcomes of 15 minutes, also after a restart from saved minutes."""
    traffic, restored = Traffic(), Traffic()
    tallies = {minute: Tally() for minute in range(31)}
    for minute, is_fault, ms in outcomes:
        outcome = health_service_pb2.Outcome(duration=_ms(ms))
        counted = Tally()
        counted.add(outcome, is_fault=is_fault)
        traffic.add(minute, counted.describe("p/m"))
        tallies[minute].add(outcome, is_fault=is_fault)
    for minute, tally in tallies.items():
        saved = tally.describe("p/m").SerializeToString()
        restored.replace(minute, health_pb2.TrafficHealth.FromString(saved), None)
    since = first_minute(30 * MINUTE_NS)
    within = [outcome for outcome in outcomes if outcome[0] >= since]
    for seen in (traffic.describe("p/m", since), restored.describe("p/m", since)):
        assert seen.attempts == len(within)
        assert seen.failures == sum(is_fault for _, is_fault, _ in within)
        assert seen.duration.sum_ms == sum(ms for _, _, ms in within)
        assert sum(seen.time_to_first_token.counts) == 0
    assert traffic.forget(since) == (len(within) < len(outcomes))
    assert not traffic.forget(since)
    assert traffic.describe("p/m", 0).attempts == len(within)
    assert bool(traffic) == bool(within)


def test_the_window_is_15_minutes_with_the_current_one() -> None:
    """The minute that is under way counts among them."""
    now = 100 * MINUTE_NS + 1
    assert minute_of(now) - first_minute(now) + 1 == WINDOW_MINUTES == 15


def test_counts_with_other_bounds_are_not_mixed_in() -> None:
    """A release with other bounds leaves out the old histograms, not the attempts."""
    tally = Tally()
    tally.merge(
        health_pb2.TrafficHealth(
            attempts=2,
            failures=1,
            duration=health_pb2.Histogram(bounds_ms=[1], counts=[1, 1], sum_ms=5),
        )
    )
    assert (tally.attempts, tally.failures, tally.duration.sum_ms) == (2, 1, 0)


def test_what_is_kept_takes_the_place_of_what_is_known() -> None:
    """What others counted is among it; what was counted here and is not comes on top."""
    traffic = Traffic()
    outcome = health_service_pb2.Outcome(duration=_ms(10))
    kept, unsaved = Tally(), Tally()
    for _ in range(5):
        kept.add(outcome, is_fault=True)
    unsaved.add(outcome, is_fault=False)
    traffic.add(7, unsaved.describe("p/m"))
    traffic.replace(7, kept.describe("p/m"), unsaved.describe("p/m"))
    traffic.replace(8, kept.describe("p/m"), None)
    seen = traffic.describe("p/m", 7)
    assert (seen.attempts, seen.failures, seen.duration.sum_ms) == (11, 10, 110)
