"""End or take over what dead processes left, and trim: one process of the fleet at a time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from trunkline.inference.journal.store import JournalUnavailable, RunRecord, RunStore
from trunkline.inference.openings import Openings
from trunkline.inference.ownership import CLAIMS_AT_ONCE, Ownership
from trunkline.inference.run import DOMAIN, UNREAD, Run, cancelled
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.log import get_logger
from trunkline.kernel.status import to_status

log = get_logger("trunkline.run")


class Sweep:
    """Sweeps when it is this process's turn.

    Args:
        store: of all processes.
        openings: open runs.
        ownership: ends them.
        bring: takes a run over that goes on without readers.
        lease_s: of a turn.
    """

    def __init__(
        self,
        store: RunStore,
        openings: Openings,
        ownership: Ownership,
        bring: Callable[[RunRecord], Awaitable[Run]],
        lease_s: float,
    ) -> None:
        self._store = store
        self._openings = openings
        self._ownership = ownership
        self._bring = bring
        self._lease_s = lease_s

    async def run(self) -> None:
        """Sweep until cancelled, or until this process takes no run any more."""
        while not self._ownership.is_released:
            await asyncio.sleep(self._lease_s / 5)
            try:
                holder = self._ownership.process_id
                if await self._store.take_turn("sweep", holder, self._lease_s):
                    await self._sweep()
            except JournalUnavailable:
                continue

    async def _sweep(self) -> None:
        """Look once at what dead processes left.

        Raises:
            JournalUnavailable: the store does not answer.
        """
        for record, gone_s in await self._store.abandoned(CLAIMS_AT_ONCE):
            if self._ownership.is_released:
                return
            try:
                if record.continues:
                    await self._bring(record)
                elif not record.readers and gone_s >= record.grace_s:
                    await self._end(record)
            except TrunklineError as error:
                # Of one run, whose key is lost for instance; the others are looked at.
                log.warning("run_not_swept", run_id=record.run_id, reason=error.reason)
        await self._store.trim(CLAIMS_AT_ONCE)

    async def _end(self, record: RunRecord) -> None:
        """End a run that nobody carries and nobody reads."""
        seal = await self._openings.open(record)
        error = cancelled("disconnect", UNREAD)
        error.metadata["run_id"] = record.run_id
        error.metadata["last_sequence"] = str(record.last_sequence)
        await self._ownership.end_elsewhere(
            record.run_id,
            record.epoch,
            seal,
            run_pb2.RUN_STATE_CANCELLED,
            to_status(error, domain=DOMAIN, request_id=""),
            frees_key=True,
        )
