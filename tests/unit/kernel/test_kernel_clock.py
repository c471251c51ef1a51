"""Moments as the contract and people write them."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.clock import SystemClock, timestamp, to_datetime, to_seconds

_CENTURIES_NS = st.integers(min_value=-(2**61), max_value=2**62)


@given(_CENTURIES_NS)
def test_a_timestamp_keeps_every_nanosecond(time_ns: int) -> None:
    """Before 1970 too, where the nanoseconds still count forwards."""
    written = timestamp(time_ns)
    assert 0 <= written.nanos < 1_000_000_000
    assert written.seconds * 1_000_000_000 + written.nanos == time_ns


@given(_CENTURIES_NS)
def test_a_datetime_is_cut_to_microseconds(time_ns: int) -> None:
    """Never rounded up: a moment is not told before it has come."""
    told = to_datetime(time_ns)
    assert told.tzinfo is UTC
    since = told - datetime(1970, 1, 1, tzinfo=UTC)
    assert (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds == time_ns // 1000


def test_the_machines_clock_tells_both_times() -> None:
    """The wall's time is now, and spans do not run backwards."""
    clock = SystemClock()
    assert abs(to_datetime(clock.time_ns()) - datetime.now(UTC)).total_seconds() < 10
    first = clock.monotonic()
    assert clock.monotonic() >= first


def test_a_duration_beyond_its_bounds_has_seconds_too() -> None:
    """What comes over the wire may be longer than a duration of Python's can be."""
    assert to_seconds(Duration(seconds=1, nanos=500_000_000)) == 1.5
    assert to_seconds(Duration(seconds=2**62)) == float(2**62)
