"""The durable journal in a file: what one machine needs, without any setup.

Several processes share the file. What each of them writes is one transaction that takes
its lock at once; with `synchronous=NORMAL` a commit survives the death of the process,
and not always that of the machine.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from trunkline.inference.journal import sqlite_file, sqlite_reads, sqlite_trimming, sqlite_writes
from trunkline.inference.journal.outage import Outage
from trunkline.inference.journal.sqlite_lane import WAIT_S, Lane
from trunkline.inference.journal.sqlite_wakes import SqliteWakes
from trunkline.inference.journal.store import (
    Append,
    Appended,
    JournalUnavailable,
    NewRun,
    Refusal,
    RunQuery,
    RunRecord,
    Segment,
)
from trunkline.kernel.clock import Clock

T = TypeVar("T")

_KEEP_S: Final = 1.0
_DOOMED_AT_ONCE: Final = 10
# Writers wait for the disk, some 30 ms, each time the log is emptied: seldom enough that with
# 5,000 events a second far fewer than one event in a hundred meets it.
_MAX_LOG_BYTES: Final = 128 * 1024 * 1024


class SqliteStore:
    """Keeps durable runs in a SQLite file.

    Args:
        path: the file; made when it is missing.
        clock: of the machine, on which all who share the file run.
        wait_s: how long, in seconds, a call may take.
        max_log_bytes: of the log beside the file; what is in it is moved above that.
    """

    kind = "sqlite"

    def __init__(
        self,
        path: Path,
        clock: Clock,
        *,
        wait_s: float = WAIT_S,
        max_log_bytes: int = _MAX_LOG_BYTES,
    ) -> None:
        self.path = path
        self._clock = clock
        self._max_log_bytes = max_log_bytes
        outage = Outage(self.kind)
        connect = partial(sqlite_file.connect, path)
        self._writer = Lane("journal-writer", connect, outage, wait_s=wait_s)
        self._reader = Lane("journal-reader", partial(connect, writes=False), outage, wait_s=wait_s)
        # It waits for the disk, which neither of the others may.
        self._keeper = Lane("journal-keeper", connect, outage, wait_s=wait_s)
        self._wakes = SqliteWakes(self._writer, self._reader)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Make the file, or bring its schema up to date, and begin.

        Raises:
            DatabaseError: it cannot be used; says why and what to do.
        """
        try:
            await asyncio.to_thread(sqlite_file.prepare, self.path)
        except sqlite3.OperationalError as error:
            raise JournalUnavailable from error
        for lane in (self._writer, self._reader, self._keeper):
            lane.start()
        self._tasks = [
            asyncio.create_task(self._wakes.run()),
            asyncio.create_task(self._keep()),
        ]

    async def close(self) -> None:
        """Disconnect, when what is under way is done; again is no error."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for lane in (self._keeper, self._reader, self._writer):
            await lane.stop()

    def on_wake(self, wake: Callable[[str], None]) -> None:
        """Have a function called in this loop with a run's id when somebody else wrote it."""
        self._wakes.subscribe(wake)

    async def follow(self, run_id: str) -> None:
        """Begin to be woken for a run of another process."""
        await self._wakes.follow(run_id)

    async def unfollow(self, run_id: str) -> None:
        """End that."""
        self._wakes.unfollow(run_id)

    def disown(self, run_id: str) -> None:
        """Look for no notices about a run that is not this process's any more."""
        self._wakes.disown(run_id)

    async def renew(self, process_id: str, lease_s: float) -> None:
        """Say that a process lives, and will for so long."""
        self._wakes.add_process(process_id)
        await self._write(lambda db, now: sqlite_writes.renew(db, now, process_id, lease_s))

    async def retire(self, process_id: str) -> None:
        """Say that a process lives no longer: its runs may be claimed, its readers left."""
        self._wakes.remove_process(process_id)
        await self._write(lambda db, now: sqlite_writes.retire(db, now, process_id))

    async def create(self, run: NewRun) -> RunRecord | None:
        """Write a run that begins; return the one that is there instead."""
        found = await self._write(lambda db, now: sqlite_writes.create(db, now, run))
        if found is None or found.run_id == run.run_id:
            self._wakes.own(run.run_id)
        return found

    async def load(self, run_id: str) -> RunRecord | None:
        """Return a run; None: there is none."""
        return await self._read(lambda db, now: sqlite_reads.load(db, now, run_id))

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        """Write, each for itself and all in one commit; in the order given."""
        outcomes = await self._write(
            lambda db, now: [sqlite_writes.append(db, now, entry) for entry in appends]
        )
        for entry, outcome in zip(appends, outcomes, strict=True):
            if outcome is Appended.DONE and not entry.epoch:
                self._wakes.look_now()
        self._wakes.note(entry.run_id for entry in appends)
        return outcomes

    async def read(self, run_id: str, after: int, max_bytes: int) -> list[Segment]:
        """Return the segments that hold events after a sequence, in order."""
        return await self._read(lambda db, _: sqlite_reads.read(db, run_id, after, max_bytes))

    async def compact(self, run_id: str, epoch: int, data: bytes) -> None:
        """Replace all segments of an ended run by one."""
        await self._write(lambda db, _: sqlite_writes.compact(db, run_id, epoch, data))

    async def claim(self, run_id: str, process_id: str, epoch: int = 0) -> RunRecord | Refusal:
        """Become a run's owner: its epoch is raised."""
        claimed = await self._write(
            lambda db, now: sqlite_writes.claim(db, now, run_id, process_id, epoch)
        )
        if isinstance(claimed, RunRecord):
            self._wakes.own(run_id)
            self._wakes.note([run_id])
        return claimed

    async def set_readers(self, run_id: str, process_id: str, count: int) -> None:
        """Note how many readers a process has of a run."""
        await self._write(
            lambda db, now: sqlite_writes.set_readers(db, now, run_id, process_id, count)
        )

    async def put(self, run_id: str, item_id: str, digest: bytes, data: bytes) -> bool:
        """Put something into a run's inbox, and wake its owner."""
        done = await self._write(lambda db, _: sqlite_writes.put(db, run_id, item_id, digest, data))
        self._wakes.look_now()
        return done

    async def inbox(self, run_id: str) -> list[tuple[str, bytes]]:
        """Return a run's inbox, in the order in which it was put."""
        return await self._read(lambda db, _: sqlite_reads.inbox(db, run_id))

    async def abandoned(self, limit: int) -> list[tuple[RunRecord, float]]:
        """Return runs that go on without an owner, and for how many seconds."""
        return await self._read(lambda db, now: sqlite_reads.abandoned(db, now, limit))

    async def list_runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest first."""
        return await self._read(lambda db, now: sqlite_reads.list_runs(db, now, query))

    async def unledgered(self, limit: int) -> list[RunRecord]:
        """Return ended runs whose attempts are not in the ledger, oldest first."""
        return await self._read(lambda db, now: sqlite_reads.unledgered(db, now, limit))

    async def mark_ledgered(self, run_ids: Sequence[str]) -> None:
        """Note that the attempts of ended runs are in the ledger."""
        await self._write(lambda db, _: sqlite_writes.mark_ledgered(db, run_ids))

    async def trim(self, limit: int) -> int:
        """Destroy ended runs whose time is over and whose attempts are in the ledger."""
        count = 0
        while count < limit:
            # A few at a time: what is deleted is overwritten, and appends wait meanwhile.
            some = min(_DOOMED_AT_ONCE, limit - count)
            gone = await self._write(partial(sqlite_trimming.doom, limit=some))
            count += gone
            if gone < some:
                break
        # One that was cut off here before left something to clear, too.
        cleared = False
        while await self._write(lambda db, _: sqlite_trimming.clear(db)):
            cleared = True
        if cleared:
            await self._keeper.run(sqlite_file.checkpoint)
        await self._write(sqlite_trimming.forget_processes)
        return count

    async def take_turn(self, name: str, process_id: str, lease_s: float) -> bool:
        """Take or keep a lease on periodic work of the fleet; False: another has it."""
        return await self._write(
            lambda db, now: sqlite_writes.take_turn(db, now, name, process_id, lease_s)
        )

    async def _write(self, body: Callable[[sqlite3.Connection, int], T]) -> T:
        """Run a body in a transaction that writes; it is given the time at which it began."""
        return await self._writer.run(
            lambda db: sqlite_writes.transact(db, lambda: body(db, self._clock.time_ns()))
        )

    async def _read(self, body: Callable[[sqlite3.Connection, int], T]) -> T:
        """Run a body that reads."""
        return await self._reader.run(lambda db: body(db, self._clock.time_ns()))

    async def _keep(self) -> None:
        """Keep the log beside the file small, until cancelled."""
        while True:
            await asyncio.sleep(_KEEP_S)
            with contextlib.suppress(JournalUnavailable):
                await self._keeper.run(self._empty_log)

    def _empty_log(self, connection: sqlite3.Connection) -> None:
        """Move what is in the log into the file when it is long; in the thread."""
        if sqlite_file.log_size(self.path) > self._max_log_bytes:
            sqlite_file.checkpoint(connection)
