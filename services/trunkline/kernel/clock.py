"""Time as something that is handed in, so that a test can turn its hands."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Protocol

from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp

_NANOSECONDS = 1_000_000_000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The years 1 to 9999, which is what a Timestamp may hold.
_TIMESTAMP_SECONDS = range(-62_135_596_800, 253_402_300_800)


class Clock(Protocol):
    """Tells the time of day and measures spans."""

    def time_ns(self) -> int:
        """Return nanoseconds since 1970, by the wall."""

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an unknown start."""


class SystemClock:
    """The machine's clocks."""

    def time_ns(self) -> int:
        """Return nanoseconds since 1970, by the wall."""
        return time.time_ns()

    def monotonic(self) -> float:
        """Return seconds that never run backwards, from an unknown start."""
        return time.monotonic()


def timestamp(time_ns: int) -> Timestamp:
    """Return nanoseconds since 1970 as a protobuf timestamp."""
    written = Timestamp()
    write_time(written, time_ns)
    return written


def write_time(into: Timestamp, time_ns: int) -> None:
    """Set a timestamp, such as a field of a message, to nanoseconds since 1970."""
    into.seconds, into.nanos = divmod(time_ns, _NANOSECONDS)


def is_time(value: Timestamp) -> bool:
    """Tell whether a timestamp is within the bounds of its type.

    One that came over the wire need not be, and then its own methods raise ValueError.
    """
    return value.seconds in _TIMESTAMP_SECONDS and 0 <= value.nanos < 1_000_000_000


def to_datetime(time_ns: int) -> datetime:
    """Return nanoseconds since 1970 as an aware datetime in UTC, cut to microseconds."""
    # In integers: a float of today's nanoseconds is some hundred of them off.
    return _EPOCH + timedelta(microseconds=time_ns // 1_000)


def duration(seconds: float) -> Duration:
    """Return a span of seconds as a protobuf duration; a negative one as none."""
    written = Duration()
    write_duration(written, seconds)
    return written


def write_duration(into: Duration, seconds: float) -> None:
    """Set a duration, such as a field of a message, to a span; to none where it is negative.

    In place this takes half of what a message costs that is made and copied.
    """
    into.seconds, into.nanos = divmod(max(0, int(seconds * _NANOSECONDS)), _NANOSECONDS)


def to_seconds(value: Duration) -> float:
    """Return a protobuf duration in seconds.

    Its own `ToTimedelta` raises OverflowError for one that came over the wire and is beyond
    the bounds of its type.
    """
    return value.seconds + value.nanos / _NANOSECONDS
