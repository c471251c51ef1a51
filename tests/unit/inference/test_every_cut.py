"""Every failure before every frame of every kind of answer in every format: no chat is lost.

The first model fails whenever it is asked, the second one is healthy. What is asserted of every
cell alike stands in `support.cut_cells`; here stands what a frame that cannot be decoded adds.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Final

import pytest

from support import matrix
from support.answer_oracle import CONTENT, FRAME
from support.bare_runs import candidate, carry
from support.cut_cells import (
    AT,
    FORMATS,
    GOES_ON,
    RESPONSES,
    SCRIPTS,
    SIGNING,
    TURNS,
    WHOLE,
    Cell,
    Heir,
    Turn,
    ask_for,
    ask_on,
    judge_turns,
)
from support.taped_provider import TapedProvider
from trunkline.inference.v1 import chat_pb2

_SAMPLE: Final = 8
_BEYOND: Final = 99_999
"""Comes after the last frame of any answer here."""


async def _play(cell: Cell, most: int = TURNS) -> tuple[list[Turn], int]:
    """Ask turn by turn until a model has said all.

    Returns:
        The turns, and how many frames the longest first answer had.
    """
    models = [
        candidate(form, model, provider=place, prefills=cell.prefills(form))
        for place, form, model in (
            ("first", cell.form, cell.first_model),
            ("second", cell.heir_form, cell.second_model),
        )
    ]
    turns: list[Turn] = []
    frames = 0
    request: chat_pb2.ChatRequest | None = ask_for(cell)
    while request is not None and len(turns) < most:
        provider = TapedProvider()
        carried = await carry(request, models, provider)
        assert all(exchange.closed for exchange in provider.exchanges)
        rows = [row for _, row in sorted(carried.run.rows.items())]
        turns.append(Turn(request, carried.reading, provider.heard, rows))
        frames = max(frames, len(provider.tapes[0].writes))
        request = ask_on(turns[-1])
    return turns, frames


async def _judge_malformed(first: Turn, cell: Cell) -> None:
    """Fail unless a frame is passed over where that may be, and only there.

    What stands open there, a cut at the same place tells.
    """
    index = cell.index or 0
    cuts = [replace(cell, failure="cut", index=place) for place in (index, index + 1)]
    (here, next_) = [(await _play(cut, most=1))[0][0] for cut in cuts]
    if here.is_alone:
        # The answer was whole before.
        assert first.is_alone
        return
    said, goes_on = _kinds_said(here), _kinds_said(next_)
    is_twice = cell.failure == "malformed-twice" and not next_.is_alone
    thinks = said[-1:] == goes_on[-1:] == ["reasoning_delta"] and cell.form in SIGNING
    if is_twice or cell.script == "json" or "tool_call_aborted" in said or thinks:
        assert not first.is_alone
    elif cell.form == RESPONSES and cell.script == "reason" and not goes_on:
        # A thought is open there some frames before anything of it is told.
        pass
    elif cell.failure == "malformed" and (said or goes_on)[-1:] in ([], ["text_delta"]):
        assert first.is_alone
        assert [loss.path for loss in first.reading.completed.losses] == [FRAME]


def _kinds_said(turn: Turn) -> list[str]:
    """Return the kinds of what the first attempt said."""
    kinds = (event.WhichOneof("kind") for event in turn.reading.events if event.attempt == 1)
    return [kind for kind in kinds if kind in CONTENT]


async def _check(cell: Cell) -> None:
    """Play a cell, and judge all that came of it."""
    turns, _ = await _play(cell)
    judge_turns(turns, cell)
    if cell.failure in ("malformed", "malformed-twice"):
        await _judge_malformed(turns[0], cell)


async def _count_frames(form: str, script: str) -> int:
    """Return how many frames a healthy answer has; of several turns the longest one's."""
    _, frames = await _play(Cell(form, script, "cut", _BEYOND, GOES_ON))
    return frames


@pytest.mark.parametrize(
    ("script", "heir"),
    [(script, heir) for script, heirs in SCRIPTS.items() for heir in heirs],
    ids=lambda value: value.name if isinstance(value, Heir) else value,
)
@pytest.mark.parametrize("form", FORMATS)
async def test_no_chat_is_lost(form: str, script: str, heir: Heir) -> None:
    """The answer is whole, comes once, and every request has its row, whatever breaks where."""
    frames = await _count_frames(form, script)
    every = [
        Cell(form, script, failure, index, heir)
        for failure, index in (
            *((failure, None) for failure in WHOLE),
            *product(AT, range(frames + 1)),
        )
    ]
    cells = matrix.cells(f"every-cut: {form} {script} {heir.name}", every, sample=_SAMPLE)
    for cell in cells:
        try:
            await _check(cell)
        except AssertionError as error:
            error.add_note(str(cell))
            raise
    matrix.ran("every-cut", len(cells))


async def test_no_attempt_is_promised_that_may_not_follow() -> None:
    """Where the next model may not go on from the text, nobody is told that it will."""
    heir = Heir("may not void", policy=chat_pb2.CONTINUATION_POLICY_PREFILL_ONLY)
    (turn,), _ = await _play(Cell("openai", "chars-30", "cut", 9, heir))
    assert turn.reading.failed.reason == "CONTINUATION_NOT_ALLOWED"
    assert len(turn.heard) == 1
    (failed,) = [event for event in turn.reading.events if event.HasField("attempt_failed")]
    assert not failed.attempt_failed.will_retry
