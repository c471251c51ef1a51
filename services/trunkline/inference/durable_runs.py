"""Durable runs: begun in the store, followed from it, taken over when their process died."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Callable
from typing import Final

from trunkline.inference.background import Background
from trunkline.inference.beginnings import Beginnings
from trunkline.inference.inbox import Inbox
from trunkline.inference.journal.content_keys import ContentKeys
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.seal import SealBroken
from trunkline.inference.journal.store import (
    JournalUnavailable,
    RunQuery,
    RunRecord,
    RunStore,
)
from trunkline.inference.mirrors import Mirrors
from trunkline.inference.openings import Openings, damaged
from trunkline.inference.ownership import Ownership
from trunkline.inference.reader_counts import ReaderCounts
from trunkline.inference.refusals import cannot_begin, journal_away, not_found, other_request
from trunkline.inference.run import Run, cancelled
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.sweep import Sweep
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import message_pb2, run_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger
from trunkline.planning.prices import PriceBook

log = get_logger("trunkline.run")

# So long at most one of several readers waits before it claims what all of them miss.
_JITTER_S: Final = 0.1


class DurableRuns:
    """The durable runs of a deployment, as one process sees them.

    Args:
        runs: of this process.
        store: of all processes.
        keys: seal what is stored.
        settings: leases.
        clock: the time.
        may_run: tells whether a principal still has a valid token.
        prices: what models cost.

    Attributes:
        openings: open what lies in the store.
        ownership: what this process carries.
    """

    def __init__(
        self,
        runs: Runs,
        store: RunStore,
        keys: ContentKeys,
        settings: InferenceSettings,
        clock: Clock,
        may_run: Callable[[str], bool],
        prices: PriceBook,
    ) -> None:
        self._runs = runs
        self._store = store
        self._look_s = settings.journal_look_s
        self._lease_s = settings.run_lease_s
        self._background = Background()
        self._inbox = Inbox(store)
        self._mirrors = Mirrors(runs, store, self._background)
        self._readers = ReaderCounts(store, lambda: self.ownership.process_id)
        self.openings = Openings(runs, store, keys, clock)
        self.ownership = Ownership(
            runs,
            store,
            self._mirrors,
            self._readers,
            self._wake,
            self._background,
            settings.run_lease_s,
            clock,
            may_run,
            prices,
        )
        self._beginnings = Beginnings(
            runs, store, self.openings, self.ownership, self._background, self._lease_s
        )
        self._sweep = Sweep(store, self.openings, self.ownership, self._bring, self._lease_s)
        self._woken: set[str] = set()
        self._claiming: set[str] = set()
        self._brought: Counter[str] = Counter()
        self._something = asyncio.Event()
        self.openings.on_unread = self.ownership.end_unread
        self.openings.on_readers = self._note_readers
        store.on_wake(self._wake)

    async def start(self, terms: Terms) -> tuple[Run, bool]:
        """Begin a run, or find the one that its idempotency key began.

        Returns:
            The run, and whether it was there.

        Raises:
            AlreadyExists: IDEMPOTENCY_MISMATCH.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE, NOT_SERVING.
            ResourceExhausted: LIMIT_REACHED.
        """
        self._runs.check(terms.owner.principal)
        if self.ownership.is_cut_off:
            raise cannot_begin()
        new, seal = await self.openings.draft(terms, self.ownership.process_id)
        begun = await self._beginnings.begin(terms, new, seal)
        if isinstance(begun, Run):
            return begun, False
        if begun.request_digest != new.request_digest:
            raise other_request(begun.run_id)
        return await self._bring(begun), True

    async def find(self, run_id: str, owner: Owner) -> Run:
        """Return a run to its owner, wherever it is carried.

        Raises:
            NotFound: RUN_NOT_FOUND.
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        record = await self.load(run_id)
        if record is None or record.owner != owner:
            raise not_found(run_id)
        return await self._bring(record)

    async def load(self, run_id: str) -> RunRecord | None:
        """Return a run's record; None: there is none.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        try:
            return await self._store.load(run_id)
        except JournalUnavailable:
            raise journal_away(run_id, 0) from None

    async def list_runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest first.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        return await self._store.list_runs(query)

    async def cancel(self, run: Run, by: str, sentence: str) -> None:
        """End a run, whoever carries it; one that has ended stays as it is.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE, NOT_SERVING.
        """
        if run.is_owned:
            run.cancel(by, sentence)
            await run.journal.settle()
            if run.parted is not None:
                # It could not be stored, and goes on at whoever takes it over.
                raise run.parted
        elif run.is_live and run.archive is not None:
            status = run.to_status(cancelled(by, sentence))
            state, seal = run_pb2.RUN_STATE_CANCELLED, run.archive.seal
            try:
                await self.ownership.end_elsewhere(run.id, 0, seal, state, status)
                await self._mirrors.pull(run)
            except JournalUnavailable:
                raise journal_away(run.id, run.journal.visible) from None

    async def offer(self, run: Run, result: message_pb2.ToolResult) -> None:
        """Give a tool's result to the process that carries a run.

        Raises:
            FailedPrecondition: UNEXPECTED_TOOL_RESULT.
            AlreadyExists: TOOL_RESULT_MISMATCH.
            Unavailable: JOURNAL_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        try:
            await self._inbox.put(run, result)
        except JournalUnavailable:
            raise journal_away(run.id, run.journal.visible) from None
        except SealBroken as broken:
            raise damaged(run.id, broken) from None

    async def end_loop(self, run: Run) -> None:
        """Let the process that carries a run know that no more results come.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        try:
            await self._inbox.put_end(run)
        except JournalUnavailable:
            raise journal_away(run.id, run.journal.visible) from None

    async def run(self) -> None:
        """Store, follow, renew and sweep, until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.ownership.run())
                group.create_task(self._watch())
                group.create_task(self._readers.run())
                group.create_task(self._sweep.run())
        finally:
            await self._background.stop()

    async def release(self) -> None:
        """Give all runs free for other processes, and send their readers there."""
        await self.ownership.release()

    async def _bring(self, record: RunRecord) -> Run:
        """Return a run here: carried by this process, taken over, followed, or ended.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE, PEER_UNAVAILABLE.
            DataLoss: what lies in the store is not what was written.
        """
        # Whoever asks for it is about to read it: it must not be left meanwhile.
        self._brought[record.run_id] += 1
        try:
            return await self._bring_here(record)
        finally:
            self._brought[record.run_id] -= 1
            if not self._brought[record.run_id]:
                del self._brought[record.run_id]

    async def _bring_here(self, record: RunRecord) -> Run:
        """Return a run here; see `_bring`."""
        # It may be in the store already, and not here: then it is no other process's.
        await self._beginnings.settle(record.run_id)
        run = await self.openings.recall(record)
        if run.is_owned or not run.is_live:
            return run
        try:
            if record.ended_ns:
                await self._mirrors.pull(run)
            elif record.is_owned and not self.ownership.is_stranded(run, record):
                await self._mirrors.follow(run)
            else:
                await self.ownership.claim(run)
        except JournalUnavailable:
            raise journal_away(run.id, run.journal.visible) from None
        except SealBroken as broken:
            raise damaged(run.id, broken) from None
        return run

    def _note_readers(self, run: Run) -> None:
        """Let the owner of a run know how many read it here."""
        if not run.is_owned:
            self._readers.note(run)

    def _wake(self, run_id: str) -> None:
        """Look at a run soon."""
        self._woken.add(run_id)
        self._something.set()

    async def _watch(self) -> None:
        """Look at runs that others wrote, and now and then at all that are followed.

        Nobody writes that a process has died: what it carried is seen by the latter alone.
        """
        loop = asyncio.get_running_loop()
        look_at = loop.time() + self._look_s
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(look_at):
                    await self._something.wait()
            if loop.time() >= look_at:
                look_at = loop.time() + self._look_s
                self._woken.update(self._mirrors.followed)
            self._something.clear()
            woken, self._woken = self._woken, set()
            while woken:
                run_id = woken.pop()
                run = self._runs.known(run_id)
                if run is None:
                    continue
                try:
                    await self._look(run)
                except JournalUnavailable:
                    # All of them are looked at again, with the next ones.
                    self._woken |= woken | {run_id}
                    break
                except SealBroken as broken:
                    self.ownership.disconnect(run)
                    self._mirrors.part(run, damaged(run_id, broken))
                except Exception as error:
                    # Of one run; the others are looked at.
                    log.error("run_not_looked_at", run_id=run_id, exc_info=error)

    async def _look(self, run: Run) -> None:
        """See what became of a run.

        Raises:
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was written.
        """
        if not run.is_live and not self.ownership.epoch_of(run):
            self._mirrors.drop(run)
            return
        # An end of this process's is none as long as it is not stored.
        record = await self._store.load(run.id)
        if record is None:
            self.ownership.disconnect(run)
            self._mirrors.part(run, not_found(run.id))
        elif run.is_owned:
            await self._look_at_own(run, record)
        elif self.ownership.is_stranded(run, record) and not record.ended_ns:
            self._claim_soon(run)
        elif record.ended_ns or record.is_owned:
            await self._mirrors.pull(run)
            if not run.readers and run.is_live and run.id not in self._brought:
                self._mirrors.leave(run)
        elif run.readers:
            await self._mirrors.pull(run)
            self._claim_soon(run)

    def _claim_soon(self, run: Run) -> None:
        """Claim a run in the background."""
        if run.id not in self._claiming and not self.ownership.is_released:
            self._claiming.add(run.id)
            self._background.spawn(self._claim(run))

    async def _look_at_own(self, run: Run, record: RunRecord) -> None:
        """See what others did to a run of this process.

        Raises:
            JournalUnavailable, SealBroken: as `_look`.
        """
        journal = run.journal
        assert isinstance(journal, DurableJournal)
        if self.ownership.has_lost(run, record) or (record.ended_ns and journal.is_settled):
            await self.ownership.look_again(run)
        else:
            journal.read_elsewhere(record.is_read_elsewhere)
            await self._inbox.empty(run)

    async def _claim(self, run: Run) -> None:
        """Claim a run that readers here miss, unless another process was first."""
        try:
            await asyncio.sleep(random.random() * _JITTER_S)  # noqa: S311 - not a secret
            await self.ownership.claim(run)
        except SealBroken as broken:
            self._mirrors.part(run, damaged(run.id, broken))
        except Unavailable as error:
            self._mirrors.part(run, error)
        finally:
            self._claiming.discard(run.id)
