"""Transactions: whole or not at all, and never in the way of the loop."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete
from sqlalchemy.exc import OperationalError

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S, eventually
from trunkline.kernel.database import Database


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Database]:
    """An open database, which waits for others' locks for a moment only."""
    opened = storing.database(tmp_path, busy_timeout_s=0.3)
    await opened.open()
    yield opened
    await opened.close()


@contextlib.contextmanager
def other_program(kept: Database) -> Iterator[sqlite3.Connection]:
    """Open the file as another program would, one that asks nobody and does not wait."""
    connection = sqlite3.connect(
        kept.path, timeout=0, isolation_level=None, check_same_thread=False
    )
    try:
        yield connection
    finally:
        connection.close()


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


async def test_a_writer_locks_before_its_first_statement(kept: Database) -> None:
    """One that read first, and took its lock then, could only fail."""
    with other_program(kept) as other:
        async with kept.write() as session:
            await session.exec(storing.all_texts())
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")


async def test_a_reader_locks_nobody_out(kept: Database) -> None:
    """Neither another program nor our own writers."""
    async with kept.read() as session:
        await session.exec(storing.all_texts())
        with other_program(kept) as other:
            other.execute("INSERT INTO note (text) VALUES ('other')")
        async with kept.write() as writing:
            await storing.add(writing, "ours")
    assert await storing.texts(kept) == ["other", "ours"]


async def test_writers_take_turns(kept: Database) -> None:
    """Each reads what the one before wrote: no update is lost."""

    async def count_up() -> None:
        async with kept.write() as session:
            number = len(list(await session.exec(storing.all_texts())))
            await asyncio.sleep(0)
            await storing.add(session, f"{number}")

    await asyncio.gather(*(count_up() for _ in range(30)))
    assert await storing.texts(kept) == [f"{number}" for number in range(30)]


async def test_another_programs_lock_is_waited_for_off_the_loop(kept: Database) -> None:
    """A backup holds the file for a while: the write waits, and everything else goes on."""
    turns = 0
    done = asyncio.Event()

    async def turn() -> None:
        nonlocal turns
        while not done.is_set():
            turns += 1
            await asyncio.sleep(0.001)

    async def write() -> None:
        async with kept.write() as session:
            await storing.add(session, "a")

    with other_program(kept) as other:
        other.execute("BEGIN IMMEDIATE")
        turning = asyncio.create_task(turn())
        writing = asyncio.create_task(write())
        await eventually(lambda: turns > 20)
        assert not writing.done()
        other.execute("COMMIT")
        async with asyncio.timeout(LIMIT_S):
            await writing
        done.set()
        await turning
    assert await storing.texts(kept) == ["a"]


async def test_a_lock_that_stays_fails_the_write_in_time(kept: Database) -> None:
    """After the busy timeout; reads go on, and the next write succeeds."""
    with other_program(kept) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(OperationalError, match="locked"):
            async with asyncio.timeout(LIMIT_S), kept.write() as session:
                await storing.add(session, "a")
        assert await storing.texts(kept) == []
        other.execute("COMMIT")
    async with kept.write() as session:
        await storing.add(session, "b")
    assert await storing.texts(kept) == ["b"]


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


async def test_closing_waits_for_what_is_under_way(tmp_path: Path) -> None:
    """A transaction that had begun is written, and the lock is free only then."""
    kept = storing.database(tmp_path)
    await kept.open()
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
    await kept.close()


async def test_what_is_deleted_is_overwritten(kept: Database) -> None:
    """A removed key lingers neither in a free page nor, once it is emptied, in the log."""
    canary = "canary-deleted-" + "x" * 600
    async with kept.write() as session:
        await storing.add(session, *([canary] * 50))
    async with kept.write() as session:
        await session.exec(delete(storing.NOTES))
    assert await kept.checkpoint()
    for path in kept.path.parent.iterdir():
        assert b"canary-deleted" not in path.read_bytes()


async def test_a_log_that_is_read_is_not_emptied(kept: Database) -> None:
    """Whoever asks for it is told, within the busy timeout."""
    async with kept.read() as session:
        await session.exec(storing.all_texts())
        async with kept.write() as writing:
            await storing.add(writing, "a")
        async with asyncio.timeout(LIMIT_S):
            assert not await kept.checkpoint()
    assert await kept.checkpoint()


async def test_many_readers_share_few_connections(kept: Database) -> None:
    """More than there are connections wait their turn."""
    async with kept.write() as session:
        await storing.add(session, "a")
    async with asyncio.timeout(LIMIT_S):
        answers = await asyncio.gather(*(storing.texts(kept) for _ in range(60)))
    assert answers == [["a"]] * 60
