"""Bring the attempts of ended durable runs from the journal into the ledger, and mark them.

Who carried a run to its end has its attempts at hand, and enters them with those of other
runs. What is not entered so, because its process died or a database was away, is read from
the journal later, by one process of the fleet: the journal keeps a run until it is marked.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.seal import TERMS, RunSeal
from trunkline.inference.journal.store import JournalUnavailable, RunRecord, RunStore
from trunkline.inference.ledger import Ledger, describe
from trunkline.inference.takeover import close, recall
from trunkline.inference.terms import Terms, read_terms
from trunkline.inference.v1 import result_pb2, run_pb2, usage_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import StoreUnavailable
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.planning.prices import PriceBook

log = get_logger("trunkline.ledger")

MAX_ENDED: Final = 500
"""How many runs of this process wait at most; the others are read from the journal."""

MAX_READ: Final = 16
FILL_EVERY_S: Final = 5.0
PATIENCE_NS: Final = 5_000_000_000
"""So long after a run's end its owner, if it lives, has entered its attempts itself."""

_TURN: Final = "ledger"
# Others wait for so many turns that are not taken again.
_MISSED_TURNS: Final = 3

OpenRun = Callable[[RunRecord], Awaitable[RunSeal]]


class Bookkeeping:
    """Enters the attempts of durable runs.

    Args:
        ledger: to fill.
        store: of durable runs.
        open_run: returns what opens a run; raises Unavailable when that cannot be told now,
            and anything else when nothing ever will.
        clock: the time.
        prices: what models cost.
    """

    def __init__(
        self,
        ledger: Ledger,
        store: RunStore,
        open_run: OpenRun,
        clock: Clock,
        prices: PriceBook,
    ) -> None:
        self._ledger = ledger
        self._store = store
        self._open_run = open_run
        self._clock = clock
        self._prices = prices
        self._holder = new_id("holder")
        self._ended: dict[str, list[usage_pb2.LedgerEntry]] = {}
        self._something = asyncio.Event()

    def note_end(self, run_id: str, terms: Terms, rows: Iterable[result_pb2.Attempt]) -> None:
        """Have the attempts of a run entered whose end this process has stored.

        Args:
            run_id: of the run.
            terms: with which it began.
            rows: as the journal has them.
        """
        entries = describe(run_id, terms, rows)
        # What was left open is closed by what the journal says.
        if len(self._ended) < MAX_ENDED and all(entry.attempt.outcome for entry in entries):
            self._ended[run_id] = entries
            self._something.set()

    async def run(self) -> None:
        """Enter what ended here, and now and then what others left, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._enter())
            tasks.create_task(self._fill_in_turn())

    async def fill(self) -> int:
        """Enter the attempts of runs that ended a while ago and were not entered.

        A run whose journal does not open can tell nothing more: it is logged, and not asked
        again.

        Returns:
            How many runs were settled; fewer than `MAX_READ`: no other is due.

        Raises:
            JournalUnavailable: the store does not answer.
            StoreUnavailable: the ledger's database does not; the runs stay as they are.
        """
        entries: list[usage_pb2.LedgerEntry] = []
        settled: list[str] = []
        now_ns = self._clock.time_ns()
        for record in await self._store.unledgered(MAX_READ):
            # A store with a clock of its own may be ahead of this one, for ever.
            if 0 <= now_ns - record.ended_ns < PATIENCE_NS:
                break  # those that follow ended later
            try:
                entries += await self._read(record, await self._open_run(record))
            except JournalUnavailable:
                raise
            except Unavailable:
                break
            except Exception as error:
                log.error("run_not_ledgered", run_id=record.run_id, error=type(error).__name__)
            settled.append(record.run_id)
        if settled:
            await self._ledger.write(entries)
            await self._store.mark_ledgered(settled)
        return len(settled)

    async def _enter(self) -> None:
        """Enter what ended here, until cancelled; what that fails for is read later."""
        while True:
            await self._something.wait()
            self._something.clear()
            ended, self._ended = self._ended, {}
            try:
                await self._ledger.write([entry for each in ended.values() for entry in each])
                await self._store.mark_ledgered(list(ended))
            except (StoreUnavailable, JournalUnavailable):
                log.warning("runs_not_ledgered_yet", runs=len(ended))

    async def _fill_in_turn(self) -> None:
        """Enter what others left, while it is this process's turn, until cancelled."""
        while True:
            await asyncio.sleep(FILL_EVERY_S)
            try:
                while await self._store.take_turn(
                    _TURN, self._holder, _MISSED_TURNS * FILL_EVERY_S
                ):
                    if await self.fill() < MAX_READ:
                        break
            except (StoreUnavailable, JournalUnavailable):
                continue

    async def _read(self, record: RunRecord, seal: RunSeal) -> list[usage_pb2.LedgerEntry]:
        """Return the attempts of a run as its journal tells them.

        Raises:
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was written; also as any other error.
        """
        terms = read_terms(
            seal.open(TERMS, 0, 0, 0, record.terms),
            record.owner,
            record.target,
            record.grace_s,
            record.retention_s,
            continues=record.continues,
        )
        recalled = await recall(Archive(self._store, record.run_id, seal))
        rows = (
            row if row.outcome else self._close(row, recalled.said.get(number, 0), record)
            for number, row in sorted(recalled.rows.items())
        )
        return describe(record.run_id, terms, rows)

    def _close(self, row: result_pb2.Attempt, said: int, record: RunRecord) -> result_pb2.Attempt:
        """Return a row that its process left open, closed as its run ended."""
        closed = close(row, said, record.ended_ns, self._prices)
        if record.state == run_pb2.RUN_STATE_CANCELLED:
            closed.outcome = result_pb2.ATTEMPT_OUTCOME_CANCELLED
            closed.ClearField("failure")
        return closed
