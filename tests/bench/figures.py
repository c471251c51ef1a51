"""The figures that are held: what was measured, what it is compared with, whether it passes."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final


class Way(StrEnum):
    """The ways that are compared.

    Four of a chat, two of reading what a provider sends, and three of keeping a run's journal.
    """

    DIRECT = "a"
    RELAY = "b"
    GATEWAY = "c"
    FLEET = "d"
    BARE = "bare"
    ADAPTER = "adapter"
    MEMORY = "MEMORY"
    SQLITE = "SQLite"
    REDIS = "Redis"


@dataclass(frozen=True, slots=True)
class Bound:
    """What a way is held to.

    Attributes:
        way: the one that is held.
        base: what it is compared with; None: with nothing.
        limit: it may be at most this many times the base, or, without one, at most this.
        added: it may be at most this much above the base instead.
    """

    way: Way
    base: Way | None
    limit: float
    added: bool = False


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is held.

    Attributes:
        name: its name in the answer for machines.
        title: what it is, for people.
        unit: of its values.
        bounds: what it is held to.
        above_direct: what is compared is by how much a way is above (a).
    """

    name: str
    title: str
    unit: str
    bounds: tuple[Bound, ...]
    above_direct: bool = False


def _alone(limit: float) -> tuple[Bound, ...]:
    """Hold one process to a value."""
    return (Bound(Way.GATEWAY, None, limit),)


def _compared(limit: float) -> tuple[Bound, ...]:
    """Hold one process to the bare relay, and four processes to one."""
    return (
        Bound(Way.GATEWAY, Way.RELAY, limit),
        Bound(Way.FLEET, Way.GATEWAY, 1.3),
    )


def _durable(base: Way | None, limit: float, *, added: bool = False) -> tuple[Bound, ...]:
    """Hold the durable journals, each for itself."""
    return tuple(Bound(way, base, limit, added) for way in (Way.SQLITE, Way.REDIS))


def _decoding(wire_format: str, limit: float) -> Figure:
    """Hold a format's decoder to the least that reads the same text."""
    return Figure(
        f"decoding_{wire_format}_us",
        f"decoding a frame, {wire_format}",
        "µs",
        (Bound(Way.ADAPTER, Way.BARE, limit),),
    )


FIRST_CONTENT: Final = Figure(
    "ttft_us", "time to first token, at rest", "µs", _compared(1.5), above_direct=True
)
UNARY: Final = Figure("unary_cpu_us", "CPU per unary chat", "µs", _compared(1.6))
EMBED: Final = Figure("embed_cpu_ms", "CPU per 256 embeddings of 1,536", "ms", _compared(0.5))
BURST: Final = Figure("burst_cpu_ms_per_1000", "CPU per 1,000 burst events", "ms", _compared(0.27))
PACED: Final = Figure("paced_cpu_us", "CPU per paced event", "µs", _compared(1.35))
MEMORY: Final = Figure("stream_kib", "memory per open stream", "KiB", _compared(2.0))
CANCELLED: Final = Figure("cancelled_ms", "socket closed, after a cancel", "ms", _alone(100.0))
DESERTED: Final = Figure("deserted_ms", "socket closed, after the grace", "ms", _alone(100.0))
FALLBACK: Final = Figure(
    "fallback_us",
    "fallback before the first token",
    "µs",
    (Bound(Way.GATEWAY, Way.DIRECT, 2_000.0, added=True),),
)
SERVING_FRESH: Final = Figure("serving_fresh_s", "serving, fresh directory", "s", _alone(1.5))
SERVING_AGAIN: Final = Figure("serving_again_s", "serving, second start", "s", _alone(1.5))

JOURNALLED: Final = Figure(
    "journalled_cpu_us", "CPU per paced event", "µs", _durable(Way.MEMORY, 1.3)
)
DELAY: Final = Figure(
    "delay_p99_ms",
    "delay of a paced event, p99",
    "ms",
    _durable(Way.MEMORY, 15.0, added=True),
)
CONTINUED: Final = Figure("continued_s", "from SIGKILL to the next text", "s", _durable(None, 7.0))

