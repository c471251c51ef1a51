"""Count what traffic says of a model, by the minute, for the last 15 minutes.

Counts, and not a list of attempts: what is kept does not grow with the traffic.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass, field
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trunkline.health.v1 import health_pb2, health_service_pb2

WINDOW_MINUTES: Final = 15
MINUTE_NS: Final = 60_000_000_000
BOUNDS_MS: Final = (50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 30_000, 60_000)

# Longer than any attempt may last; a nonsensical figure does not outweigh all others.
_LONGEST_MS: Final = 24 * 60 * 60 * 1_000


@dataclass(slots=True)
class Times:
    """Durations, counted by size; the counts go with `BOUNDS_MS`, one more than these."""

    counts: list[int] = field(default_factory=lambda: [0] * (len(BOUNDS_MS) + 1))
    sum_ms: int = 0

    def add(self, duration: Duration) -> None:
        """Count a duration; a negative one is a clock's jump and counts as none."""
        ms = min(max(0, duration.seconds * 1_000 + duration.nanos // 1_000_000), _LONGEST_MS)
        self.counts[bisect_left(BOUNDS_MS, ms)] += 1
        self.sum_ms += ms

    def merge(self, histogram: health_pb2.Histogram) -> None:
        """Add what was counted elsewhere with the same bounds."""
        if tuple(histogram.bounds_ms) == BOUNDS_MS:
            self.counts = [a + b for a, b in zip(self.counts, histogram.counts, strict=True)]
            self.sum_ms += histogram.sum_ms

    def describe(self) -> health_pb2.Histogram:
        """Return the counts as they are answered."""
        return health_pb2.Histogram(bounds_ms=BOUNDS_MS, counts=self.counts, sum_ms=self.sum_ms)


@dataclass(slots=True)
class Tally:
    """What attempts at one model came to.

    Attributes:
        attempts: that said something about the provider.
        failures: by the provider's fault.
        first_token: times to the first content, of those that had any.
        duration: times of whole attempts.
    """

    attempts: int = 0
    failures: int = 0
    first_token: Times = field(default_factory=Times)
    duration: Times = field(default_factory=Times)

    def add(self, outcome: health_service_pb2.Outcome, *, is_fault: bool) -> None:
        """Count an outcome."""
        self.attempts += 1
        self.failures += is_fault
        if outcome.HasField("time_to_first_token"):
            self.first_token.add(outcome.time_to_first_token)
        if outcome.HasField("duration"):
            self.duration.add(outcome.duration)

    def merge(self, traffic: health_pb2.TrafficHealth) -> None:
        """Add what was counted elsewhere."""
        self.attempts += traffic.attempts
        self.failures += traffic.failures
        self.first_token.merge(traffic.time_to_first_token)
        self.duration.merge(traffic.duration)

    def describe(self, model: str) -> health_pb2.TrafficHealth:
        """Return the counts as they are answered."""
        return health_pb2.TrafficHealth(
            model=model,
            attempts=self.attempts,
            failures=self.failures,
            time_to_first_token=self.first_token.describe(),
            duration=self.duration.describe(),
        )


class Traffic:
    """The traffic of one model by minute."""

    def __init__(self) -> None:
        self._minutes: dict[int, Tally] = {}

    def __bool__(self) -> bool:
        return bool(self._minutes)

    def add(self, minute: int, counted: health_pb2.TrafficHealth) -> None:
        """Add what was counted in a minute since 1970."""
        self._minutes.setdefault(minute, Tally()).merge(counted)

    def replace(
        self, minute: int, kept: health_pb2.TrafficHealth, unsaved: health_pb2.TrafficHealth | None
    ) -> None:
        """Take over what is kept of a minute, whoever counted it.

        Args:
            minute: since 1970.
            kept: at rest.
            unsaved: what was counted here and is not among it yet; None: nothing.
        """
        tally = self._minutes[minute] = Tally()
        tally.merge(kept)
        if unsaved is not None:
            tally.merge(unsaved)

    def forget(self, before: int) -> bool:
        """Forget the minutes before one; tell whether there were any."""
        old = [minute for minute in self._minutes if minute < before]
        for minute in old:
            del self._minutes[minute]
        return bool(old)

    def describe(self, model: str, since: int) -> health_pb2.TrafficHealth:
        """Return what was counted from a minute on."""
        sum_ = Tally()
        for minute, tally in self._minutes.items():
            if minute >= since:
                sum_.merge(tally.describe(model))
        return sum_.describe(model)


def minute_of(time_ns: int) -> int:
    """Return the minute since 1970 that a time lies in."""
    return time_ns // MINUTE_NS


def first_minute(time_ns: int) -> int:
    """Return the first minute of the window that ends with a time."""
    return minute_of(time_ns) - WINDOW_MINUTES + 1
