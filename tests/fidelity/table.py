"""Count the cells, and write them as the tables that people read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from fidelity.cells import CELLS, Cell, Outcome, run
from fidelity.features.feature import NAMED
from fidelity.findings import State
from fidelity.formats import FORMATS

Outcomes = Mapping[Cell, Outcome]

LEAST_NAMED: Final = 95.0
"""How much of the named features arrives at least, in percent of all cells that could."""

LEAST: Final = 90.0
"""How much of all features does."""

_ARRIVED: Final = (State.KEPT, State.RETOLD)
_WORDS: Final = {
    State.LOST: "lost",
    State.WITHHELD: "not for this one",
    State.RETOLD: "in another form",
}


def run_all() -> dict[Cell, Outcome]:
    """Run all cells."""
    return {cell: run(cell) for cell in CELLS}


def share(outcomes: Iterable[Outcome]) -> float:
    """Return how much arrived, in percent; what is not meant for the target does not count."""
    states = Counter(outcome.state for outcome in outcomes)
    arrived = sum(states[state] for state in _ARRIVED)
    return 100 * arrived / (arrived + states[State.LOST])


def named(outcomes: Outcomes) -> list[Outcome]:
    """Return what came of the features that the requirement names."""
    return [outcome for cell, outcome in outcomes.items() if cell.feature.group in NAMED]


def matrix_rows(outcomes: Outcomes) -> Iterator[list[str]]:
    """Return the matrix: a row for each source, in it the named and all features by target."""
    yield ["from \\ to", *(target.name for target in FORMATS)]
    for source in FORMATS:
        row = [source.name]
        for target in FORMATS:
            pair = {
                cell: outcome
                for cell, outcome in outcomes.items()
                if (cell.source, cell.target) == (source, target)
            }
            # Never up: 94.9 is no 95.
            row.append(f"{int(share(named(pair)))} / {int(share(pair.values()))}")
        yield row


def losses(outcomes: Outcomes) -> Iterator[tuple[str, str, str, str, str]]:
    """Return what does not arrive as it is: target, how, feature, sources, and the reason."""

    def place(item: tuple[Cell, Outcome]) -> tuple[int, int, str]:
        cell, outcome = item
        return FORMATS.index(cell.target), -outcome.state, cell.feature.name

    items = sorted(outcomes.items(), key=place)
    by: Callable[[tuple[Cell, Outcome]], object] = place
    for _, group in groupby(items, key=by):
        found = list(group)
        cell, outcome = found[0]
        if outcome.state is State.KEPT:
            continue
        sources = {cell.source.name for cell, _ in found}
        reasons = dict.fromkeys(loss.reason for _, outcome in found for loss in outcome.losses)
        yield (
            cell.target.name,
            _WORDS[outcome.state],
            cell.feature.name,
            "all" if len(sources) == len(FORMATS) else ", ".join(sorted(sources)),
            " ".join(reasons),
        )
