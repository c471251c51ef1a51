"""Simulate the outage of `docs/continuity.md` at its whole size, and draw it.

Run it with `PYTHONPATH=tests python -m simulation docs/continuity.svg`; it takes minutes.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from pathlib import Path

from simulation.fleet import Scenario, simulate
from simulation.plot import Line, Panel, draw
from simulation.provider import Outage, Trouble
from simulation.record import Record, total
from simulation.site import FIRST

_OUTAGE = Outage(10.0, 130.0)
_SECONDS = 160
_REFUSES = Scenario(replicas=50, per_s=5_000.0, end_s=float(_SECONDS), outage=_OUTAGE)
_STORIES = {
    "503, with a fallback": _REFUSES,
    "503, alone": replace(_REFUSES, has_fallback=False),
    "silent, with a fallback": replace(
        _REFUSES, per_s=1_000.0, outage=replace(_OUTAGE, trouble=Trouble.SILENT)
    ),
}


def main() -> None:
    """Write the picture, and print the figures."""
    records = {name: simulate(story) for name, story in _STORIES.items()}
    for name, record in records.items():
        print(f"{name}: {_tell(record)}")
    asks = [Line(name, _shares(record)) for name, record in records.items()]
    ratios = [Line(name, _ratios(record)) for name, record in records.items()]
    panels = (
        Panel("asks of the first provider, of 100 requests", asks, (-3, 2)),
        Panel("attempts, of 100 requests", ratios, (0, 3)),
    )
    picture = draw(panels, _SECONDS, (_OUTAGE.begin_s, _OUTAGE.end_s))
    Path(sys.argv[1]).write_text(picture)


def _shares(record: Record) -> list[float]:
    """Return by second how many of 100 requests asked the first provider."""
    return [100 * record.share(FIRST, each, each + 1) for each in range(_SECONDS)]


def _ratios(record: Record) -> list[float]:
    """Return by second how many attempts there were for 100 requests."""
    return [100 * record.ratio(each, each + 1) for each in range(_SECONDS)]


def _tell(record: Record) -> str:
    """Return the figures of a story."""
    begin_s, end_s = _OUTAGE.begin_s, _OUTAGE.end_s
    settled_s = record.settled_s(FIRST, end_s, _SECONDS)
    closed_s = record.closed_s(FIRST, end_s) or _SECONDS
    calm_s = begin_s + 2.0
    return (
        f"{sum(record.requests.values()):,} requests,"
        f" {record.ratio(0, _SECONDS + 10):.4f} attempts each,"
        f" {record.ratio(begin_s, end_s):.4f} in the outage,"
        f" {record.worst_ratio(calm_s, _SECONDS, 10.0):.4f} in the worst ten seconds after the"
        f" first two; {total(record.failed, 0, _SECONDS):,} failed,"
        f" the slowest in the outage after {record.longest_wait_s(begin_s, end_s):.2f} s;"
        f" {record.asked(FIRST, begin_s, end_s):,} asks of the first in the outage,"
        f" {record.asked(FIRST, calm_s, end_s):,} after its first two seconds,"
        f" {record.peak(FIRST, calm_s, closed_s)} in the worst tenth of a second before it closed;"
        f" {len(record.trials)} trials, {sum(record.trial_asks.values()):,} asks for one,"
        f" at most {max(record.trial_asks.values(), default=0)} in a tenth of a second;"
        f" closed after {closed_s - end_s:.1f} s,"
        f" all traffic back after {(settled_s or math.inf) - end_s:.0f} s"
    )


if __name__ == "__main__":
    main()