# Each is about a quarter above what the decoder takes. Google's frames end lines with CR LF, and
# their usage and parts are more to pass over; Anthropic's have a line for the event's name.
DECODINGS: Final = {
    "openai": _decoding("openai", 1.65),
    "anthropic": _decoding("anthropic", 2.0),
    "google": _decoding("google", 2.5),
    "ollama": _decoding("ollama", 1.8),
    "openai-responses": _decoding("openai-responses", 2.0),
}

FIGURES: Final = (
    FIRST_CONTENT,
    UNARY,
    EMBED,
    BURST,
    PACED,
    MEMORY,
    CANCELLED,
    DESERTED,
    SERVING_FRESH,
    SERVING_AGAIN,
    FALLBACK,
    JOURNALLED,
    DELAY,
    CONTINUED,
    *DECODINGS.values(),
)

# What the bare relay must reach itself: else the comparison says nothing about the gateway.
RELAY_LIMITS: Final = {BURST.name: 45.0, UNARY.name: 550.0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a figure came out against one of its bounds.

    Attributes:
        figure: which.
        bound: which.
        ratio: of the way to its base, both above (a) where the figure says so; None: it has no
            base, or it is not known, or what counts is what is added.
        added: by how much the way is above its base, where that counts; None: it is not known.
        passed: None: it was not measured far enough to say.
    """

    figure: Figure
    bound: Bound
    ratio: float | None
    added: float | None
    passed: bool | None


@dataclass(slots=True)
class Samples:
    """What was measured, by figure and way, and what else is worth knowing.

    Attributes:
        notes: further values, by name and unit, which are printed and held to nothing.
    """

    _values: dict[tuple[str, Way], list[float]] = field(default_factory=lambda: defaultdict(list))
    notes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def add(self, figure: Figure, way: Way, *values: float) -> None:
        """Keep samples."""
        self._values[figure.name, way].extend(values)

    def values(self, figure: Figure, way: Way) -> list[float]:
        """Return a figure's samples."""
        return list(self._values.get((figure.name, way), ()))

    def median(self, figure: Figure, way: Way) -> float | None:
        """Return the median of a figure's samples; None when there are none."""
        values = self.values(figure, way)
        return statistics.median(values) if values else None

    def spread(self, figure: Figure, way: Way) -> tuple[float, float] | None:
        """Return between what most of a figure's samples lie; None when there are none."""
        values = self.values(figure, way)
        return find_spread(values) if values else None

    def judge(self, figure: Figure, bound: Bound) -> Verdict:
        """Compare the medians of a figure's samples with a bound."""
        value = self.median(figure, bound.way)
        ratio = added = None
        if bound.base is not None:
            base = self.median(figure, bound.base)
            direct = (self.median(figure, Way.DIRECT) or 0.0) if figure.above_direct else 0.0
            # Noise can bring the base down to the direct way; then nothing can be said.
            if value is not None and base is not None:
                if bound.added:
                    added = value - base
                elif base > direct:
                    ratio = (value - direct) / (base - direct)
            value = added if bound.added else ratio
        passed = None if value is None else value <= bound.limit
        return Verdict(figure=figure, bound=bound, ratio=ratio, added=added, passed=passed)

    def find_slow_relay(self) -> str | None:
        """Return a sentence when the bare relay misses what it must reach itself, else None."""
        for figure in FIGURES:
            limit = RELAY_LIMITS.get(figure.name)
            median = self.median(figure, Way.RELAY)
            if limit is not None and median is not None and median > limit:
                return (
                    f"The bare relay itself takes {median:.1f} {figure.unit}, {figure.title}; "
                    f"it must reach {limit:g} {figure.unit}."
                )
        return None


def find_spread(values: list[float]) -> tuple[float, float]:
    """Return the limits between which 9 of 10 samples lie; of a few samples, all."""
    if len(values) < 20:  # below this the ends of the tenths are guesses
        return min(values), max(values)
    cuts = statistics.quantiles(values, n=20)
    return cuts[0], cuts[-1]
