"""Transactions: whole or not at all, and never in the way of the loop."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from trunkline.kernel.database import Database, StoreUnavailable

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def kept(tmp_path: Path, store_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = storing.any_database(tmp_path, store_url)
    await opened.open()
    yield opened
    await opened.close()


async def test_a_transaction_is_written_at_its_end(kept: Database) -> None:
    """Nobody sees it before."""
    async with kept.write() as session:
        await storing.add(session, "a", "b")
        assert await storing.texts(kept) == []
    assert await storing.texts(kept) == ["a", "b"]


async def test_an_error_takes_everything_back(kept: Database) -> None:
    """And the next transaction is not touched by it."""

    async def fail() -> None:
        async with kept.write() as session:
            await storing.add(session, "a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    async with kept.write() as session:
        await storing.add(session, "b")
    assert await storing.texts(kept) == ["b"]


async def test_a_reader_sees_one_moment(kept: Database) -> None:
    """What is written meanwhile comes after its transaction."""
    async with kept.write() as session:
        await storing.add(session, "a")
    async with kept.read() as session:
        query = storing.all_texts()
        assert list(await session.exec(query)) == ["a"]
        async with kept.write() as writing:
            await storing.add(writing, "b")
        assert list(await session.exec(query)) == ["a"]
    assert await storing.texts(kept) == ["a", "b"]


async def test_writers_take_turns(kept: Database) -> None:
    """Each reads what the one before wrote: no update is lost."""

    async def count_up() -> None:
        async with kept.write() as session:
            number = len(list(await session.exec(storing.all_texts())))
            await asyncio.sleep(0)
            await storing.add(session, f"{number}")

    await asyncio.gather(*(count_up() for _ in range(30)))
    assert await storing.texts(kept) == [f"{number}" for number in range(30)]


async def test_cancelled_transactions_are_whole_or_nothing(kept: Database) -> None:
    """Wherever the cancellation strikes: both rows or none, and the database goes on."""
    chance = random.Random(7)
    finished = Counter[str]()

    async def write(name: str) -> None:
        async with kept.write() as session:
            await storing.add(session, name)
            await asyncio.sleep(0)
            await storing.add(session, name)
        finished[name] = 2

    async def read() -> None:
        await storing.texts(kept)

    for start in range(0, 60, 6):
        tasks = [asyncio.create_task(write(f"{start + n}")) for n in range(6)]
        tasks += [asyncio.create_task(read()) for _ in range(3)]
        for task in chance.sample(tasks, 6):
            for _ in range(chance.randrange(40)):
                await asyncio.sleep(0)
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(
            result is None or isinstance(result, asyncio.CancelledError) for result in results
        )
    written = Counter(await storing.texts(kept))
    assert set(written.values()) <= {2}
    assert finished <= written
    async with kept.write() as session:
        await storing.add(session, "after")
    assert (await storing.texts(kept))[-1] == "after"


async def test_closing_waits_for_what_is_under_way(kept: Database) -> None:
    """A transaction that had begun is written, and only then the database is free."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def write() -> None:
        async with kept.write() as session:
            await storing.add(session, "last")
            begun.set()
            await go_on.wait()

    writing = asyncio.create_task(write())
    await begun.wait()
    closing = asyncio.create_task(kept.close())
    await asyncio.sleep(0)
    assert not closing.done()
    go_on.set()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(writing, closing)
    await kept.open()
    assert await storing.texts(kept) == ["last"]


async def test_a_writer_waits_for_its_turn_for_a_while_only(tmp_path: Path, store_url: str) -> None:
    """Then it is told to try again; who reads is not held up."""
    kept = storing.any_database(tmp_path, store_url, turn_wait_s=0.05)
    await kept.open()
    async with kept.write() as session:
        await storing.add(session, "a")
        with pytest.raises(StoreUnavailable) as caught:
            async with asyncio.timeout(LIMIT_S), kept.write():
                pass
        assert await storing.texts(kept) == []
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert caught.value.retry_after is not None
    async with kept.write() as session:
        await storing.add(session, "b")
    assert await storing.texts(kept) == ["a", "b"]
    await kept.close()


async def test_a_database_gives_a_sign_of_life(kept: Database) -> None:
    """With the time, where it has a clock."""
    before = time.time_ns()
    told = await kept.ask_time_ns()
    if kept.is_shared:
        # Of the same machine, to the microsecond.
        assert told is not None
        assert before - 1_000 <= told <= time.time_ns()
    else:
        assert told is None
    await kept.close()
    with pytest.raises(RuntimeError, match="not open"):
        await kept.ask_time_ns()


async def test_many_readers_share_few_connections(kept: Database) -> None:
    """More than there are connections wait their turn."""
    async with kept.write() as session:
        await storing.add(session, "a")
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(*(storing.texts(kept) for _ in range(60)))
    assert answers == [["a"]] * 60
