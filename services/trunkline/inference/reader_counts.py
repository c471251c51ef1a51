"""How many readers this process has of durable runs, as all processes know it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from trunkline.inference.journal.store import JournalUnavailable, RunStore
from trunkline.inference.run import Run

_RETRY_S: Final = 0.2


class ReaderCounts:
    """Tells the store the readers of runs that others carry; an owner knows its own.

    One count after the other, so that the last one of a run is what stays, and each again
    until the store has it.

    Args:
        store: of all processes.
        process_id: returns the name by which this process is known there.
    """

    def __init__(self, store: RunStore, process_id: Callable[[], str]) -> None:
        self._store = store
        self._process_id = process_id
        self._untold: dict[str, Run] = {}
        self._something = asyncio.Event()

    def note(self, run: Run) -> None:
        """Have the store told of a run whose readers, or whose owner, changed."""
        self._untold[run.id] = run
        self._something.set()

    async def run(self) -> None:
        """Tell until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._untold:
                run_id = next(iter(self._untold))
                run = self._untold.pop(run_id)
                if not run.is_live:
                    continue
                count = 0 if run.is_owned else run.readers
                try:
                    await self._store.set_readers(run_id, self._process_id(), count)
                except JournalUnavailable:
                    self._untold.setdefault(run_id, run)
                    await asyncio.sleep(_RETRY_S)
