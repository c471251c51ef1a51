"""What the bench says of its figures: tables for people, one object for machines."""

from __future__ import annotations

import statistics
from dataclasses import dataclass
from typing import Any, Final

from bench.figures import Samples, Verdict, Way, find_spread


@dataclass(frozen=True, slots=True)
class _Table:
    """The figures of one way beside its base.

    Attributes:
        way, base: whose values are shown.
        heads: of the direct way's, the base's and the way's values, and of their ratio.
        direct: show the direct way's values.
    """

    way: Way
    base: Way
    heads: tuple[str, str, str, str]
    direct: bool = True

    def format(self, verdicts: list[Verdict], samples: Samples) -> list[str]:
        """Return its lines; none when there is no verdict of its way."""
        direct, base, way, ratio = self.heads
        lines = [
            f"{'':30}{'unit':>5}{direct:>9}{base:>9}{'spread':>19}{way:>9}{'spread':>19}"
            f"{ratio:>8}{'limit':>9}"
        ]
        lines += [
            self._format_row(verdict, samples)
            for verdict in verdicts
            if verdict.bound.way is self.way
        ]
        return lines if len(lines) > 1 else []

    def _format_row(self, verdict: Verdict, samples: Samples) -> str:
        figure, bound = verdict.figure, verdict.bound
        direct = _show(samples.median(figure, Way.DIRECT)) if self.direct else ""
        ratio, limit = _show(verdict.ratio), f"{bound.limit:g} {figure.unit}"
        if bound.added:
            ratio = "–" if verdict.added is None else f"+{_show(verdict.added)}"
            limit = f"+{limit}"
        elif bound.base is not None:
            limit = f"{bound.limit:g}×"
        return (
            f"{figure.title:30}{figure.unit:>5}{direct:>9}"
            + "".join(
                f"{_show(samples.median(figure, way)):>9}"
                f"{_show_spread(samples.spread(figure, way)):>19}"
                for way in (self.base, self.way)
            )
            + f"{ratio:>8}{limit:>9}  "
            + _show_verdict(verdict.passed)
        )


_TABLES: Final = (
    _Table(Way.GATEWAY, Way.RELAY, ("(a)", "(b)", "(c)", "c : b")),
    _Table(Way.FLEET, Way.GATEWAY, ("(a)", "(c)", "(d)", "d : c")),
    _Table(Way.SQLITE, Way.MEMORY, ("", "MEMORY", "SQLite", "ratio"), direct=False),
    _Table(Way.REDIS, Way.MEMORY, ("", "MEMORY", "Redis", "ratio"), direct=False),
    _Table(Way.ADAPTER, Way.BARE, ("", "bare", "adapter", "ratio"), direct=False),
)


def format_tables(verdicts: list[Verdict], samples: Samples) -> str:
    """Return the tables for people."""
    lines = [line for table in _TABLES for line in table.format(verdicts, samples)]
    lines += [
        f"{name:56}{_show(statistics.median(values)):>9}{_show_spread(find_spread(values)):>19}"
        for name, values in samples.notes.items()
    ]
    return "\n".join(lines)


def describe(verdicts: list[Verdict], samples: Samples) -> dict[str, Any]:
    """Return the answer for machines."""
    figures: dict[str, dict[str, Any]] = {}
    for verdict in verdicts:
        figure, bound = verdict.figure, verdict.bound
        medians = {way: samples.median(figure, way) for way in Way}
        spreads = {way: samples.spread(figure, way) for way in Way}
        described = figures.setdefault(
            figure.name,
            {
                "unit": figure.unit,
                "median": {
                    way.value: _round(value) for way, value in medians.items() if value is not None
                },
                "spread": {
                    way.value: [_round(end) for end in ends]
                    for way, ends in spreads.items()
                    if ends is not None
                },
                "bounds": [],
            },
        )
        described["bounds"].append(
            {
                "way": bound.way.value,
                "base": None if bound.base is None else bound.base.value,
                "ratio": None if verdict.ratio is None else _round(verdict.ratio),
                "added": None if verdict.added is None else _round(verdict.added),
                "limit": bound.limit,
                "verdict": _show_verdict(verdict.passed),
            }
        )
    return {
        "figures": figures,
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
