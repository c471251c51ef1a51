"""The cells of the matrix: a feature of a transcript on its way from one format to another."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from fidelity.asking import compare_asking
from fidelity.comparison import check_nothing_made_up, compare
from fidelity.features import FEATURES
from fidelity.features.feature import Feature
from fidelity.findings import State
from fidelity.formats import FORMATS, Format
from trunkline.inference.transcript import check
from trunkline.inference.v1 import result_pb2

MATRIX: Final = "fidelity"
"""The name by which cells are sampled and counted."""


@dataclass(frozen=True, slots=True, eq=False)
class Cell:
    """One of them.

    Attributes:
        source: whose turns the transcript has.
        target: who is asked on.
        feature: of the transcript.
    """

    source: Format
    target: Format
    feature: Feature

    def __str__(self) -> str:
        """Return its name."""
        return f"{self.source.name}-{self.target.name}-{self.feature.name}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a cell.

    Attributes:
        state: the worst of what became of the feature.
        losses: that are told and belong to it.
        faults: lost and not told, told and not lost, or otherwise wrong; in words.
    """

    state: State
    losses: Sequence[result_pb2.Loss]
    faults: Sequence[str]


CELLS: Final = tuple(
    Cell(source, target, feature)
    for source in FORMATS
    for target in FORMATS
    for feature in FEATURES
    if feature.fits(source, target)
)


def run(cell: Cell) -> Outcome:
    """Ask on in the other format, and read what was sent as its vendor does."""
    request = cell.feature.request(cell.source, cell.target)
    assert check(request) == [], "the transcript is none"
    built = cell.target.adapter.build_chat(cell.target.target, request, stream=False)
    reading = cell.target.read(json.loads(built.request.content))
    own = cell.source is cell.target and not cell.feature.model
    findings = compare(request, reading, cell.target.target, own=own)
    compare_asking(request, reading, findings)
    check_nothing_made_up(request, reading, findings)
    states = [each.state for each in findings.found if cell.feature.concerns(each.path)]
    assert states, "nothing of the transcript is what the feature is about"
    return Outcome(
        max(states),
        [loss for loss in built.losses if cell.feature.concerns(loss.path)],
        findings.judge(built.losses),
    )
