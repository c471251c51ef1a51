"""When each provider is probed."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from trunkline.health.schedule import (
    CLOSEST_S,
    JITTER_S,
    LONGEST_WAIT_S,
    PERIOD_S,
    Aim,
    Schedule,
    share_of,
    until_turn,
)

SOON_S = 2.0
WALL = 1_800_000_000.0

names = st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True)


class Bench:
    """A schedule with its two clocks, turned by hand; probes take no time.

    Attributes:
        probed: when each provider was probed, in seconds since the start.
    """

    def __init__(self) -> None:
        self.schedule = Schedule()
        self.now = 0.0
        self.probed: dict[str, list[float]] = {}

    def follow(self, **aims: Aim) -> None:
        """Take over what is to be probed."""
        self.schedule.follow(aims, self.now, WALL + self.now)

    def run(self, seconds: float, *, step: float = 0.25, wait_s: float = 0.0) -> None:
        """Let time pass, and probe what is due."""
        end = self.now + seconds
        while self.now < end:
            for name in self.schedule.due(self.now):
                self.probed.setdefault(name, []).append(self.now)
                self.schedule.begin(name, self.now, WALL + self.now)
                self.schedule.end(name, self.now, wait_s)
            self.now += step


def test_each_provider_is_probed_every_minute() -> None:
    """At its own second, give or take one for the jitter."""
    bench = Bench()
    known = {f"p{number}": Aim(number, is_news=False) for number in range(50)}
    bench.follow(**known)
    bench.run(10 * PERIOD_S + 2)
    assert set(bench.probed) == set(known)
    for times in bench.probed.values():
        assert len(times) in (10, 11)
        gaps = [b - a for a, b in itertools.pairwise(times)]
        assert all(abs(gap - PERIOD_S) <= JITTER_S + 0.5 for gap in gaps)
        assert len(set(gaps)) > 1


def test_probes_spread_evenly_over_the_minute() -> None:
    """No ten seconds of it have half again as many of 600 as they should."""
    turns = [until_turn(f"provider-{number}", WALL) for number in range(600)]
    for start in range(0, 60, 10):
        among = sum(start <= turn < start + 10 for turn in turns)
        assert 50 <= among <= 150, start


@given(names, st.floats(0, 4_000_000_000))
def test_a_turn_comes_within_a_minute(name: str, wall: float) -> None:
    """Never now, never much later."""
    assert 0 < until_turn(name, wall) <= PERIOD_S + JITTER_S
    assert 0 <= share_of(name) < 1


def test_what_is_new_is_probed_within_2_seconds() -> None:
    """A provider that nobody probed yet, another key, another address; then in its rhythm."""
    bench = Bench()
    bench.follow(a=Aim("key 1", is_news=True))
    bench.run(SOON_S)
    assert len(bench.probed["a"]) == 1
    bench.run(PERIOD_S + CLOSEST_S + JITTER_S)
    assert len(bench.probed["a"]) == 2
    for subject in ("key 2", "key 3"):
        before = len(bench.probed["a"])
        bench.follow(a=Aim(subject, is_news=False))
        bench.run(SOON_S)
        assert len(bench.probed["a"]) == before + 1


def test_what_has_not_changed_is_not_probed_at_once() -> None:
    """Who takes over from another process goes on in its rhythm."""
    bench = Bench()
    bench.follow(a=Aim("key", is_news=False))
    bench.run(until_turn("a", WALL) - 0.25)
    assert not bench.probed
    bench.follow(a=Aim("key", is_news=True))
    bench.run(1.0)
    assert len(bench.probed["a"]) == 1


@given(st.floats(0.25, 120))
def test_a_probe_just_made_serves_for_the_next_turn(offset: float) -> None:
    """Two are never closer than ten seconds, nor further than a minute and a bit."""
    bench = Bench()
    bench.now = offset
    bench.follow(a=Aim("key", is_news=True))
    bench.run(3 * PERIOD_S, step=0.5)
    first, second, *_ = bench.probed["a"]
    assert CLOSEST_S <= second - first <= CLOSEST_S + PERIOD_S + JITTER_S + 0.5


def test_the_providers_own_wait_is_kept() -> None:
    """At most an hour of it; another key need not wait."""
    bench = Bench()
    bench.follow(a=Aim("key 1", is_news=True))
    bench.run(SOON_S, wait_s=300)
    (first,) = bench.probed["a"]
    bench.run(296)
    assert len(bench.probed["a"]) == 1
    bench.run(10, wait_s=100 * LONGEST_WAIT_S)
    assert bench.probed["a"][1] - first >= 300
    second = bench.probed["a"][1]
    bench.run(LONGEST_WAIT_S + 10, step=1.0)
    assert LONGEST_WAIT_S <= bench.probed["a"][2] - second <= LONGEST_WAIT_S + 2
    bench.run(1, wait_s=300)
    bench.follow(a=Aim("key 2", is_news=False))
    before = len(bench.probed["a"])
    bench.run(SOON_S)
    assert len(bench.probed["a"]) == before + 1


def test_a_wait_is_kept_by_who_takes_over() -> None:
    """As far as the last probe tells of it."""
    bench = Bench()
    bench.follow(a=Aim("key", is_news=False, wait_s=200))
    bench.run(199)
    assert not bench.probed
    bench.run(5)
    assert len(bench.probed["a"]) == 1


def test_a_probe_that_could_not_be_made_is_made_again_soon() -> None:
    """After one second, two, four and so on, at most thirty, until one is answered."""
    schedule = Schedule()
    schedule.follow({"a": Aim("key", is_news=True)}, 0.0, WALL)
    now, times = 0.0, []
    while now < 100:
        if schedule.due(now):
            times.append(now)
            schedule.begin("a", now, WALL + now)
            schedule.fail("a", now)
        now += 0.25
    gaps = [b - a for a, b in itertools.pairwise(times)]
    assert gaps[:5] == [1, 2, 4, 8, 16]
    assert max(gaps) <= 30
    schedule.end("a", now, 0.0)
    schedule.fail("a", now)
    assert schedule.due(now + 1) == ["a"]


def test_what_is_gone_or_off_is_not_probed() -> None:
    """Nor is anything once the work is left to others; what never was is no error."""
    bench = Bench()
    bench.follow(a=Aim("key", is_news=True), b=Aim("key", is_news=True))
    bench.follow(b=Aim("key", is_news=True))
    bench.run(SOON_S)
    assert set(bench.probed) == {"b"}
    bench.schedule.clear()
    bench.run(2 * PERIOD_S)
    assert len(bench.probed["b"]) == 1
    bench.schedule.begin("nobody", bench.now, WALL)
    bench.schedule.end("nobody", bench.now, 1.0)
    bench.schedule.fail("nobody", bench.now)


def test_who_waits_longest_is_probed_first() -> None:
    """Where places are few nobody is passed over for ever."""
    bench = Bench()
    bench.follow(**{f"p{number}": Aim(number, is_news=True) for number in range(20)})
    due = bench.schedule.due(100.0)
    assert sorted(due, key=share_of) == due
