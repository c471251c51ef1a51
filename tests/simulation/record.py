"""What happened in a simulation, counted by tenths of a second."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from trunkline.health.v1 import health_pb2

TICKS_PER_S = 10

_OPEN = health_pb2.COOLDOWN_STATE_OPEN
_CLOSED = health_pb2.COOLDOWN_STATE_CLOSED

# Of a tenth of a second.
Counts: TypeAlias = Counter[int]


@dataclass(slots=True)
class Record:
    """What happened; times are seconds since the simulation began.

    Attributes:
        now: tells the time.
        requests: that came.
        asks: attempts, by provider.
        trial_asks: calls of AcquireTrial.
        failed: requests that got no whole answer, by when they came.
        waits: when those came, and how long they waited for their error, in seconds.
        trials: when which provider was asked under a trial of health.
        changes: what health told of a provider: when, its state and for how many seconds.
    """

    now: Callable[[], float]
    requests: Counts = field(default_factory=Counter)
    asks: dict[str, Counts] = field(default_factory=dict)
    trial_asks: Counts = field(default_factory=Counter)
    failed: Counts = field(default_factory=Counter)
    waits: list[tuple[float, float]] = field(default_factory=list)
    trials: list[tuple[float, str]] = field(default_factory=list)
    changes: list[tuple[float, str, health_pb2.Cooldown]] = field(default_factory=list)

    def note_request(self) -> float:
        """Count a request that comes now; return when that is."""
        now = self.now()
        self.requests[tick(now)] += 1
        return now

    def note_failed(self, came_s: float) -> None:
        """Count a request that has come to nothing now."""
        self.failed[tick(came_s)] += 1
        self.waits.append((came_s, self.now() - came_s))

    def note_ask(self, provider: str) -> None:
        """Count an attempt that begins now."""
        self.asks.setdefault(provider, Counter())[tick(self.now())] += 1

    def note_trial_ask(self) -> None:
        """Count a call of AcquireTrial."""
        self.trial_asks[tick(self.now())] += 1

    def attempts(self, begin_s: float, end_s: float) -> int:
        """Return how many attempts were begun in a span."""
        return sum(total(counts, begin_s, end_s) for counts in self.asks.values())

    def ratio(self, begin_s: float, end_s: float) -> float:
        """Return the attempts per request of a span."""
        return self.attempts(begin_s, end_s) / total(self.requests, begin_s, end_s)

    def worst_ratio(self, begin_s: float, end_s: float, window_s: float) -> float:
        """Return the most attempts per request in any window within a span, each tenth one."""
        starts = range(tick(begin_s), tick(end_s - window_s) + 1)
        return max(
            self.ratio(start / TICKS_PER_S, start / TICKS_PER_S + window_s) for start in starts
        )

    def peak(self, provider: str, begin_s: float, end_s: float) -> int:
        """Return the most attempts at a provider in a tenth of a second of a span."""
        asks = self.asks.get(provider, Counter())
        return max((asks[each] for each in _ticks(begin_s, end_s)), default=0)

    def asked(self, provider: str, begin_s: float, end_s: float) -> int:
        """Return how many attempts at a provider were begun in a span."""
        return total(self.asks.get(provider, Counter()), begin_s, end_s)

    def share(self, provider: str, begin_s: float, end_s: float) -> float:
        """Return how many attempts at a provider there were for each request of a span."""
        return self.asked(provider, begin_s, end_s) / total(self.requests, begin_s, end_s)

    def longest_wait_s(self, begin_s: float, end_s: float) -> float:
        """Return the longest wait for an error of requests that came in a span."""
        return max((wait for came, wait in self.waits if begin_s <= came < end_s), default=0.0)

    def closed_s(self, provider: str, after_s: float) -> float | None:
        """Return when a provider ceased to cool after a time; None: it did not."""
        return next(
            (
                at
                for at, name, each in self.changes
                if name == provider and at >= after_s and each.state == _CLOSED
            ),
            None,
        )

    def given_waits(self, provider: str) -> list[float]:
        """Return when it was first known that a provider asked not to be asked for a while."""
        first: dict[int, float] = {}
        for at, name, each in self.changes:
            if name == provider and each.provider_given and each.state == _OPEN:
                first.setdefault(each.failures, at)
        return list(first.values())

    def settled_s(self, provider: str, after_s: float, end_s: float) -> float | None:
        """Return from when on nearly every request asks a provider, to the end; None: never."""
        seconds = range(int(after_s), int(end_s))
        short = [each for each in seconds if self.share(provider, each, each + 1) < _NEARLY]
        settled = short[-1] + 1 if short else int(after_s)
        return float(settled) if settled < int(end_s) else None


# Requests that came at the end of one second may ask in the next.
_NEARLY = 0.9


def total(counts: Counts, begin_s: float, end_s: float) -> int:
    """Return what was counted in a span."""
    return sum(counts[each] for each in _ticks(begin_s, end_s))


def tick(time_s: float) -> int:
    """Return the tenth of a second that a time lies in."""
    return int(time_s * TICKS_PER_S + 1e-9)


def _ticks(begin_s: float, end_s: float) -> range:
    """Return the tenths of a second of a span."""
    return range(tick(begin_s), tick(end_s))
