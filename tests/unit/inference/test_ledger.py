"""Rows of the ledger are written at once, together and once; what is dropped is counted."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite
from structlog.testing import capture_logs

from support.attempts import COMPLETED, FAILED, OPEN, attempt, entry, make_database, places
from support.service_calls import running, settled
from trunkline.inference import ledger as ledger_module
from trunkline.inference.ledger import MAX_BATCH, MAX_WAITING, Ledger
from trunkline.inference.ledger_tables import AttemptRow
from trunkline.inference.v1 import usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.database import Database, StoreUnavailable
from trunkline.options.v1 import options_pb2

ADMIN = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
_COLUMNS = tuple(AttemptRow.model_fields)


class Rows:
    """A database that notes what each commit holds.

    Attributes:
        commits: of each the runs and numbers of its rows, in the order of the commits.
        gate: commits wait for it.
        is_away: commits fail.
    """

    service = "inference"

    def __init__(self) -> None:
        self.commits: list[list[tuple[str, int, int]]] = []
        self.begun = 0
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_away = False

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Any]:
        """Take the rows of a transaction, and keep them when it commits."""
        self.begun += 1
        taken: list[tuple[str, int, int]] = []

        async def take(statement: str, rows: list[tuple[Any, ...]]) -> None:
            del statement
            named = (dict(zip(_COLUMNS, row, strict=True)) for row in rows)
            taken.extend((row["run_id"], row["number"], row["outcome"]) for row in named)

        async def connect() -> Any:
            return SimpleNamespace(exec_driver_sql=take, dialect=sqlite.dialect())

        yield SimpleNamespace(connection=connect)
        await self.gate.wait()
        if self.is_away:
            raise StoreUnavailable("inference")
        self.commits.append(taken)


@pytest.fixture
def rows() -> Rows:
    """Give a database that takes everything."""
    return Rows()


@pytest.fixture
def noting(rows: Rows) -> Ledger:
    """Give a ledger over it that tries again at once."""
    return Ledger(rows, gather_s=0.0, pause_s=0.0)  # type: ignore[arg-type] # as much of one as is asked


@pytest.fixture
async def database(tmp_path: Path) -> AsyncIterator[Database]:
    """Give the service's real database."""
    made = make_database(tmp_path)
    await made.open()
    yield made
    await made.close()


async def listed(ledger: Ledger) -> list[usage_pb2.LedgerEntry]:
    """Return all rows."""
    page = await ledger.page(usage_pb2.ListAttemptsRequest(page_size=1000), ADMIN)
    return list(page.entries)


async def test_what_comes_during_a_commit_is_the_next_one(rows: Rows, noting: Ledger) -> None:
    """The first row waits for nobody; all that come meanwhile share a commit."""
    rows.gate.clear()
    async with running(noting.run()):
        noting.add([entry("run_0")])
        await settled(lambda: rows.begun == 1)
        for number in range(1, 4):
            noting.add([entry(f"run_{number}")])
        rows.gate.set()
        await settled(lambda: len(rows.commits) == 2)
    assert rows.commits == [
        [("run_0", 1, COMPLETED)],
        [(f"run_{number}", 1, COMPLETED) for number in range(1, 4)],
    ]


async def test_an_attempt_is_one_row_of_a_commit(rows: Rows, noting: Ledger) -> None:
    """The last that was said of it; that it is open is not said of one that was closed."""
    noting.add([entry("run_1", attempt(1, OPEN)), entry("run_2", attempt(1, OPEN))])
    noting.add([entry("run_1", attempt(1, FAILED)), entry("run_1", attempt(2, OPEN))])
    noting.add([entry("run_1", attempt(1, OPEN))])
    await noting.flush()
    assert rows.commits == [[("run_1", 1, FAILED), ("run_2", 1, OPEN), ("run_1", 2, OPEN)]]


async def test_who_writes_waits_for_the_commit(rows: Rows, noting: Ledger) -> None:
    """Rows of several writers go into one commit, before those that nobody waits for."""
    rows.gate.clear()
    async with running(noting.run()):
        noting.add([entry("run_0")])
        await settled(lambda: rows.begun == 1)
        noting.add([entry("run_1")])
        writers = [asyncio.create_task(noting.write([entry(f"run_{n}")])) for n in (2, 3)]
        await asyncio.sleep(0)
        assert not any(writer.done() for writer in writers)
        rows.gate.set()
        await asyncio.gather(*writers)
    assert [sorted(run_id for run_id, *_ in commit) for commit in rows.commits] == [
        ["run_0"],
        ["run_1", "run_2", "run_3"],
    ]


