"""The file of the SQLite journal: private, small, and without what was deleted."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import stat
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.journal_stores.journals import (
    LONG_S,
    SHORT_S,
    HandClock,
    SqliteJournal,
    begin,
    ending,
    get,
    new_run,
    segment,
    write,
)
from support.waiting import eventually
from trunkline.inference.journal import sqlite_lane
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import Appended, JournalUnavailable
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.database import DatabaseError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the journal will lie."""
    return tmp_path / "data" / "journal.db"


async def test_the_file_is_its_users_alone(path: Path) -> None:
    """Nobody else may read it, or the log beside it."""
    async with _opened(path) as journal:
        await begin(await journal.open())
        files = list(path.parent.iterdir())
        assert path.with_name("journal.db-wal") in files
        assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


async def test_workers_may_open_it_at_once(path: Path) -> None:
    """Several processes that start together make one schema."""
    journals = [SqliteJournal(path) for _ in range(8)]
    stores = await asyncio.gather(*(journal.open() for journal in journals))
    run_id = await begin(stores[0])
    for store in stores:
        assert (await get(store, run_id)).run_id == run_id
    await asyncio.gather(*(journal.close() for journal in journals))


async def test_what_was_written_is_there_after_a_restart(path: Path) -> None:
    """Closing and opening again loses nothing; closing twice is no error."""
    store = SqliteStore(path, SystemClock())
    await store.open()
    run_id = await begin(store)
    await write(store, segment(run_id, 1, 3))
    await store.close()
    await store.close()
    with pytest.raises(JournalUnavailable):
        await store.load(run_id)
    await store.open()
    assert (await get(store, run_id)).last_sequence == 3
    await store.close()


async def test_a_newer_schema_is_refused(path: Path) -> None:
    """An older build does not touch what a newer one wrote, and says so."""
    journal = SqliteJournal(path)
    await journal.open()
    await journal.close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(DatabaseError, match="written by a newer Trunkline") as caught:
        await journal.open()
    assert "Start that version again" in caught.value.advice


async def test_what_is_no_database_is_refused(path: Path) -> None:
    """A damaged file is named, and left as it is."""
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(DatabaseError, match="cannot be read as a journal"):
        await SqliteJournal(path).open()
    assert path.read_bytes().startswith(b"this is no database")


async def test_a_directory_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """The start says which file it is about."""
    (tmp_path / "data").write_text("a file where a directory should be")
    with pytest.raises(DatabaseError, match="cannot be written"):
        await SqliteJournal(tmp_path / "data" / "journal.db").open()


async def test_destroyed_content_is_gone_from_the_file(path: Path) -> None:
    """Neither the key nor a segment of a trimmed run is in any byte of file and log."""
    async with _opened(path) as journal:
        store = await journal.open()
        await store.renew("p1", LONG_S)
        kept = new_run(wrapped_key=b"the key that stays")
        run = new_run(retention_s=SHORT_S, wrapped_key=b"the key that goes", terms=b"the terms")
        for each in (kept, run):
            await store.create(each)
        await write(store, *(segment(run.run_id, n, n, data=b"a segment" * 99) for n in (1, 2, 3)))
        await store.put(run.run_id, "call", b"digest", b"a tool result")
        await write(store, ending(run.run_id, 3, status=b"the status"))
        await store.compact(run.run_id, 1, b"the whole" * 9_999)
        await store.mark_ledgered([run.run_id])
        words = [b"key that goes", b"the terms", b"a segment", b"tool result", b"the whole"]
        words += [b"the status", run.run_id.encode()]
        assert all(word in _bytes(path) for word in words if word != b"a segment")
        await journal.pass_s(2 * SHORT_S)
        assert await store.trim(10) == 1
        left = _bytes(path)
        assert [word for word in words if word in left] == []
        assert b"the key that stays" in left


async def test_the_log_is_bounded(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was committed moves into the file while others write on."""
    monkeypatch.setattr("trunkline.inference.journal.sqlite._KEEP_S", 0.1)
    store = SqliteStore(path, SystemClock(), max_log_bytes=2**16)
    await store.open()
    run_id = await begin(store)
    log = path.with_name("journal.db-wal")
    for number in range(1, 51):
        await write(store, segment(run_id, number, number, data=b"x" * 10_000))

    async def is_small() -> bool:
        return log.stat().st_size <= 2**16

    await eventually(is_small)
    assert await write(store, segment(run_id, 51, 51)) == [Appended.DONE]
    assert len(await store.read(run_id, 0, 2**20)) == 51
    await store.close()


async def test_a_file_that_is_locked_holds_nobody_for_long(path: Path) -> None:
    """Calls fail in their time while another program has the file; then they work again."""
    store = SqliteStore(path, HandClock(), wait_s=0.5)
    await store.open()
    run_id = await begin(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        outcomes = await asyncio.gather(
            *(write(store, segment(run_id, 1, 1)) for _ in range(5)), return_exceptions=True
        )
        assert {type(outcome) for outcome in outcomes} == {JournalUnavailable}
        assert (await get(store, run_id)).last_sequence == 0  # readers are not concerned
        holder.execute("ROLLBACK")
    assert await write(store, segment(run_id, 1, 1)) == [Appended.DONE]
    await store.close()


async def test_a_commit_under_way_stops_nobody_else(path: Path) -> None:
    """The loop goes on while a write waits, and a write that nobody waits for is not begun."""
    store = SqliteStore(path, HandClock())
    await store.open()
    run_id = await begin(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(write(store, segment(run_id, 1, 1)))
        left = asyncio.create_task(write(store, segment(run_id, 2, 2)))
        assert (await get(store, run_id)).last_sequence == 0
        left.cancel()
        await asyncio.gather(left, return_exceptions=True)
        assert not waiting.done()
        holder.execute("ROLLBACK")
    assert await waiting == [Appended.DONE]
    assert (await get(store, run_id)).last_sequence == 1
    await store.close()


async def test_too_many_that_wait_are_refused_at_once(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What piles up before a slow disk is bounded."""
    monkeypatch.setattr(sqlite_lane, "_MAX_WAITING", 5)
    store = SqliteStore(path, HandClock())
    await store.open()
    run_id = await begin(store)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as holder:
        holder.execute("BEGIN IMMEDIATE")
        waiting = [
            asyncio.create_task(write(store, segment(run_id, 1, 1, data=b"%d" % number)))
            for number in range(20)
        ]
        done, pending = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {type(task.exception()) for task in done} == {JournalUnavailable}
        assert 1 <= len(pending) <= 7  # a look at the file may wait, too
        holder.execute("ROLLBACK")
    outcomes = await asyncio.gather(*pending)
    assert outcomes.count([Appended.DONE]) == 1
    await store.close()


@contextlib.asynccontextmanager
async def _opened(path: Path) -> AsyncIterator[SqliteJournal]:
    """Give a journal, and close its stores."""
    journal = SqliteJournal(path)
    try:
        yield journal
    finally:
        await journal.close()


def _bytes(path: Path) -> bytes:
    """Return all bytes of a file and of what lies beside it."""
    return b"".join(file.read_bytes() for file in path.parent.glob(f"{path.name}*"))
