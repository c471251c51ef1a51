"""Several inference processes of one machine write into one ledger."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import sqlite3
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.attempts import attempt, entry, make_database
from support.service_calls import settled
from trunkline.inference.ledger import Ledger
from trunkline.inference.v1 import usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.database import Database, DatabaseError, SqliteDatabase, sqlite
from trunkline.options.v1 import options_pb2

LIMIT_S = 60
ROWS = 40
TESTS = Path(__file__).parents[2]

WRITE = f"""
import asyncio, sys
from pathlib import Path

from support.attempts import attempt, entry, make_database
from trunkline.inference.ledger import Ledger

async def write(data_dir, name):
    database = make_database(Path(data_dir))
    await database.open()
    ledger = Ledger(database, gather_s=0.0)
    running = asyncio.create_task(ledger.run())
    print("open", database.is_new, flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    for number in range(1, {ROWS} + 1):
        await ledger.write([entry(f"run_{{name}}", attempt(number))])
        await ledger.write([entry("run_both", attempt(number))])
    running.cancel()
    await database.close()
    print("done", flush=True)

asyncio.run(write(*sys.argv[1:]))
"""


class Writer:
    """A process that writes when it is told to.

    Args:
        data_dir: of the database.
        name: of its own run.
    """

    def __init__(self, data_dir: Path, name: str) -> None:
        self._arguments = ("-c", WRITE, str(data_dir), name)

    async def start(self) -> None:
        """Start it; its database opens."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *self._arguments,
            cwd=TESTS,
            env={"PYTHONPATH": str(TESTS), "PYTHONWARNINGS": "error"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )

    async def read(self) -> str:
        """Return the next line that it prints."""
        assert self._process.stdout is not None
        async with asyncio.timeout(LIMIT_S):
            return (await self._process.stdout.readline()).decode().strip()

    def go(self) -> None:
        """Let it write."""
        assert self._process.stdin is not None
        self._process.stdin.write(b"\n")

    async def end(self) -> None:
        """End it."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Database]:
    """A database that is open here."""
    made = make_database(tmp_path)
    await made.open()
    yield made
    await made.close()


async def test_processes_that_write_at_once_all_succeed(tmp_path: Path) -> None:
    """They open an empty directory at the same moment; no row is lost, none is there twice."""
    writers = [Writer(tmp_path, name) for name in ("1", "2")]
    await asyncio.gather(*(writer.start() for writer in writers))
    try:
        opened = await asyncio.gather(*(writer.read() for writer in writers))
        assert sorted(opened) == ["open False", "open True"]
        for writer in writers:
            writer.go()
        assert await asyncio.gather(*(writer.read() for writer in writers)) == ["done"] * 2
    finally:
        for writer in writers:
            await writer.end()
    with contextlib.closing(sqlite3.connect(tmp_path / "inference.db")) as connection:
        counts = dict(connection.execute("SELECT run_id, count(*) FROM attempt GROUP BY run_id"))
        (check,) = connection.execute("PRAGMA integrity_check").fetchone()
    assert counts == {"run_1": ROWS, "run_2": ROWS, "run_both": ROWS}
    assert check == "ok"


async def test_what_one_writes_the_other_lists(one: Database, tmp_path: Path) -> None:
    """At once."""
    two = make_database(tmp_path)
    await two.open()
    writing, reading = Ledger(one), Ledger(two)
    made = entry("run_1", attempt())
    writing.add([made])
    await writing.flush()
    admin = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
    page = await reading.page(usage_pb2.ListAttemptsRequest(), admin)
    assert list(page.entries) == [made]
    await two.close()


async def test_a_file_that_is_shared_says_so(one: Database, tmp_path: Path) -> None:
    """One that a process has for itself does not, and refuses a second one."""
    assert one.is_shared
    own = SqliteDatabase("notes", tmp_path, tmp_path)
    assert not own.is_shared


async def test_one_that_opens_waits_for_another_that_makes_ready(
    one: Database, tmp_path: Path
) -> None:
    """The lock beside the file is held for that long only."""
    with (tmp_path / "inference.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        two = make_database(tmp_path)
        opening = asyncio.create_task(two.open())
        await asyncio.sleep(0)
        assert not opening.done()
        fcntl.flock(lock, fcntl.LOCK_UN)
        await settled(opening.done)
        await opening
    await two.close()


async def test_one_that_opens_does_not_wait_for_ever(
    one: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what is in the way."""
    monkeypatch.setattr(sqlite, "_READY_WAIT_S", 0.05)
    with (tmp_path / "inference.lock").open("r+b") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        with pytest.raises(DatabaseError, match="in use by another Trunkline"):
            await make_database(tmp_path).open()
