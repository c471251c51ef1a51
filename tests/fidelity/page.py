"""Write `docs/providers.md`: what cases show of each format, and nothing else."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from fidelity import shown
from fidelity.features import FEATURES
from fidelity.features.feature import NAMED, Feature
from fidelity.findings import State
from fidelity.formats import FORMATS, Format
from fidelity.table import Outcomes, losses, matrix_rows, named, share

PATH: Final = Path(__file__).resolve().parents[2] / "docs" / "providers.md"

_NONE: Final = "–"

_WIDTH: Final = 120

_ABOUT: Final = """
What is shown of each wire format, and no more. `make providers` writes this page from the cases of
the conformance suite (`tests/unit/inference/conformance`) and of the fidelity matrix
(`tests/fidelity`, `make fidelity`); a test fails when it says something else than they do. The
cases follow the vendors' documentation; no vendor was asked. “–” is what no case shows.
"""
_ABOUT_ANSWERS: Final = """
How many cases show it. Each is fed to the decoder whole, byte by byte, and in two reads, cut at
every place (of more than 3,000 bytes: at 100 places); the outcome must be the same. `make test`
cuts at some places, `make test-full` at all.
"""
_ABOUT_QUESTIONS: Final = """
A transcript whose turns one vendor has said is asked on at another, and a reader made by the
documentation of the other reads the request back. Models that are asked: {models}; others may take
more or less.
"""
_WORDS: Final = (
    "**yes**: it arrives as it was.",
    "**reworded**: its meaning arrives in another form, which `losses` tells; but for the failure"
    " of a tool where the format has no flag for it, which is told in words as the contract says.",
    "**own**: it goes back to the model that issued it and to no other, which `losses` tells.",
    "**no**: it is not sent, which `losses` tells.",
)
_ABOUT_PAIRS: Final = """
Percent of the features that arrive, as they were or reworded: first of those that the requirement
names ({named}), then of all. What its issuer alone may have back counts there only, and a cache
mark where marks are taken.
"""
_ABOUT_ALL: Final = """
All pairs: {of_named:.1f} % and {of_all:.1f} %, of {count} cells. What does not arrive is in
`losses` to 100 %, and nothing else is.
"""


def write(outcomes: Outcomes) -> None:
    """Write the page."""
    PATH.write_text(render(outcomes))


def is_stale(outcomes: Outcomes) -> bool:
    """Tell whether the page says something else than the cases do."""
    return not PATH.exists() or PATH.read_text() != render(outcomes)


def render(outcomes: Outcomes) -> str:
    """Return the page."""
    return "\n".join(_lines(outcomes)).rstrip() + "\n"


def _lines(outcomes: Outcomes) -> Iterator[str]:
    """Return the lines of the page."""
    yield "# Providers"
    yield ""
    yield from _paragraph(_ABOUT)
    yield from _answers()
    yield from _questions(outcomes)
    yield from _pairs(outcomes)
    yield "## Not carried"
    yield ""
    lost = [loss[:1] + loss[2:] for loss in losses(outcomes) if loss[1] == "lost"]
    yield from _table(lost, ["to", "feature", "from", "why"])


def _answers() -> Iterator[str]:
    """Return what is shown of answers."""
    yield "## Answers"
    yield ""
    yield from _paragraph(_ABOUT_ANSWERS)
    yield from _table([["cases", *_numbers(shown.case_counts())]], ["", *shown.formats()])
    for title, counted in (
        ("Whole answers with", shown.content_rows()),
        ("Whole answers that end by", shown.end_rows()),
        ("Tokens told", shown.usage_rows()),
        ("Replies with status 200 that fail", shown.failure_rows()),
    ):
        rows = [[name, *_numbers(row)] for name, row in counted]
        yield from _table(rows, [title, *shown.formats()])


def _questions(outcomes: Outcomes) -> Iterator[str]:
    """Return what becomes of each feature at each vendor."""
    yield "## Questions"
    yield ""
    models = ", ".join(f"`{each.target.model}` ({each.name})" for each in FORMATS)
    yield from _paragraph(_ABOUT_QUESTIONS, models=models)
    for word in _WORDS:
        yield from textwrap.wrap(f"- {word}", _WIDTH, subsequent_indent="  ")
    yield ""
    rows: list[list[str]] = []
    for _, group in groupby(sorted(FEATURES, key=_group), _group):
        features = list(group)
        rows.append([f"**{features[0].group}**", *("" for _ in FORMATS)])
        for feature in features:
            words = (_word(feature, target, outcomes) for target in FORMATS)
            rows.append([feature.name, *words])
    yield from _table(rows, ["", *(each.name for each in FORMATS)])


def _pairs(outcomes: Outcomes) -> Iterator[str]:
    """Return the matrix of pairs."""
    yield "## From each to each"
    yield ""
    yield from _paragraph(_ABOUT_PAIRS, named=", ".join(sorted(NAMED)))
    first, *rest = matrix_rows(outcomes)
    yield from _table(rest, first)
    of_named, of_all = share(named(outcomes)), share(outcomes.values())
    yield from _paragraph(_ABOUT_ALL, of_named=of_named, of_all=of_all, count=len(outcomes))


def _paragraph(text: str, **values: object) -> Iterator[str]:
    """Return the lines of a paragraph."""
    yield from textwrap.wrap(text.strip().format(**values), _WIDTH, break_on_hyphens=False)
    yield ""


def _group(feature: Feature) -> int:
    """Return the place of a feature's group: where its first feature stands."""
    return next(at for at, other in enumerate(FEATURES) if other.group == feature.group)


def _word(feature: Feature, target: Format, outcomes: Outcomes) -> str:
    """Return what becomes of a feature at a vendor, wherever it comes from."""
    cells = {cell: outcome.state for cell, outcome in outcomes.items() if cell.feature is feature}
    states = {cell.source: state for cell, state in cells.items() if cell.target is target}
    if not states:
        return _NONE
    arrives = [source for source, state in states.items() if state < State.WITHHELD]
    if State.LOST in states.values() or not arrives:
        return "no"
    if arrives == [target] and State.WITHHELD in cells.values():
        return "own"
    return "reworded" if State.RETOLD in states.values() else "yes"


def _numbers(row: Iterable[int]) -> list[str]:
    """Return numbers as they are shown."""
    return [str(number) if number else _NONE for number in row]


def _table(rows: Sequence[Sequence[str]], header: Sequence[str]) -> Iterator[str]:
    """Return the lines of a table."""
    for row in (header, ["---"] * len(header), *rows):
        yield f"| {' | '.join(row)} |"
    yield ""
