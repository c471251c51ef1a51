"""Runs that other processes carry, as far as somebody reads them here."""

from __future__ import annotations

from google.rpc import status_pb2

from trunkline.inference.background import Background
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.seal import STATUS
from trunkline.inference.journal.store import JournalUnavailable, RunRecord, RunStore
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.v1 import event_pb2
from trunkline.kernel.errors import TrunklineError


class Mirrors:
    """Follows runs in the store.

    Args:
        runs: of this process.
        store: of all processes.
        background: for what nobody waits for.
    """

    def __init__(self, runs: Runs, store: RunStore, background: Background) -> None:
        self._runs = runs
        self._store = store
        self._background = background
        self._followed: dict[str, Run] = {}

    @property
    def followed(self) -> list[str]:
        """Return the ids of the runs that are followed."""
        return list(self._followed)

    async def follow(self, run: Run) -> None:
        """Begin to follow a run, with what the store has of it by now.

        Raises:
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was written.
        """
        self._followed[run.id] = run
        await self._store.follow(run.id)
        # It may have ended, or been left, while the store was asked.
        await self._unfollow(run.id)
        await self.pull(run)

    def look_at(self, run: Run) -> None:
        """Have a run looked at again and again, since it is not known what became of it."""
        self._followed[run.id] = run

    async def pull(self, run: Run) -> None:
        """Take over what the store has of a run that another process carries.

        Raises:
            JournalUnavailable, SealBroken: as `follow`.
        """
        journal = run.journal
        assert isinstance(journal, DurableJournal)
        record = await self._store.load(run.id)
        if record is None or run.is_owned:
            return
        if record.ended_ns and not journal.visible:
            # Nobody followed it while it went on: all of it is read from the store.
            journal.skip_to(record.last_sequence)
        await self._catch_up(run, record.last_sequence)
        if run.is_live and not record.ended_ns:
            run.state = record.state
        if record.ended_ns and run.is_live:
            await self.adopt_end(run, record)

    async def adopt_end(self, run: Run, record: RunRecord) -> None:
        """Let a run end here as it ended in the store.

        Raises:
            JournalUnavailable, SealBroken: as `follow`.
        """
        archive = run.archive
        assert archive is not None
        status = completed = None
        if record.status:
            status = status_pb2.Status.FromString(archive.seal.open(STATUS, 0, 0, 0, record.status))
        elif record.last_sequence:
            data = await archive.event(record.last_sequence)
            if data is not None:
                completed = event_pb2.ChatEvent.FromString(data).completed
        if run.is_owned:
            # Its own work is not what was stored.
            run.disown()
        await self._catch_up(run, record.last_sequence)
        # Somebody else may have read the same meanwhile.
        if not run.journal.closed:
            run.accept_end(record.state, record.ended_ns, status, completed)
        self.drop(run)

    async def _catch_up(self, run: Run, last: int) -> None:
        """Take over the events up to a sequence.

        Raises:
            JournalUnavailable, SealBroken: as `follow`.
        """
        journal, archive = run.journal, run.archive
        assert isinstance(journal, DurableJournal)
        assert archive is not None
        # What is known here no more would be counted for good.
        while journal.visible < last and not run.is_owned and self._runs.known(run.id) is run:
            before = journal.visible
            async for stored in archive.records(before):
                if stored.sequence == journal.last_sequence + 1:
                    journal.adopt(stored.data)
            if journal.visible == before:
                # The store has fewer than it says: it lags behind, or was set back.
                raise JournalUnavailable

    def leave(self, run: Run) -> None:
        """Follow a run no more that nobody reads here; it lies in the store."""
        self.drop(run)
        self._runs.drop(run)

    def part(self, run: Run, error: TrunklineError) -> None:
        """Carry and follow a run no more, and tell its readers why."""
        self.drop(run)
        run.part(error)
        self._runs.drop(run)

    def drop(self, run: Run) -> None:
        """Follow a run no more."""
        if self._followed.pop(run.id, None) is not None:
            self._background.spawn(self._unfollow(run.id))

    async def _unfollow(self, run_id: str) -> None:
        """Have the store wake this process for a run no more, unless it is followed."""
        if run_id not in self._followed:
            await self._store.unfollow(run_id)
