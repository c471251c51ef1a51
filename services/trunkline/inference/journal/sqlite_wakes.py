"""Find out what other processes wrote into a SQLite journal, and whom that concerns.

A file tells nobody that it changed. Its `data_version` is looked at ten times a second
while there is anything to hear of; only when it moved, the runs that are followed are
compared with what was last seen of them. For owners a notice lies in a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterable
from functools import partial

from trunkline.inference.journal import sqlite_reads, sqlite_writes
from trunkline.inference.journal.sqlite_lane import Lane
from trunkline.inference.journal.store import JournalUnavailable

LOOK_S = 0.1


class SqliteWakes:
    """Calls who wants to know.

    Args:
        writer: its connection's own commits do not move its `data_version`.
        reader: reads what changed.
    """

    def __init__(self, writer: Lane, reader: Lane) -> None:
        self._writer = writer
        self._reader = reader
        self._wakes: list[Callable[[str], None]] = []
        self._followed: dict[str, tuple[int, ...]] = {}
        self._owned: set[str] = set()
        self._processes: set[str] = set()
        self._version: int | None = None
        self._is_needed = asyncio.Event()
        self._is_urgent = asyncio.Event()

    def subscribe(self, wake: Callable[[str], None]) -> None:
        """Have a function called with the id of a run that changed."""
        self._wakes.append(wake)

    def add_process(self, process_id: str) -> None:
        """Hear of what is left for a process."""
        self._processes.add(process_id)

    def remove_process(self, process_id: str) -> None:
        """Hear of it no longer."""
        self._processes.discard(process_id)

    def own(self, run_id: str) -> None:
        """Begin to look for notices about a run."""
        self._owned.add(run_id)
        self._is_needed.set()

    def disown(self, run_id: str) -> None:
        """End that."""
        self._owned.discard(run_id)
        self._rest()

    async def follow(self, run_id: str) -> None:
        """Begin to look for changes of a run."""
        marks = await self._reader.run(partial(sqlite_reads.marks, run_ids=[run_id]))
        self._followed[run_id] = marks.get(run_id, ())
        self._is_needed.set()

    def unfollow(self, run_id: str) -> None:
        """End that."""
        self._followed.pop(run_id, None)
        self._rest()

    def note(self, run_ids: Iterable[str]) -> None:
        """Wake whoever follows runs that this process wrote itself."""
        for run_id in run_ids:
            if run_id in self._followed:
                self._wake(run_id)

    def look_now(self) -> None:
        """Look for notices that this process may have left for itself."""
        self._is_needed.set()
        self._is_urgent.set()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self._is_needed.wait()
            if self._is_urgent.is_set():
                self._is_urgent.clear()
                self._version = None
            try:
                await self._look()
            except JournalUnavailable:
                self._version = None
            self._rest()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_S):
                    await self._is_urgent.wait()

    async def _look(self) -> None:
        """Wake for what changed since the last look."""
        version = await self._writer.run(_read_version)
        if version == self._version:
            return
        followed = dict(self._followed)
        changed: set[str] = set()
        if followed:
            marks = await self._reader.run(partial(sqlite_reads.marks, run_ids=followed))
            for run_id, seen in followed.items():
                mark = marks.get(run_id, ())
                if mark != seen and run_id in self._followed:
                    self._followed[run_id] = mark
                    changed.add(run_id)
        if self._processes:
            processes = tuple(self._processes)
            taken = await self._reader.run(partial(sqlite_reads.notices, process_ids=processes))
            if taken:
                # Before the call: what is put from now on leaves a notice of its own. Where the
                # answer is lost they may be gone all the same.
                with contextlib.suppress(JournalUnavailable):
                    await self._writer.run(
                        lambda connection: sqlite_writes.transact(
                            connection, partial(sqlite_writes.take_notices, connection, taken)
                        )
                    )
                changed.update(run_id for _, run_id in taken)
        # Only now: what failed before is looked for again.
        self._version = version
        for run_id in changed:
            self._wake(run_id)

    def _wake(self, run_id: str) -> None:
        """Call whoever wants to know of a run."""
        for wake in self._wakes:
            wake(run_id)

    def _rest(self) -> None:
        """Look no more when there is nothing to hear of."""
        if not self._followed and not self._owned and not self._is_urgent.is_set():
            self._is_needed.clear()


def _read_version(connection: sqlite3.Connection) -> int:
    """Return a number that another one than this connection changes by its commits."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)
