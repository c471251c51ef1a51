"""Runs that are read at another process than the one that carries them, and what both hold."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, Final

from support.houses import House, living, read, says
from support.waiting import eventually
from trunkline.inference.run import Run

KIB: Final = 1024
COUNT: Final = 400
UNTAKEN: Final = 16 * KIB
KEPT: Final = 32 * KIB
# One commit of what the provider said meanwhile may come on top of a bound.
ON_TOP: Final = UNTAKEN + 2 * KIB
_LIMIT_S: Final = 20.0


@asynccontextmanager
async def houses(path: Path, pause_s: float = 0.0) -> AsyncIterator[tuple[House, House]]:
    """Let two processes live that share a journal and hold little."""
    bounds: dict[str, Any] = {"journal_untaken_bytes": UNTAKEN, "journal_run_bytes": KEPT}
    first, second = (House(path / "j.db", says(COUNT, KIB, pause_s), **bounds) for _ in range(2))
    async with asyncio.timeout(_LIMIT_S), living(first), living(second):
        yield first, second


async def read_all(run: Run, after: int = 0) -> list[int]:
    """Read a run to its end, and return the numbers of its events."""
    return [event.sequence async for event in read(run, after)]


def held(run: Run) -> int:
    """Return how much a process keeps of an ended run's events, but for the end itself."""
    return run.journal.size - len(run.journal.get(run.journal.last_sequence))


async def stands_still(run: Run) -> None:
    """Wait until a run's provider waits for its readers."""

    async def is_full() -> bool:
        return not run.journal.has_room() and run.journal.visible == run.journal.last_sequence

    await eventually(is_full)


async def test_a_run_goes_on_for_a_reader_that_reads_elsewhere_alone(tmp_path: Path) -> None:
    """Its owner, where nobody reads it, holds no more than it may, and asks its provider on."""
    async with houses(tmp_path) as (owner, other):
        run = await owner.begin()
        sequences = await read_all(await other.find(run.id))
        assert sequences == list(range(1, COUNT + 3))
        assert held(run) <= KEPT + ON_TOP


async def test_a_slow_reader_here_does_not_hold_up_one_elsewhere(tmp_path: Path) -> None:
    """It reads from the store what its process did not keep for it."""
    async with houses(tmp_path) as (owner, other):
        run = await owner.begin()
        async with aclosing(read(run)) as slow:
            assert (await anext(slow)).sequence == 1
            await read_all(await other.find(run.id))
            assert held(run) <= KEPT + ON_TOP
            assert [event.sequence async for event in slow] == list(range(2, COUNT + 3))


async def test_a_process_that_follows_a_run_holds_no_more_than_it_may(tmp_path: Path) -> None:
    """Its reader stands still, and gets all the same what it has not read."""
    async with houses(tmp_path) as (owner, other):
        run = await owner.begin()
        followed = await other.find(run.id)
        async with aclosing(read(followed)) as slow:
            assert (await anext(slow)).sequence == 1
            await read_all(run)
            await followed.journal.wait_closed()
            assert held(followed) <= KEPT + ON_TOP
            assert [event.sequence async for event in slow] == list(range(2, COUNT + 3))


async def test_a_provider_waits_again_when_the_last_reader_elsewhere_left(tmp_path: Path) -> None:
    """What the readers of its own process do not take is what counts then."""
    # It must not have ended when the owner hears of it.
    async with houses(tmp_path, pause_s=0.005) as (owner, other):
        run = await owner.begin()
        async with aclosing(read(run)) as slow:
            await anext(slow)
            await stands_still(run)
            async with aclosing(read(await other.find(run.id))) as fast:
                async for event in fast:
                    if event.sequence == COUNT // 4:
                        break
            await stands_still(run)
            assert run.is_live
            assert run.journal.last_sequence >= COUNT // 4
            assert [event.sequence async for event in slow] == list(range(2, COUNT + 3))