async def test_a_commit_has_its_bound(rows: Rows, noting: Ledger) -> None:
    """Nothing is left behind by it."""
    noting.add(entry(f"run_{number}") for number in range(2 * MAX_BATCH + 1))
    await noting.flush()
    assert [len(commit) for commit in rows.commits] == [MAX_BATCH, MAX_BATCH, 1]


async def test_rows_are_kept_until_the_database_is_back(rows: Rows, noting: Ledger) -> None:
    """In their order, each with the last that was said of it."""
    rows.is_away = True
    async with running(noting.run()):
        noting.add([entry("run_1", attempt(1, OPEN)), entry("run_2")])
        await settled(lambda: rows.begun > 2)
        noting.add([entry("run_3"), entry("run_1", attempt(1, FAILED))])
        rows.is_away = False
        await settled(lambda: bool(rows.commits))
        await noting.flush()
    written = {row[0]: row[2] for commit in rows.commits for row in commit}
    assert written == {"run_1": FAILED, "run_2": COMPLETED, "run_3": COMPLETED}
    assert next(iter(written)) == "run_1"


async def test_who_writes_is_told_when_the_database_is_away(rows: Rows, noting: Ledger) -> None:
    """Its rows are not kept here: they lie in the journal."""
    rows.is_away = True
    async with running(noting.run()):
        with pytest.raises(StoreUnavailable):
            await noting.write([entry("run_1")])
        rows.is_away = False
        await noting.write([entry("run_2")])
    assert rows.commits == [[("run_2", 1, COMPLETED)]]


async def test_who_writes_does_not_wait_for_ever(
    noting: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though nothing is written at all."""
    monkeypatch.setattr(ledger_module, "WRITE_S", 0.01)
    with pytest.raises(StoreUnavailable):
        await noting.write([entry()])


async def test_no_more_writers_wait_than_there_is_room_for(noting: Ledger) -> None:
    """One too many is told at once."""
    many = [entry(f"run_{number}") for number in range(MAX_WAITING + 1)]
    first = asyncio.create_task(noting.write(many))
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await noting.write([entry("run_x")])
    first.cancel()
    await asyncio.wait([first])


async def test_the_oldest_rows_are_dropped_and_counted(rows: Rows, noting: Ledger) -> None:
    """The log has how many, a line for each doubling."""
    with capture_logs() as logs:
        for number in range(MAX_WAITING + 5):
            noting.add([entry(f"run_{number}")])
    dropped = [line["rows"] for line in logs if line["event"] == "ledger_rows_dropped"]
    assert dropped == [1, 2, 4]
    await noting.flush()
    written = [row[0] for commit in rows.commits for row in commit]
    assert written == [f"run_{number}" for number in range(5, MAX_WAITING + 5)]


async def test_what_is_not_flushed_is_told(rows: Rows, noting: Ledger) -> None:
    """A stop does not wait for a database that is away."""
    rows.is_away = True
    noting.add([entry("run_1"), entry("run_2")])
    with capture_logs() as logs:
        await noting.flush()
    assert [(line["event"], line["rows"]) for line in logs] == [("ledger_not_flushed", 2)]
    rows.is_away = False
    await noting.flush()
    assert len(rows.commits) == 1


async def test_a_flush_waits_for_what_is_on_its_way(rows: Rows, noting: Ledger) -> None:
    """Its commit may fail, and then the rows are there again."""
    rows.gate.clear()
    async with running(noting.run()):
        noting.add([entry("run_1")])
        await settled(lambda: rows.begun == 1)
        flushing = asyncio.create_task(noting.flush())
        await asyncio.sleep(0)
        assert not flushing.done()
        rows.gate.set()
        await flushing
    assert rows.commits == [[("run_1", 1, COMPLETED)]]


async def test_a_writer_that_is_stopped_keeps_its_rows(rows: Rows, noting: Ledger) -> None:
    """For the flush that comes after it."""
    rows.gate.clear()
    async with running(noting.run()):
        noting.add([entry("run_1")])
        await settled(lambda: rows.begun == 1)
    assert rows.commits == []
    rows.gate.set()
    await noting.flush()
    assert rows.commits == [[("run_1", 1, COMPLETED)]]


async def test_rows_are_listed_as_they_were_written(database: Database) -> None:
    """Newest first, though they were written twice and in another order."""
    ledger = Ledger(database)
    first, second = entry("run_1", attempt(1, FAILED)), entry("run_1", attempt(2, start_s=1))
    for batch in ([second], [first, second], [entry("run_1", attempt(2, OPEN))]):
        ledger.add(batch)
        await ledger.flush()
    found = await listed(ledger)
    assert places(found) == [("run_1", 2), ("run_1", 1)]
    assert found == [second, first]


async def test_a_flush_of_nothing_asks_nobody(rows: Rows, noting: Ledger) -> None:
    """Nor does who writes nothing."""
    await noting.flush()
    await noting.write([])
    assert rows.begun == 0
