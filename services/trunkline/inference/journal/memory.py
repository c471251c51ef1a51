"""The journal of a MEMORY run: it lives and dies with its process.

Events lie there serialised, so that every reader gets the same bytes and a second
reader costs no second serialisation. What no reader has taken is bounded by making the
provider wait; what was taken is kept for those who come back, and is bounded by
trimming the oldest.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from trunkline.inference.v1 import event_pb2
from trunkline.kernel.clock import Clock

_NANOSECONDS = 1_000_000_000


class Trimmed(Exception):
    """The events asked for are not kept any more."""


@dataclass(slots=True)
class Allowance:
    """What each of all journals may hold that nobody has taken; it changes with their number.

    Attributes:
        untaken_bytes: above it `wait_room` waits.
    """

    untaken_bytes: int


class MemoryJournal:
    """The events of one run.

    Args:
        clock: stamps events.
        allowance: what it may hold that no reader has taken.
        kept_bytes: events that are kept; above it the oldest taken ones go.
        count: is told of bytes that were added, or removed (negative).

    Attributes:
        first_sequence: of the first event that is kept; more than `last_sequence`
            when none is.
        last_sequence: of the last event; 0: none yet.
        visible: of the last event that readers may have.
        size: bytes that are kept.
        closed: no event will follow.
    """

    __slots__ = (
        "_allowance",
        "_clock",
        "_closing",
        "_count",
        "_events",
        "_kept_bytes",
        "_readers",
        "_room",
        "_taken",
        "_takers",
        "_untaken",
        "closed",
        "first_sequence",
        "last_sequence",
        "size",
        "visible",
    )

    def __init__(
        self,
        clock: Clock,
        *,
        allowance: Allowance,
        kept_bytes: int,
        count: Callable[[int], None],
    ) -> None:
        self._clock = clock
        self._allowance = allowance
        self._kept_bytes = kept_bytes
        self._count = count
        self._events: list[bytes] = []
        self._taken = 0
        self._takers = 0
        self._closing: list[asyncio.Future[None]] = []
        self._untaken = 0
        self._readers: list[asyncio.Future[None]] = []
        self._room: asyncio.Future[None] | None = None
        self.first_sequence = 1
        self.last_sequence = 0
        self.visible = 0
        self.size = 0
        self.closed = False

    def append(self, event: event_pb2.ChatEvent) -> bytes:
        """Give an event its number and time, and keep it.

        Args:
            event: with its kind and attempt; `sequence` and `time` are set here.

        Returns:
            It, serialised.
        """
        data = self._write(event)
        self.visible = self.last_sequence
        if self._readers:
            self._wake()
        return data

    async def settle(self) -> None:
        """Wait until readers may have every event that was written: here they have them at once."""

    def close(self) -> None:
        """Let no event follow, and wake every reader."""
        self.closed = True
        self._wake()
        self._make_room()
        for waiter in self._closing:
            if not waiter.done():
                waiter.set_result(None)

    async def wait_closed(self) -> None:
        """Wait until no event will follow."""
        if not self.closed:
            waiter = asyncio.get_running_loop().create_future()
            self._closing.append(waiter)
            try:
                await waiter
            finally:
                self._closing.remove(waiter)

    def wait_for_nobody(self) -> None:
        """Take every event as it comes, from now on: the provider waits for no reader."""
        self.take(self.last_sequence)
        self._takers += 1

    @contextmanager
    def taking(self) -> Iterator[None]:
        """Take every event as it comes, for one who waits for the end alone."""
        self.take(self.last_sequence)
        self._takers += 1
        try:
            yield
        finally:
            self._takers -= 1

    def get(self, sequence: int) -> bytes:
        """Return an event that was written.

        Raises:
            Trimmed: it is not kept any more.
        """
        index = sequence - self.first_sequence
        if index < 0:
            raise Trimmed
        return self._events[index]

    def take(self, sequence: int) -> None:
        """Note that a reader has taken an event and all before it."""
        if sequence <= self._taken:
            return
        offset = self.first_sequence
        for taken in range(max(self._taken + 1, offset), sequence + 1):
            self._untaken -= len(self._events[taken - offset])
        self._taken = sequence
        if self.size > self._kept_bytes:
            self._bound()
        if self._room is not None and self._untaken <= self._allowance.untaken_bytes:
            self._make_room()

    async def changed(self) -> None:
        """Wait until there is another event, or none will follow."""
        waiter = asyncio.get_running_loop().create_future()
        self._readers.append(waiter)
        try:
            await waiter
        finally:
            # A reader that leaves a run which is silent must not stay until it speaks.
            if waiter.cancelled() and waiter in self._readers:
                self._readers.remove(waiter)

    def has_room(self) -> bool:
        """Tell whether more may be read from the provider."""
        return self._untaken <= self._allowance.untaken_bytes or self.closed

    async def wait_room(self) -> None:
        """Wait until readers have taken enough of what is there."""
        while not self.has_room():
            self._room = asyncio.get_running_loop().create_future()
            await self._room

    def trim(self, size: int) -> None:
        """Forget the oldest events that were taken, until at most `size` bytes are kept.

        The last event stays in any case: it may be the one that says how the run ended.
        """
        removed = count = 0
        end = min(self._taken, self.visible, self.last_sequence - 1)
        for data in self._events:
            if self.size - removed <= size or self.first_sequence + count > end:
                break
            removed += len(data)
            count += 1
        if count:
            del self._events[:count]
            self.first_sequence += count
            self.size -= removed
            self._count(-removed)

    def forget(self) -> None:
        """Forget every event, taken or not."""
        self.first_sequence = self.last_sequence + 1
        self._events = []
        self._count(-self.size)
        self.size = self._untaken = 0

    def _write(self, event: event_pb2.ChatEvent) -> bytes:
        """Give an event its number and time, keep it, and return it serialised."""
        self.last_sequence += 1
        event.sequence = self.last_sequence
        stamp = event.time
        stamp.seconds, stamp.nanos = divmod(self._clock.time_ns(), _NANOSECONDS)
        data = event.SerializeToString()
        self._keep(data)
        return data

    def _keep(self, data: bytes) -> None:
        """Keep the event that has the last sequence."""
        self._events.append(data)
        length = len(data)
        self.size += length
        if self._takers:
            self._taken = self.last_sequence
        else:
            self._untaken += length
        self._count(length)
        if self.size > self._kept_bytes:
            self._bound()

    def _bound(self) -> None:
        """Bring what was taken within its bound; some more at a time, as the list moves up."""
        self.trim(self._kept_bytes - self._kept_bytes // 8)

    def _wake(self) -> None:
        """Wake the readers that wait."""
        waiting, self._readers = self._readers, []
        for waiter in waiting:
            if not waiter.done():
                waiter.set_result(None)

    def _make_room(self) -> None:
        """Let the producer go on, when it waits."""
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
