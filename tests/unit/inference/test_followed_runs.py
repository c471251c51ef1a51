"""Runs that a process follows: for how long the store wakes it, and how often they end there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import pytest

from support.houses import House, living, read, says
from support.waiting import eventually
from trunkline.inference.run import Run
from trunkline.inference.v1 import run_pb2

_LIMIT_S: Final = 20.0


@asynccontextmanager
async def houses(path: Path) -> AsyncIterator[tuple[House, House]]:
    """Let two processes live that share a journal."""
    first, second = make_houses(path)
    async with asyncio.timeout(_LIMIT_S), living(first), living(second):
        yield first, second


def make_houses(path: Path) -> tuple[House, House]:
    """Return two processes that share a journal."""
    settings: dict[str, Any] = {"run_lease_s": 0.5, "journal_look_s": 0.1}
    first, second = (House(path / "j.db", says(5, 10, pause_s=0.02), **settings) for _ in range(2))
    return first, second


async def rests(house: House) -> None:
    """Wait until a process looks for nothing any more that others may have written."""
    wakes = house.store._wakes

    async def is_at_rest() -> bool:
        # Nothing but the work that it does tells, so that the test must look inside.
        return not (wakes._followed or wakes._owned or wakes._is_needed.is_set())

    await eventually(is_at_rest)


async def end(run: Run) -> None:
    """Read a run to its end."""
    async for _ in read(run):
        pass


@pytest.mark.parametrize("reads", ["while it goes on", "after its end", "not to its end"])
async def test_a_run_that_was_read_elsewhere_is_followed_no_more(
    tmp_path: Path, reads: str
) -> None:
    """When it has ended, or its reader has left, nobody is woken for it."""
    async with houses(tmp_path) as (owner, other):
        run = await owner.begin()
        if reads == "after its end":
            await end(run)
        followed = await other.find(run.id)
        if reads == "not to its end":
            async with aclosing(read(followed)) as events:
                await anext(events)
            await rests(other)
            await end(run)
        else:
            await end(followed)
        await rests(owner)
        await rests(other)


async def test_a_run_that_is_taken_over_is_followed_no_more(tmp_path: Path) -> None:
    """Its new owner is not woken by what it writes itself."""
    owner, other = make_houses(tmp_path)
    async with asyncio.timeout(_LIMIT_S), living(other):
        async with living(owner):
            followed = await other.find((await owner.begin()).id)
            events = read(followed)
            await anext(events)
        async with aclosing(events):
            async for _ in events:
                if followed.is_owned:
                    break
            assert not other.store._wakes._followed
        await end(followed)
        await rests(other)


async def test_a_run_that_another_process_ended_is_its_owners_no_more(tmp_path: Path) -> None:
    """Its owner looks no more for what others leave about it."""
    async with houses(tmp_path) as (owner, other):
        run = await owner.begin()
        run.halt()
        await other.registry.cancel(await other.find(run.id))
        await run.journal.wait_closed()
        assert run.state == run_pb2.RUN_STATE_CANCELLED
        await rests(owner)
        await rests(other)


async def test_a_run_that_several_bring_at_once_ends_once(tmp_path: Path) -> None:
    """Its answer is counted once among what the process holds, so that nothing stays of it."""
    async with houses(tmp_path) as (owner, other):
        for _ in range(5):
            run = await owner.begin()
            await end(run)
            first, *same = await asyncio.gather(*(other.find(run.id) for _ in range(4)))
            assert same == [first] * 3
            assert first.answer_bytes > 0
            other.runs.drop(first)
        assert other.runs._size == 0
