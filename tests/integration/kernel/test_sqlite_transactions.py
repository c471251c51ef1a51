"""Transactions of SQLite, beside other programs, and what they leave behind."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import delete

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S, eventually
from trunkline.kernel.database import SqliteDatabase, StoreUnavailable


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[SqliteDatabase]:
    """An open database, which waits for others' locks for a moment only."""
    opened = storing.database(tmp_path, busy_timeout_s=0.3)
    await opened.open()
    yield opened
    await opened.close()


@contextlib.contextmanager
def other_program(kept: SqliteDatabase) -> Iterator[sqlite3.Connection]:
    """Open the file as another program would, one that asks nobody and does not wait."""
    connection = sqlite3.connect(
        kept.path, timeout=0, isolation_level=None, check_same_thread=False
    )
    try:
        yield connection
    finally:
        connection.close()


async def test_a_writer_locks_before_its_first_statement(kept: SqliteDatabase) -> None:
    """One that read first, and took its lock then, could only fail."""
    with other_program(kept) as other:
        async with kept.write() as session:
            await session.exec(storing.all_texts())
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
        other.execute("BEGIN IMMEDIATE")
        other.execute("ROLLBACK")


async def test_a_reader_locks_nobody_out(kept: SqliteDatabase) -> None:
    """Neither another program nor our own writers."""
    async with kept.read() as session:
        await session.exec(storing.all_texts())
        with other_program(kept) as other:
            other.execute("INSERT INTO note (text) VALUES ('other')")
        async with kept.write() as writing:
            await storing.add(writing, "ours")
    assert await storing.texts(kept) == ["other", "ours"]


async def test_another_programs_lock_is_waited_for_off_the_loop(kept: SqliteDatabase) -> None:
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


async def test_a_lock_that_stays_fails_the_write_in_time(kept: SqliteDatabase) -> None:
    """After the busy timeout, as what passes; reads go on, and the next write succeeds."""
    with other_program(kept) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(LIMIT_S), kept.write() as session:
                await storing.add(session, "a")
        assert await storing.texts(kept) == []
        other.execute("COMMIT")
    async with kept.write() as session:
        await storing.add(session, "b")
    assert await storing.texts(kept) == ["b"]


async def test_what_is_deleted_is_overwritten(kept: SqliteDatabase) -> None:
    """A removed key lingers neither in a free page nor, once it is emptied, in the log."""
    canary = "canary-deleted-" + "x" * 600
    async with kept.write() as session:
        await storing.add(session, *([canary] * 50))
    async with kept.write() as session:
        await session.exec(delete(storing.NOTES))
    assert await kept.checkpoint()
    for path in kept.path.parent.iterdir():
        assert b"canary-deleted" not in path.read_bytes()


async def test_a_log_that_is_read_is_not_emptied(kept: SqliteDatabase) -> None:
    """Whoever asks for it is told, within the busy timeout."""
    async with kept.read() as session:
        await session.exec(storing.all_texts())
        async with kept.write() as writing:
            await storing.add(writing, "a")
        async with asyncio.timeout(LIMIT_S):
            assert not await kept.checkpoint()
    assert await kept.checkpoint()
