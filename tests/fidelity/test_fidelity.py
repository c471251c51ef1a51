"""A transcript that moves: what arrives arrives whole, and what does not is told."""

from __future__ import annotations

import json

import pytest

from fidelity.cells import CELLS, MATRIX, Cell, run
from fidelity.comparison import compare
from fidelity.findings import State
from fidelity.page import is_stale
from fidelity.table import LEAST, LEAST_NAMED, named, run_all, share
from support import matrix
from trunkline.inference.v1 import result_pb2

_CHOSEN = matrix.cells(MATRIX, CELLS, sample=160)


@pytest.mark.parametrize("cell", _CHOSEN, ids=str)
def test_what_is_lost_on_the_way_is_told(cell: Cell) -> None:
    """A feature is found at the other side, or a loss names its place; and no loss is made up."""
    assert run(cell).faults == []
    matrix.ran(MATRIX)


def test_nearly_everything_arrives_and_the_page_says_how_much() -> None:
    """Of the named features 95 % arrive, and the published page is what the cases show."""
    outcomes = run_all()
    assert share(named(outcomes)) >= LEAST_NAMED
    assert share(outcomes.values()) >= LEAST
    assert not is_stale(outcomes), "`make providers` writes docs/providers.md"


_LOSING = [
    cell
    for cell in CELLS
    if cell.feature.name in ("PDF by address", "system message in the middle") and run(cell).losses
]


@pytest.mark.parametrize("cell", _LOSING, ids=str)
def test_a_loss_that_is_not_told_is_found(cell: Cell) -> None:
    """The matrix sees that a loss is missing, is of another place, or is one of nothing."""
    request = cell.feature.request(cell.source, cell.target)
    built = cell.target.adapter.build_chat(cell.target.target, request, stream=False)
    reading = cell.target.read(json.loads(built.request.content))
    findings = compare(request, reading, cell.target.target, own=cell.source is cell.target)
    made_up = result_pb2.Loss(path="sampling.seed", action=result_pb2.Loss.ACTION_DROPPED)
    assert findings.judge(built.losses) == []
    assert len(findings.judge(built.losses[1:])) == 1
    assert findings.judge([*built.losses, made_up]) == [
        "sampling.seed is told of, and nothing is lost there"
    ]


# What ends a request that asks to go on was said by nobody.
_SAYING = [cell for cell in CELLS if cell.feature.name != "text to be continued (prefill)"]


@pytest.mark.parametrize("cell", _SAYING[::40], ids=str)
def test_words_that_do_not_arrive_are_found(cell: Cell) -> None:
    """The matrix sees that something which a request does not say any more is gone."""
    request = cell.feature.request(cell.source, cell.target)
    built = cell.target.adapter.build_chat(cell.target.target, request, stream=False)
    reading = cell.target.read(json.loads(built.request.content))
    reading.items = reading.items[:-1]
    findings = compare(request, reading, cell.target.target, own=cell.source is cell.target)
    lost = [each for each in findings.found if each.state is State.LOST]
    assert lost or findings.faults
    assert findings.judge(built.losses)
