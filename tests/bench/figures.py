"""The figures that are held: what was measured, what it is compared with, whether it passes."""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final


class Way(StrEnum):
    """The three ways that are compared."""

    DIRECT = "a"
    RELAY = "b"
    GATEWAY = "c"


@dataclass(frozen=True, slots=True)
class Figure:
    """Something that is held.

    Attributes:
        name: its name in the answer for machines.
        title: what it is, for people.
        unit: of its values.
        ratio_limit: (c) may be at most this many times (b); None: not compared.
        limit: (c) may be at most this; None: compared only.
        above_direct: what counts is by how much a way is above (a).
    """

    name: str
    title: str
    unit: str
    ratio_limit: float | None = None
    limit: float | None = None
    above_direct: bool = False


FIRST_CONTENT: Final = Figure(
    "ttft_us", "time to first token, at rest", "µs", ratio_limit=1.5, above_direct=True
)
UNARY: Final = Figure("unary_cpu_us", "CPU per unary chat", "µs", ratio_limit=1.6)
BURST: Final = Figure("burst_cpu_ms_per_1000", "CPU per 1,000 burst events", "ms", ratio_limit=0.27)
PACED: Final = Figure("paced_cpu_us", "CPU per paced event", "µs", ratio_limit=1.35)
MEMORY: Final = Figure("stream_kib", "memory per open stream", "KiB", ratio_limit=2.0)
SERVING_FRESH: Final = Figure("serving_fresh_s", "serving, fresh directory", "s", limit=1.5)
SERVING_AGAIN: Final = Figure("serving_again_s", "serving, second start", "s", limit=1.5)

CANCELLED: Final = Figure("cancelled_ms", "socket closed, after a cancel", "ms", limit=100.0)
DESERTED: Final = Figure("deserted_ms", "socket closed, after the grace", "ms", limit=100.0)

FIGURES: Final = (
    FIRST_CONTENT,
    UNARY,
    BURST,
    PACED,
    MEMORY,
    CANCELLED,
    DESERTED,
    SERVING_FRESH,
    SERVING_AGAIN,
)

# What the bare relay must reach itself: else the comparison says nothing about the gateway.
RELAY_LIMITS: Final = {BURST.name: 45.0, UNARY.name: 550.0}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How a figure came out.

    Attributes:
        figure: which.
        medians: of the samples, by way; a way that was not measured is missing.
        spreads: least and greatest sample, by way.
        ratio: (c) to (b), both above (a) where the figure says so; None: not known.
        passed: None: it was not measured far enough to say.
    """

    figure: Figure
    medians: dict[Way, float]
    spreads: dict[Way, tuple[float, float]]
    ratio: float | None
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

    def judge(self, figure: Figure) -> Verdict:
        """Compare the medians of a figure's samples with its limits."""
        kept = {way: values for way in Way if (values := self._values.get((figure.name, way)))}
        medians = {way: statistics.median(values) for way, values in kept.items()}
        gateway = medians.get(Way.GATEWAY)
        relay = medians.get(Way.RELAY)
        ratio = None
        if gateway is not None and relay is not None:
            base = medians.get(Way.DIRECT, 0.0) if figure.above_direct else 0.0
            # Noise can bring the relay down to the direct way; then nothing can be said.
            ratio = (gateway - base) / (relay - base) if relay > base else None
        held = [
            (value, limit)
            for value, limit in ((ratio, figure.ratio_limit), (gateway, figure.limit))
            if limit is not None
        ]
        passed = (
            None
            if any(value is None for value, _ in held)
            else all(value is not None and value <= limit for value, limit in held)
        )
        return Verdict(
            figure=figure,
            medians=medians,
            spreads={way: _spread(values) for way, values in kept.items()},
            ratio=ratio,
            passed=passed,
        )

    def find_slow_relay(self) -> str | None:
        """Return a sentence when the bare relay misses what it must reach itself, else None."""
        for figure in FIGURES:
            limit = RELAY_LIMITS.get(figure.name)
            median = self.judge(figure).medians.get(Way.RELAY)
            if limit is not None and median is not None and median > limit:
                return (
                    f"The bare relay itself takes {median:.1f} {figure.unit}, {figure.title}; "
                    f"it must reach {limit:g} {figure.unit}."
                )
        return None


def _spread(values: list[float]) -> tuple[float, float]:
    """Return the limits between which 9 of 10 samples lie; of a few samples, all."""
    if len(values) < 20:  # below this the ends of the tenths are guesses
        return min(values), max(values)
    cuts = statistics.quantiles(values, n=20)
    return cuts[0], cuts[-1]


def format_table(verdicts: list[Verdict], samples: Samples) -> str:
    """Return the table for people."""
    heads = (
        f"{'':30}{'unit':>5}{'(a)':>9}{'(b)':>9}{'spread':>19}{'(c)':>9}{'spread':>19}"
        f"{'c : b':>8}{'limit':>8}"
    )
    lines = [heads]
    for verdict in verdicts:
        figure = verdict.figure
        limit = figure.ratio_limit if figure.ratio_limit is not None else figure.limit
        sign = "×" if figure.ratio_limit is not None else f" {figure.unit}"
        lines.append(
            f"{figure.title:30}{figure.unit:>5}{_show(verdict.medians.get(Way.DIRECT)):>9}"
            + "".join(
                f"{_show(verdict.medians.get(way)):>9}{_show_spread(verdict.spreads.get(way)):>19}"
                for way in (Way.RELAY, Way.GATEWAY)
            )
            + f"{_show(verdict.ratio):>8}{f'{limit:g}{sign}':>8}  {_show_verdict(verdict.passed)}"
        )
    lines += [
        f"{name:56}{_show(statistics.median(values)):>9}{_show_spread(_spread(values)):>19}"
        for name, values in samples.notes.items()
    ]
    return "\n".join(lines)


def describe(verdicts: list[Verdict], samples: Samples) -> dict[str, Any]:
    """Return the answer for machines."""
    return {
        "figures": {
            verdict.figure.name: {
                "unit": verdict.figure.unit,
                "median": {way.value: _round(value) for way, value in verdict.medians.items()},
                "spread": {
                    way.value: [_round(end) for end in ends]
                    for way, ends in verdict.spreads.items()
                },
                "ratio": None if verdict.ratio is None else _round(verdict.ratio),
                "ratio_limit": verdict.figure.ratio_limit,
                "limit": verdict.figure.limit,
                "verdict": _show_verdict(verdict.passed),
            }
            for verdict in verdicts
        },
        "notes": {
            name: _round(statistics.median(values)) for name, values in samples.notes.items()
        },
    }


def _show_verdict(passed: bool | None) -> str:
    return {True: "PASS", False: "FAIL", None: "not measured"}[passed]


def _show(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.2f}"


def _show_spread(ends: tuple[float, float] | None) -> str:
    return "–" if ends is None else f"{_show(ends[0])} … {_show(ends[1])}"


def _round(value: float) -> float:
    return float(f"{value:.4g}")
