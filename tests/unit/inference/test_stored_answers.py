"""Answers that a process has not at hand: forgotten to make room, or too large to be in the end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import pytest

from support.fake_runs import tool_call
from support.houses import House, living, read
from trunkline.inference.answers import wait_end
from trunkline.inference.conversation import Loop
from trunkline.inference.run import Run
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2
from trunkline.kernel.errors import OutOfRange

KIB: Final = 1024
SMALL: Final = "y" * 3 * KIB
LARGE: Final = "z" * 2 * KIB * KIB
TOTAL: Final = 64 * KIB
_LIMIT_S: Final = 20.0


async def answer(run: Run) -> None:
    """Answer at once: `large` with much; a loop with a call that its client does not serve."""
    text = LARGE if run.terms.request.idempotency_key == "large" else SMALL
    if run.terms.loop is None:
        run.append(event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text=text)))
    else:
        for event in tool_call("write", text, block=0, call_id="call_1"):
            run.append(event)
        run.complete_turn()
    run.finish(result_pb2.Completed())


@asynccontextmanager
async def house(path: Path) -> AsyncIterator[House]:
    """Let a process live that holds little."""
    made = House(path / "j.db", answer, journal_total_bytes=TOTAL)
    async with asyncio.timeout(_LIMIT_S), living(made):
        yield made


async def end(run: Run) -> None:
    """Read a run to its end."""
    async for _ in read(run):
        pass


async def fill(house: House) -> None:
    """Have so many runs end that what was there before is forgotten."""
    for _ in range(20):
        await end(await house.begin())
    assert house.runs._size <= TOTAL


async def message_of(house: House, run_id: str) -> message_pb2.Message:
    """Return the whole answer of a run, as for a call of its owner."""
    answered = await house.registry.answer(await house.find(run_id))
    assert answered is not None
    return answered[1]


async def test_answer_that_was_forgotten_is_read_from_the_store(tmp_path: Path) -> None:
    """Whoever asks for the run, attaches to it or resumes it gets what he got before."""
    async with house(tmp_path) as owner:
        run = await owner.begin(key="small")
        await end(run)
        await fill(owner)
        assert run.completed is None
        assert (await message_of(owner, run.id)).content[0].text == SMALL
        await fill(owner)
        attached = await owner.begin(key="small")
        assert attached.id == run.id
        assert (await wait_end(attached)).message.content[0].text == SMALL
        await fill(owner)
        assert [event.sequence async for event in read(await owner.find(run.id))] == [1, 2, 3]
        # And who had the run when it was forgotten.
        assert (await wait_end(run)).message.content[0].text == SMALL


@pytest.mark.parametrize("in_loop", [False, True], ids=["one turn", "loop"])
async def test_large_answer_is_whole_at_another_process(tmp_path: Path, in_loop: bool) -> None:
    """It is folded from the events where the end leaves it out, and counts while it is kept."""
    loop = Loop(max_turns=2, max_parallel_calls=2, tool_timeout_s=1.0) if in_loop else None
    async with house(tmp_path) as owner, house(tmp_path) as other:
        run = await owner.begin(key="large", loop=loop)
        await end(run)
        (part,) = (await message_of(other, run.id)).content
        assert (part.tool_call.arguments if in_loop else part.text) == LARGE
        await fill(other)


async def test_answer_of_a_memory_run_that_was_forgotten_is_gone(tmp_path: Path) -> None:
    """Who attaches to it is told so."""
    async with house(tmp_path) as owner:
        run = await owner.begin(key="small", durable=False)
        await end(run)
        await fill(owner)
        assert await owner.registry.answer(run) is None
        with pytest.raises(OutOfRange) as caught:
            await wait_end(await owner.begin(key="small", durable=False))
        assert caught.value.reason == "EVENTS_TRIMMED"
