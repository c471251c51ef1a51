"""The ledger gets from the journal what the process that carried a run did not write."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from support.attempts import (
    CANCELLED,
    COMPLETED,
    FAILED,
    NOW_NS,
    OPEN,
    SUPERSEDED,
    attempt,
    make_database,
    places,
    terms,
)
from support.hands import Hands
from support.models import ModelShelf, priced
from support.service_calls import eventually, running, settled
from trunkline.catalog.v1 import model_pb2
from trunkline.inference import bookkeeping
from trunkline.inference.bookkeeping import MAX_READ, PATIENCE_NS, Bookkeeping
from trunkline.inference.journal.records import Kind, pack
from trunkline.inference.journal.seal import SEGMENT, TERMS, RunSeal, make_run_key, open_run_key
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import Append, Appended, End, NewRun, RunRecord
from trunkline.inference.ledger import Ledger
from trunkline.inference.terms import Owner, Terms, write_terms
from trunkline.inference.v1 import event_pb2, failure_pb2, result_pb2, run_pb2, usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import timestamp
from trunkline.kernel.database import StoreUnavailable
from trunkline.kernel.errors import DataLoss, Unavailable
from trunkline.options.v1 import options_pb2
from trunkline.planning.prices import PriceBook

KEY = bytes(range(32))
LATER_NS = NOW_NS + 10 * PATIENCE_NS
SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED


class House:
    """A journal, a ledger, and runs whose process is gone.

    Args:
        store: of the journal.
        journal_clock: the store's.
        ledger: that runs.

    Attributes:
        shelf: the models that have a price.
        opened: runs that were opened, in order.
        missing: runs whose key is not to be had now.
        lost: runs whose key is lost.
    """

    def __init__(self, store: SqliteStore, journal_clock: Hands, ledger: Ledger) -> None:
        self.store = store
        self.journal_clock = journal_clock
        self.ledger = ledger
        self.clock = Hands(LATER_NS)
        self.shelf = ModelShelf()
        prices = PriceBook(self.shelf)
        self.books = Bookkeeping(ledger, store, self.open_run, self.clock, prices)
        self.opened: list[str] = []
        self.missing: set[str] = set()
        self.lost: set[str] = set()

    async def end(
        self,
        run_id: str,
        rows: Iterable[result_pb2.Attempt],
        *,
        said: str = "",
        state: run_pb2.RunState.ValueType = SUCCEEDED,
        settled: Terms | None = None,
        segment: bytes = b"",
        sealed: bytes = b"",
    ) -> None:
        """Leave an ended run in the journal whose first attempt said something.

        Args:
            run_id: of the run.
            rows: of its attempts, as they were stored one after the other.
            said: by the first.
            state: final.
            settled: when it began; None: as usual.
            segment: what is sealed instead of that; empty: that.
            sealed: what lies there instead of anything sealed; empty: what was sealed.
        """
        settled = settled or terms()
        wrapped, seal = make_run_key("dek_1", KEY, run_id)
        made = NewRun(
            run_id=run_id,
            owner=settled.owner,
            target=settled.target,
            created_ns=NOW_NS,
            process_id="proc_gone",
            wrapped_key=wrapped,
            terms=seal.seal(TERMS, 0, 0, 0, write_terms(settled)),
            grace_s=settled.grace_s,
            continues=False,
            retention_s=settled.retention_s,
        )
        assert await self.store.create(made) is None
        event = event_pb2.ChatEvent(sequence=1, attempt=1)
        event.text_delta.text = said
        records = [(Kind.EVENT, event.SerializeToString())]
        records += [(Kind.ATTEMPT, row.SerializeToString()) for row in rows]
        sealed = sealed or seal.seal(SEGMENT, 1, 1, 1, segment or pack(records))
        done = await self.store.append([Append(run_id, 1, 1, 1, sealed, end=End(state))])
        assert done == [Appended.DONE]

    async def open_run(self, record: RunRecord) -> RunSeal:
        """Return what opens a run, as the credential service lets it."""
        self.opened.append(record.run_id)
        if record.run_id in self.missing:
            raise Unavailable("PEER_UNAVAILABLE", "The credential service does not answer.")
        if record.run_id in self.lost:
            raise DataLoss("INTERNAL", "The key is lost.")
        return open_run_key(record.wrapped_key, record.run_id, KEY)

    async def fill(self, now_ns: int = LATER_NS) -> int:
        """Fill the ledger at a time."""
        self.clock.now_ns = now_ns
        return await self.books.fill()

    async def entries(self) -> list[usage_pb2.LedgerEntry]:
        """Return all that the ledger has."""
        admin = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
        page = await self.ledger.page(usage_pb2.ListAttemptsRequest(page_size=1000), admin)
        return list(page.entries)

    async def left(self) -> list[str]:
        """Return the runs that the journal still takes for not entered."""
        return [record.run_id for record in await self.store.unledgered(100)]


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """Give an empty journal and an empty ledger."""
    clock = Hands(NOW_NS)
    store = SqliteStore(tmp_path / "journal.db", clock)
    database = make_database(tmp_path)
    await store.open()
    await database.open()
    ledger = Ledger(database, gather_s=0.0)
    async with running(ledger.run()):
        yield House(store, clock, ledger)
    await database.close()
    await store.close()


async def test_an_ended_run_is_entered_and_marked(house: House) -> None:
    """Each attempt as it was last said, with whom it served."""
    owner = Owner("dora", "user-7")
    rows = [attempt(1, OPEN), attempt(1, FAILED), attempt(2, start_s=1)]
    await house.end("run_1", rows, settled=terms(owner, role="planner", agent="coder"))
    assert await house.fill() == 1
    assert await house.left() == []
    newest, oldest = await house.entries()
    assert places([newest, oldest]) == [("run_1", 2), ("run_1", 1)]
    assert (newest.attempt.outcome, oldest.attempt.outcome) == (COMPLETED, FAILED)
    for each in (newest, oldest):
        whom = (each.principal, each.on_behalf_of, each.role, each.agent)
        assert whom == ("dora", "user-7", "planner", "coder")
    assert await house.fill() == 0


async def test_an_attempt_that_was_left_open_is_closed_by_what_it_said(house: House) -> None:
    """Its process is gone, and nobody carried the run on."""
    usage = result_pb2.Usage(source=result_pb2.USAGE_SOURCE_UNKNOWN)
    row = attempt(1, OPEN, usage=usage)
    await house.end("run_1", [row], said="x" * 400, state=run_pb2.RUN_STATE_FAILED)
    await house.fill()
    (found,) = await house.entries()
    assert found.attempt.outcome == SUPERSEDED
    assert found.attempt.failure.kind == failure_pb2.ERROR_KIND_SUPERSEDED
    assert found.attempt.failure.mid_stream
    assert found.attempt.usage.source == result_pb2.USAGE_SOURCE_ESTIMATED
    assert found.attempt.usage.output_tokens > 0


async def test_an_attempt_that_was_left_open_is_paid(house: House) -> None:
    """By what it said and the price of when it began, as an estimate."""
    old = model_pb2.Price(output=4_000_000, version="old", end_time=timestamp(NOW_NS + 1))
    new = model_pb2.Price(output=9_000_000, version="new", start_time=timestamp(NOW_NS + 1))
    house.shelf.models = {"openai/a": priced("openai/a", old, new)}
    await house.end("run_1", [attempt(1, OPEN)], said="x" * 400)
    await house.fill()
    (found,) = await house.entries()
    assert found.attempt.usage.output_tokens == 100
    assert found.attempt.cost == result_pb2.Cost(
        nanodollars=400, price_version="old", estimated=True
    )


async def test_an_open_attempt_of_a_cancelled_run_was_cancelled(house: House) -> None:
    """Which is no failure."""
    await house.end("run_1", [attempt(1, OPEN)], state=run_pb2.RUN_STATE_CANCELLED)
    await house.fill()
    (found,) = await house.entries()
    assert found.attempt.outcome == CANCELLED
    assert not found.attempt.HasField("failure")
    assert found.attempt.usage.source == result_pb2.USAGE_SOURCE_ESTIMATED


async def test_a_run_that_has_just_ended_is_left_to_its_owner(house: House) -> None:
    """Who writes its rows itself, if it lives."""
    await house.end("run_1", [attempt()])
    (record,) = await house.store.unledgered(1)
    assert await house.fill(record.ended_ns + PATIENCE_NS - 1) == 0
    assert await house.entries() == []
    assert await house.fill(record.ended_ns + PATIENCE_NS) == 1


async def test_a_clock_that_is_behind_keeps_no_run_waiting(house: House) -> None:
    """The store's may be another machine's."""
    await house.end("run_1", [attempt()])
    assert await house.fill(NOW_NS - 3600 * 10**9) == 1


@pytest.mark.parametrize("how", ["lost", "altered", "cut", "nonsense"])
async def test_a_run_that_does_not_open_is_not_asked_again(house: House, how: str) -> None:
    """It would be in the way of all others for ever; the log has it."""
    match how:
        case "altered":
            await house.end("run_1", [attempt()], sealed=b"what is this?")
        case "cut":
            await house.end("run_1", [], segment=pack([(Kind.ATTEMPT, b"row")])[:-1])
        case "nonsense":
            await house.end("run_1", [], segment=pack([(Kind.ATTEMPT, b"no message")]))
        case _:
            await house.end("run_1", [attempt()])
            house.lost.add("run_1")
    await house.end("run_2", [attempt()])
    with capture_logs() as logs:
        assert await house.fill() == 2
    assert [(line["event"], line["run_id"]) for line in logs] == [("run_not_ledgered", "run_1")]
    assert places(await house.entries()) == [("run_2", 1)]
    assert await house.left() == []


async def test_a_key_that_is_not_to_be_had_now_is_waited_for(house: House) -> None:
    """The runs before it are entered."""
    for number in range(3):
        await house.end(f"run_{number}", [attempt()])
    house.missing.add("run_1")
    assert await house.fill() == 1
    assert await house.left() == ["run_1", "run_2"]
    house.missing.clear()
    assert await house.fill() == 2
    assert len(await house.entries()) == 3


async def test_what_is_not_written_is_not_marked(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal keeps it until the ledger has it."""
    await house.end("run_1", [attempt()])

    async def refuse(entries: object) -> None:
        del entries
        raise StoreUnavailable("inference")

    with monkeypatch.context() as away:
        away.setattr(house.ledger, "write", refuse)
        with pytest.raises(StoreUnavailable):
            await house.fill()
    assert await house.left() == ["run_1"]
    assert await house.fill() == 1


