"""The journal of a DURABLE run in its owner's process: stored before anybody sees it.

Events get their numbers at once and wait for the next commit; readers have them when it
is done. A run whose commits do not come makes its provider wait.

What is stored can be read again from the store: as soon as its readers are known to read it
there, it counts as taken, and the oldest of it goes when there is too much.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from trunkline.inference.journal.memory import Allowance, MemoryJournal
from trunkline.inference.journal.records import Kind
from trunkline.inference.journal.store import End
from trunkline.inference.v1 import event_pb2, run_pb2
from trunkline.kernel.clock import Clock

MAX_UNSTORED_BYTES: Final = 1024 * 1024


class DurableJournal(MemoryJournal):
    """The events of one run, of which some wait to be stored.

    Args:
        clock, allowance, kept_bytes, count: as of `MemoryJournal`.
        last_sequence: of the last event in the store; the first one here comes after it.

    Attributes:
        end: how the run ends, once it does; not stored yet.
        state: RUNNING or WAITING, when it has changed and that is not stored yet.
    """

    __slots__ = (
        "_in_flight",
        "_is_read_elsewhere",
        "_poke",
        "_settling",
        "_unstored",
        "_unstored_bytes",
        "end",
        "state",
    )

    def __init__(
        self,
        clock: Clock,
        *,
        allowance: Allowance,
        kept_bytes: int,
        count: Callable[[int], None],
        last_sequence: int = 0,
    ) -> None:
        super().__init__(clock, allowance=allowance, kept_bytes=kept_bytes, count=count)
        self._poke: Callable[[], None] | None = None
        self._unstored: list[tuple[Kind, bytes]] = []
        # What is not in the store yet, also what is on its way.
        self._unstored_bytes = 0
        self._in_flight = False
        self._is_read_elsewhere = False
        self._settling: list[asyncio.Future[None]] = []
        self.end: End | None = None
        self.state: run_pb2.RunState.ValueType | None = None
        self.first_sequence = last_sequence + 1
        self.last_sequence = self.visible = self._taken = last_sequence

    @property
    def is_settled(self) -> bool:
        """Tell whether all is stored."""
        return not (self._unstored or self._in_flight) and self.end is None

    def connect(self, poke: Callable[[], None] | None) -> None:
        """Have what waits stored by a line to the store: it is called for each record."""
        self._poke = poke

    def append(self, event: event_pb2.ChatEvent) -> bytes:
        """Give an event its number and time; readers have it when it is stored."""
        data = self._write(event)
        self.add(Kind.EVENT, data)
        return data

    def add(self, kind: Kind, data: bytes) -> None:
        """Have a record stored with the events around it."""
        self._unstored.append((kind, data))
        self._unstored_bytes += len(data)
        if self._poke is not None:
            self._poke()

    def enter(self, state: run_pb2.RunState.ValueType) -> None:
        """Have a state stored with the events around it."""
        self.state = state
        if self._poke is not None:
            self._poke()

    def conclude(self, end: End) -> None:
        """Have the run's end stored, after everything else; then no event follows."""
        self.end = end
        if self._poke is not None:
            self._poke()

    def read_elsewhere(self, is_read: bool) -> None:
        """Note whether other processes have readers of the run, which take nothing here.

        The provider waits for none then: what is stored counts as taken.
        """
        self._is_read_elsewhere = is_read
        if is_read:
            self.take(self.visible)

    def take_unstored(self) -> tuple[list[tuple[Kind, bytes]], int]:
        """Return what is to be stored, and the sequence of the last event of it.

        `show` or `put_back` says what became of it.
        """
        taken, self._unstored = self._unstored, []
        self._in_flight = True
        return taken, self.last_sequence

    def put_back(self, records: list[tuple[Kind, bytes]]) -> None:
        """Have records stored again that could not be, before all others."""
        self._unstored = records + self._unstored
        self._in_flight = False

    def show(self, records: list[tuple[Kind, bytes]], last: int) -> None:
        """Let readers have the events of what was taken: they are stored.

        Args:
            records: that were taken.
            last: the sequence of the last event of them.
        """
        self._in_flight = False
        self._unstored_bytes -= sum(len(data) for _, data in records)
        if last > self.visible:
            self.visible = last
            if self._is_read_elsewhere:
                self.take(last)
            self._wake()
        if self.is_settled:
            self._release()
        self._make_room()

    def catch_up(self, last: int) -> None:
        """Take what was put back for stored, as far as the store has it.

        Args:
            last: the sequence of the last event in the store.
        """
        missing = last - self.visible
        stored: list[tuple[Kind, bytes]] = []
        while missing > 0 and self._unstored:
            record = self._unstored.pop(0)
            stored.append(record)
            missing -= record[0] is Kind.EVENT
        self.show(stored, last)

    def adopt(self, data: bytes) -> None:
        """Keep an event that another process stored; who reads slowly reads it from the store."""
        self.last_sequence += 1
        self._keep(data)
        self.visible = self.last_sequence
        self.take(self.visible)
        self._wake()

    def skip_to(self, last: int) -> None:
        """Go on after a sequence, up to which the events lie in the store."""
        if last > self.last_sequence:
            self.forget()
            self.first_sequence = last + 1
            self.last_sequence = self.visible = self._taken = last
            self._wake()

    def retreat(self) -> None:
        """Forget what is not stored: it never was."""
        drop = self.last_sequence - self.visible
        if drop:
            removed = self._events[-drop:]
            del self._events[-drop:]
            size = sum(map(len, removed))
            self.size -= size
            self._untaken = max(0, self._untaken - size)
            self._count(-size)
        self.last_sequence = self.visible
        self.first_sequence = min(self.first_sequence, self.last_sequence + 1)
        self._taken = min(self._taken, self.visible)
        self._unstored = []
        self._unstored_bytes = 0
        self._in_flight = False
        self.end = None
        self._release()

    def has_room(self) -> bool:
        """Tell whether more may be read from the provider."""
        return super().has_room() and self._unstored_bytes <= MAX_UNSTORED_BYTES

    async def settle(self) -> None:
        """Wait until all that was written is stored, or given up."""
        while not self.is_settled:
            waiter = asyncio.get_running_loop().create_future()
            self._settling.append(waiter)
            await waiter

    def _release(self) -> None:
        """Let those go on who wait for the store."""
        waiting, self._settling = self._settling, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)
