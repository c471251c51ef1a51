"""Durable runs that begin: written to the store, and from that moment on carried here."""

from __future__ import annotations

import asyncio
import contextlib

from trunkline.inference.background import Background
from trunkline.inference.journal.seal import RunSeal
from trunkline.inference.journal.store import (
    Append,
    End,
    JournalUnavailable,
    NewRun,
    RunRecord,
    RunStore,
)
from trunkline.inference.openings import Openings
from trunkline.inference.ownership import Ownership
from trunkline.inference.refusals import cannot_begin
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import TrunklineError


class Beginnings:
    """Begins runs, each once.

    Args:
        runs: of this process.
        store: of all processes.
        openings: make runs.
        ownership: carries them.
        background: for what nobody waits for.
        lease_s: of a process.
    """

    def __init__(
        self,
        runs: Runs,
        store: RunStore,
        openings: Openings,
        ownership: Ownership,
        background: Background,
        lease_s: float,
    ) -> None:
        self._runs = runs
        self._store = store
        self._openings = openings
        self._ownership = ownership
        self._background = background
        self._lease_s = lease_s
        self._tasks: dict[str, asyncio.Task[Run | RunRecord]] = {}

    async def begin(self, terms: Terms, new: NewRun, seal: RunSeal) -> Run | RunRecord:
        """Write a run and carry it, or return the one that its idempotency key began.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        task = asyncio.create_task(self._begin(terms, new, seal))
        self._tasks[new.run_id] = task
        try:
            # What is written must be carried, though whoever asked for it leaves meanwhile.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            self._background.spawn(_await_reader(task))
            raise

    async def settle(self, run_id: str) -> None:
        """Wait until a run that begins here is known here, too."""
        task = self._tasks.get(run_id)
        if task is not None:
            await asyncio.wait((task,))

    async def _begin(self, terms: Terms, new: NewRun, seal: RunSeal) -> Run | RunRecord:
        """Begin a run; see `begin`."""
        try:
            found = await self._create(new)
            if found is not None and found.run_id != new.run_id:
                return found
            run = self._openings.begin(terms, new, seal)
            self._ownership.own(run, epoch=1)
            self._runs.begin(run)
            return run
        finally:
            del self._tasks[new.run_id]

    async def _create(self, new: NewRun) -> RunRecord | None:
        """Write a run that begins; one whose answer was lost is asked for again.

        Raises:
            Unavailable: JOURNAL_UNAVAILABLE.
        """
        try:
            return await self._store.create(new)
        except JournalUnavailable:
            pass
        try:
            return await self._store.create(new)
        except JournalUnavailable:
            # It may have been written: nobody will carry it, and its key must be free again.
            self._background.spawn(self._withdraw(new))
            raise cannot_begin() from None

    async def _withdraw(self, new: NewRun) -> None:
        """End a run that was perhaps begun, as soon as the store can be told."""
        end = End(run_pb2.RUN_STATE_CANCELLED, frees_key=True)
        withdrawn = Append(new.run_id, 1, 0, -1, b"", end=end)
        while True:
            await asyncio.sleep(self._lease_s / 5)
            try:
                await self._store.append([withdrawn])
            except JournalUnavailable:
                continue
            return


async def _await_reader(task: asyncio.Task[Run | RunRecord]) -> None:
    """Let a run that begins wait for a reader: who asked for it has left."""
    with contextlib.suppress(TrunklineError):
        begun = await task
        if isinstance(begun, Run):
            begun.await_reader(begun.terms.grace_s)