async def test_no_more_runs_are_read_at_once_than_the_bound(house: House) -> None:
    """The others come with the next call."""
    for number in range(MAX_READ + 1):
        await house.end(f"run_{number:02}", [attempt()])
    assert await house.fill() == MAX_READ
    assert await house.fill() == 1
    assert len(await house.entries()) == MAX_READ + 1


async def test_a_run_that_asked_nobody_is_marked(house: House) -> None:
    """It has no rows, and need not be read again."""
    await house.end("run_1", [])
    assert await house.fill() == 1
    assert await house.left() == []
    assert await house.entries() == []


async def test_runs_that_end_here_are_entered_together(house: House) -> None:
    """And marked, without a look into the journal."""
    for number in range(3):
        await house.end(f"run_{number}", [], segment=b"unread")
        house.books.note_end(f"run_{number}", terms(), [attempt(1), attempt(2, FAILED)])
    async with running(house.books.run()):
        await eventually(house.left, lambda left: not left)
    assert len(await house.entries()) == 6
    assert not house.opened


async def test_a_run_with_an_open_attempt_is_read_from_the_journal(house: House) -> None:
    """Which alone knows what it said."""
    await house.end("run_1", [attempt(1, OPEN)], said="x" * 400)
    await house.end("run_2", [attempt()])
    house.books.note_end("run_1", terms(), [attempt(1, OPEN)])
    house.books.note_end("run_2", terms(), [attempt()])
    async with running(house.books.run()):
        await eventually(house.left, lambda left: left == ["run_1"])
    await house.fill()
    assert {each.attempt.outcome for each in await house.entries()} == {COMPLETED, SUPERSEDED}


