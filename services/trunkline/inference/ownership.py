"""Which durable runs this process carries: made here, claimed, lost, given up, released."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final
from weakref import WeakValueDictionary

from google.rpc import status_pb2

from trunkline.inference.background import Background
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.seal import STATUS, RunSeal
from trunkline.inference.journal.store import (
    MAX_TAKEOVERS,
    Append,
    Appended,
    End,
    JournalUnavailable,
    Refusal,
    RunRecord,
    RunStore,
)
from trunkline.inference.journal.writer import Line, Writer
from trunkline.inference.mirrors import Mirrors
from trunkline.inference.reader_counts import ReaderCounts
from trunkline.inference.refusals import journal_away, stopping
from trunkline.inference.run import UNREAD, Run
from trunkline.inference.runs import Runs
from trunkline.inference.takeover import recall
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.planning.prices import PriceBook

log = get_logger("trunkline.run")

CLAIMS_AT_ONCE: Final = 16
_FLUSH_S: Final = 1.0
# After somebody was found to read a run elsewhere.
_READ_AGAIN_S: Final = 1.0
# What is longer stays in pieces: to read it anew would take too long.
_COMPACTED_BYTES: Final = 1024 * 1024
# Of a lease: so much without an answer, and nobody knows what others have done.
_PATIENCE: Final = 0.8


class Ownership:
    """The lines of this process to the store, and its proof that it lives.

    Args:
        runs: of this process.
        store: of all processes.
        mirrors: follow what is carried elsewhere.
        readers: tells of those that a run has here.
        wake: has a run looked at soon, and again until the store answers.
        background: for what nobody waits for.
        lease_s: how long a process that says nothing is taken for alive.
        clock: the time.
        may_run: tells whether a principal still has a valid token.
        prices: what models cost.

    Attributes:
        process_id: by which this process is known in the store.
        is_cut_off: the store did not answer when it was last asked.
        is_released: this process stops, and takes no run any more.
        on_ended: is called with each run whose end this process has stored.
    """

    def __init__(
        self,
        runs: Runs,
        store: RunStore,
        mirrors: Mirrors,
        readers: ReaderCounts,
        wake: Callable[[str], None],
        background: Background,
        lease_s: float,
        clock: Clock,
        may_run: Callable[[str], bool],
        prices: PriceBook,
    ) -> None:
        self._runs = runs
        self._store = store
        self._mirrors = mirrors
        self._readers = readers
        self._wake = wake
        self._background = background
        self._lease_s = lease_s
        self._clock = clock
        self._may_run = may_run
        self._prices = prices
        self._writer = Writer(store, self._note_answer)
        self._lines: dict[str, Line] = {}
        self._claims = asyncio.Semaphore(CLAIMS_AT_ONCE)
        self._claiming: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._renewing = asyncio.Lock()
        self._answered_at = clock.monotonic()
        self.process_id = new_id("proc")
        self.is_cut_off = False
        self.is_released = False
        self.on_ended: Callable[[Run], None] | None = None

    @property
    def owned(self) -> list[str]:
        """Return the ids of the runs that this process carries."""
        return list(self._lines)

    def epoch_of(self, run: Run) -> int:
        """Return the epoch in which a run is carried here; 0: it is not."""
        line = self._lines.get(run.id)
        return 0 if line is None else line.epoch

    def has_lost(self, run: Run, record: RunRecord | None) -> bool:
        """Tell whether the store has another opinion of who carries a run than this process."""
        line = self._lines.get(run.id)
        return line is None or not line.is_open or record is None or record.epoch != line.epoch

    def is_stranded(self, run: Run, record: RunRecord) -> bool:
        """Tell whether a run is this process's by the store alone: it did not hear of its claim."""
        return record.process_id == self.process_id and run.id not in self._lines

    def own(self, run: Run, epoch: int) -> None:
        """Carry a run from now on."""
        journal, archive = run.journal, run.archive
        assert isinstance(journal, DurableJournal)
        assert archive is not None
        line = Line(
            run.id,
            epoch,
            journal,
            archive.seal,
            on_refused=lambda: self._wake(run.id),
            on_ended=lambda: self._note_ended(run),
        )
        self._lines[run.id] = line
        self._mirrors.drop(run)
        journal.connect(lambda: self._writer.poke(line))

    async def claim(self, run: Run) -> None:
        """Take a run over whose process died, and carry it on; one that lives is followed.

        Raises:
            JournalUnavailable: the store does not answer. It may have made the run this process's,
                which is looked at again.
            SealBroken: what lies there is not what was written.
            Unavailable: NOT_SERVING.
        """
        lock = self._claiming.setdefault(run.id, asyncio.Lock())
        async with lock, self._claims:
            if run.is_owned or not run.is_live:
                return
            if self.is_released:
                raise stopping()
            try:
                await self._claim(run)
            except JournalUnavailable:
                self._mirrors.look_at(run)
                raise

    async def _claim(self, run: Run) -> None:
        """Take a run over; see `claim`."""
        found = await self._store.load(run.id)
        # An answer that was lost: it is this process's in that epoch, or was not carried in it.
        epoch = found.epoch if found is not None and self.is_stranded(run, found) else 0
        match await self._store.claim(run.id, self.process_id, epoch):
            case RunRecord() as record:
                await self._take_over(run, record)
            case Refusal.EXHAUSTED:
                await self._exhaust(run)
            case _:
                await self._mirrors.follow(run)

    async def end_elsewhere(
        self,
        run_id: str,
        epoch: int,
        seal: RunSeal,
        state: run_pb2.RunState.ValueType,
        status: status_pb2.Status,
        *,
        frees_key: bool = False,
    ) -> None:
        """Write the end of a run that this process does not carry; one that has ended stays.

        Args:
            run_id: of the run.
            epoch: only in this one; 0: in any.
            seal: of the run.
            state, status: how it ends.
            frees_key: its idempotency key may be used again.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        sealed = seal.seal(STATUS, 0, 0, 0, status.SerializeToString())
        end = End(state, sealed, frees_key=frees_key)
        await self._store.append([Append(run_id, epoch, 0, -1, b"", end=end)])

    async def look_again(self, run: Run) -> None:
        """See what became of a run of which the store has another opinion.

        Raises:
            JournalUnavailable, SealBroken: as `claim`.
        """
        record = await self._store.load(run.id)
        if record is not None and record.ended_ns:
            self.disconnect(run)
            await self._mirrors.adopt_end(run, record)
        elif self.has_lost(run, record):
            await self._lose(run)

    def end_unread(self, run: Run) -> None:
        """End a run that nobody reads here, unless somebody reads it elsewhere."""
        self._background.spawn(self._end_unread(run))

    async def run(self) -> None:
        """Store, and say that this process lives, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._writer.run())
            group.create_task(self._renew())

    async def release(self) -> None:
        """Give all runs free for other processes, and send their readers there."""
        self.is_released = True
        for run in self._runs.durable():
            if run.is_live and run.is_owned:
                run.leave()
        try:
            async with asyncio.timeout(_FLUSH_S):
                await self._writer.flush()
        except TimeoutError:
            log.warning("journal_not_flushed")
        self._part_all(lambda _: stopping())
        async with self._renewing:
            try:
                await self._store.retire(self.process_id)
            except JournalUnavailable:
                log.warning("leases_not_released")

    def disconnect(self, run: Run) -> None:
        """Store nothing of a run any more."""
        line = self._lines.pop(run.id, None)
        if line is not None:
            line.is_open = False
            self._store.disown(run.id)

    async def _take_over(self, run: Run, record: RunRecord) -> None:
        """Carry on what a dead process left."""
        archive, journal = run.archive, run.journal
        assert archive is not None
        assert isinstance(journal, DurableJournal)
        await self._mirrors.pull(run)
        recalled = await recall(archive, run.terms)
        if self.is_released:
            raise stopping()
        journal.skip_to(record.last_sequence)
        journal.read_elsewhere(record.is_read_elsewhere)
        run.is_owned = True
        self.own(run, record.epoch)
        self._readers.note(run)
        run.supersede(recalled, self._prices)
        run.take_up(recalled.spent_s(run.created_ns, self._clock.time_ns()))
        log.info("run_taken_over", run_id=run.id, epoch=record.epoch, takeovers=record.takeovers)
        if not self._may_run(run.terms.owner.principal):
            run.cancel("revoked", "The run's principal has no valid token left.")
            return
        self._runs.carry_on(run)
        run.await_reader(run.terms.grace_s)
        # What lies in its inbox was put there for the process that died.
        self._wake(run.id)

    async def _exhaust(self, run: Run) -> None:
        """End a run whose processes died too often."""
        assert run.archive is not None
        status = run.to_status(
            Unavailable(
                "TAKEOVERS_EXHAUSTED",
                "The processes that carried the run died too often.",
                metadata={"takeovers": str(MAX_TAKEOVERS)},
            )
        )
        failed = run_pb2.RUN_STATE_FAILED
        await self.end_elsewhere(run.id, 0, run.archive.seal, failed, status)
        await self._mirrors.pull(run)

    async def _lose(self, run: Run) -> None:
        """Follow a run from now on that another process carries."""
        self.disconnect(run)
        run.disown()
        run.revive()
        log.warning("run_superseded", run_id=run.id)
        self._readers.note(run)
        await self._mirrors.follow(run)

    def _note_ended(self, run: Run) -> None:
        """Take in that a run's end is stored."""
        epoch = self.epoch_of(run)
        self.disconnect(run)
        run.close()
        if self.on_ended is not None:
            self.on_ended(run)
        if run.archive is not None and run.journal.size <= _COMPACTED_BYTES:
            self._background.spawn(run.archive.compact(epoch, run.journal.visible))

    async def _end_unread(self, run: Run) -> None:
        """End a run in one conditional write that finds no reader anywhere."""
        await run.journal.settle()
        epoch = self.epoch_of(run)
        if not run.is_live or not run.is_owned or run.readers or not epoch:
            return
        assert run.archive is not None
        status = run.foresee_end("disconnect", UNREAD)
        sealed = run.archive.seal.seal(STATUS, 0, 0, 0, status.SerializeToString())
        end = End(run_pb2.RUN_STATE_CANCELLED, sealed, True, unread_for_s=run.terms.grace_s)
        try:
            (result,) = await self._store.append([Append(run.id, epoch, 0, -1, b"", end=end)])
        except JournalUnavailable:
            result = Appended.READ
        if result is Appended.READ:
            run.await_reader(_READ_AGAIN_S)
        else:
            self._wake(run.id)

    def _note_answer(self) -> None:
        """Note that the store answers."""
        self._answered_at = self._clock.monotonic()
        self.is_cut_off = False

    async def _renew(self) -> None:
        """Say again and again that this process lives; give its runs up when it cannot."""
        while True:
            before = self._answered_at
            try:
                async with self._renewing:
                    if self.is_released:
                        return
                    await self._store.renew(self.process_id, self._lease_s)
            except JournalUnavailable:
                self.is_cut_off = True
                if self._clock.monotonic() - self._answered_at > _PATIENCE * self._lease_s:
                    self._give_up()
            else:
                self._note_answer()
                if self._answered_at - before > _PATIENCE * self._lease_s:
                    # It stood still, or was cut off: others may have taken its runs over.
                    for run_id in self._lines:
                        self._wake(run_id)
            await asyncio.sleep(self._lease_s / 5)

    def _give_up(self) -> None:
        """Give all runs free, since nothing of them can be stored.

        Under a new name this process claims them back like any other.
        """
        if not self._lines:
            return
        abandoned, self.process_id = self.process_id, new_id("proc")
        log.warning("runs_given_up", process_id=abandoned, count=len(self._lines))
        self._part_all(lambda run: journal_away(run.id, run.journal.visible))
        self._background.spawn(self._retire(abandoned))

    def _part_all(self, why: Callable[[Run], Unavailable]) -> None:
        """Carry and follow no durable run any more, and tell their readers why."""
        for run in self._runs.durable():
            self.disconnect(run)
            if run.is_live or not run.journal.closed:
                self._mirrors.part(run, why(run))

    async def _retire(self, process_id: str) -> None:
        """Say that a process lives no longer, as soon as the store can be told."""
        while True:
            try:
                return await self._store.retire(process_id)
            except JournalUnavailable:
                await asyncio.sleep(self._lease_s / 5)
