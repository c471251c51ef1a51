"""Store what runs have written: one commit for all that waits.

A commit begins at once when none is on its way, and what comes meanwhile goes with the
next one. Only where commits come fast, one waits for its turn, since a commit costs as much as
several events: a thousand streams would else have each event in a commit of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.records import Kind, pack
from trunkline.inference.journal.seal import SEGMENT, RunSeal
from trunkline.inference.journal.store import (
    Append,
    Appended,
    JournalUnavailable,
    RunStore,
)

MAX_APPENDS: Final = 256
# From one commit's turn to the next one's, and how many turns a pause saves up.
TURN_S: Final = 0.008
SAVED_TURNS: Final = 8
_RETRY_S: Final = 0.2


@dataclass(slots=True, eq=False)
class Line:
    """A run's line to the store, as long as this process owns the run.

    Attributes:
        run_id: whose.
        epoch: in which it is owned.
        journal: what is stored.
        seal: seals it.
        on_refused: is called when the store refuses; the run is not this
            process's any more, or has ended.
        on_ended: is called when the end is stored.
        is_open: it is owned.
        is_unsure: the answer to an append was lost, so that it may have been stored.
    """

    run_id: str
    epoch: int
    journal: DurableJournal
    seal: RunSeal
    on_refused: Callable[[], None]
    on_ended: Callable[[], None]
    is_open: bool = True
    is_unsure: bool = False


@dataclass(frozen=True, slots=True)
class _Taken:
    """What one commit holds of one line."""

    line: Line
    records: list[tuple[Kind, bytes]]
    append: Append


class Writer:
    """Stores what the runs of this process write.

    Args:
        store: of durable runs.
        on_stored: is called after each commit.
    """

    def __init__(self, store: RunStore, on_stored: Callable[[], None]) -> None:
        self._store = store
        self._on_stored = on_stored
        self._dirty: dict[Line, None] = {}
        self._something = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._turn = 0.0

    def poke(self, line: Line) -> None:
        """Have a line's unstored records stored."""
        if line.is_open:
            self._dirty[line] = None
            self._idle.clear()
            self._something.set()

    async def flush(self) -> None:
        """Wait until nothing waits to be stored."""
        await self._idle.wait()

    async def run(self) -> None:
        """Store until cancelled."""
        while True:
            await self._something.wait()
            self._something.clear()
            while self._dirty:
                await self._wait_turn()
                await self._commit()
            self._idle.set()

    async def _wait_turn(self) -> None:
        """Wait as long as commits would else come too fast."""
        now = asyncio.get_running_loop().time()
        self._turn = max(self._turn, now - SAVED_TURNS * TURN_S) + TURN_S
        if self._turn > now:
            await asyncio.sleep(self._turn - now)

    async def _commit(self) -> None:
        """Store what waits, as far as it fits into one commit."""
        waiting = list(self._dirty)[:MAX_APPENDS]
        for line in waiting:
            del self._dirty[line]
        # One that was given up meanwhile has nothing to store.
        batch = [self._take(line) for line in waiting if line.is_open]
        if not batch:
            return
        try:
            results = await self._store.append([taken.append for taken in batch])
        except JournalUnavailable:
            for taken in batch:
                taken.line.is_unsure = True
                self._again(taken)
            await asyncio.sleep(_RETRY_S)
            return
        self._on_stored()
        for taken, result in zip(batch, results, strict=True):
            if result is not Appended.DONE and taken.line.is_unsure:
                await self._look(taken, result)
            else:
                self._note(taken, result)

    def _take(self, line: Line) -> _Taken:
        """Seal what waits on a line."""
        journal = line.journal
        first = journal.visible + 1
        end = journal.end
        records, last = journal.take_unstored()
        data = b""
        if records:
            data = line.seal.seal(SEGMENT, line.epoch, first, last, pack(records))
        state, journal.state = journal.state, None
        append = Append(line.run_id, line.epoch, first, last, data, state=state, end=end)
        return _Taken(line, records, append)

    def _note(self, taken: _Taken, result: Appended) -> None:
        """Take in what became of one append."""
        line, append = taken.line, taken.append
        if not line.is_open:
            return
        journal = line.journal
        if result is Appended.DONE:
            if append.end is not None:
                journal.end = None
            line.is_unsure = False
            journal.show(taken.records, append.last)
            if append.end is not None:
                line.is_open = False
                line.on_ended()
        else:
            line.is_open = False
            line.on_refused()

    async def _look(self, taken: _Taken, result: Appended) -> None:
        """Find out whether what is refused now was stored before, when the answer was lost."""
        line, append = taken.line, taken.append
        try:
            record = await self._store.load(append.run_id)
        except JournalUnavailable:
            self._again(taken)
            return
        line.is_unsure = False
        if record is None or record.epoch != line.epoch:
            self._note(taken, Appended.SUPERSEDED)
        elif not record.ended_ns:
            self._again(taken)
            line.journal.catch_up(record.last_sequence)
        elif append.end is not None and record.status == append.end.status:
            self._note(taken, Appended.DONE)
        else:
            self._note(taken, result)

    def _again(self, taken: _Taken) -> None:
        """Store what was taken with the next commit."""
        if taken.line.is_open:
            journal = taken.line.journal
            journal.put_back(taken.records)
            journal.state = journal.state or taken.append.state
            self.poke(taken.line)