async def test_what_cannot_be_entered_here_is_read_from_the_journal(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Later, by whoever's turn it is; what ended since is entered as ever."""
    await house.end("run_1", [attempt()])
    await house.end("run_2", [attempt()])
    refused: list[object] = []

    async def refuse(entries: object) -> None:
        refused.append(entries)
        raise StoreUnavailable("inference")

    async with running(house.books.run()):
        with monkeypatch.context() as away:
            away.setattr(house.ledger, "write", refuse)
            house.books.note_end("run_1", terms(), [attempt()])
            await settled(lambda: bool(refused))
        house.books.note_end("run_2", terms(), [attempt()])
        await eventually(house.left, lambda left: left == ["run_1"])
    assert await house.fill() == 1
    assert sorted(places(await house.entries())) == [("run_1", 1), ("run_2", 1)]


async def test_more_runs_than_the_bound_are_left_to_the_journal(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the ledger's database is away for long, they do not pile up here."""
    monkeypatch.setattr(bookkeeping, "MAX_ENDED", 1)
    for number in range(2):
        await house.end(f"run_{number}", [attempt()])
        house.books.note_end(f"run_{number}", terms(), [attempt()])
    async with running(house.books.run()):
        await eventually(house.left, lambda left: left == ["run_1"])
    assert await house.fill() == 1


async def test_what_others_left_is_entered_in_turn(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By one process of the fleet at a time, as many as there are."""
    monkeypatch.setattr(bookkeeping, "FILL_EVERY_S", 0.01)
    for number in range(MAX_READ + 1):
        await house.end(f"run_{number:02}", [attempt()])
    assert await house.store.take_turn("ledger", "another", 60.0)
    asked: list[bool] = []
    take_turn = house.store.take_turn

    async def note(name: str, process_id: str, lease_s: float) -> bool:
        asked.append(await take_turn(name, process_id, lease_s))
        return asked[-1]

    monkeypatch.setattr(house.store, "take_turn", note)
    async with running(house.books.run()):
        await settled(lambda: len(asked) > 2)
        assert not any(asked)
        assert len(await house.left()) == MAX_READ + 1
        house.journal_clock.now_ns += 61 * 10**9
        await eventually(house.left, lambda left: not left)
    assert len(await house.entries()) == MAX_READ + 1
