"""The connections to one origin: how many there may be, who waits, which are free."""

from __future__ import annotations

import asyncio
import math
from collections import deque

from trunkline.inference.transport.connection import Connection
from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    NoPlace,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.grain import TICK_S


class Pool:
    """The connections to one origin.

    Who takes a place holds it until `give_back` or `vacate`; a place is a connection, or the right
    to open one. A free connection is a place that nobody holds.

    Args:
        limit: most places, 1 or more.
        idle_s: how long a connection may be free before it is closed.
    """

    def __init__(self, limit: int, idle_s: float) -> None:
        self._limit = limit
        self._idle_s = idle_s
        self._loop = asyncio.get_running_loop()
        self._held = 0
        # With the time since when; the longest free stands first.
        self._free: deque[tuple[float, Connection]] = deque()
        self._waiters: deque[asyncio.Future[Connection | None]] = deque()
        self._open: set[Connection] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    @property
    def connections(self) -> frozenset[Connection]:
        """Return the connections that are open, free or held."""
        return frozenset(self._open)

    @property
    def unused(self) -> bool:
        """Return whether nobody would miss this pool."""
        return not (self._held or self._open or self._waiters)

    async def take(self, until: float) -> Connection | None:
        """Take a place, waiting in line where there is none.

        Args:
            until: loop time until which to wait; infinity is without limit.

        Returns:
            The connection that became free last, since it is the least likely to be closed by the
            server just now; None: open one.

        Raises:
            NoPlace: there was none in time.
            Unreachable: `CLOSED`.
        """
        if self._closed:
            raise Unreachable(UnreachableReason.CLOSED)
        while self._free:
            connection = self._free.pop()[1]
            if connection.alive:
                self._held += 1
                return connection
        if self._held < self._limit:
            self._held += 1
            return None
        return await self._wait(until)

    async def _wait(self, until: float) -> Connection | None:
        waiter: asyncio.Future[Connection | None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            async with asyncio.timeout_at(until if until < math.inf else None):
                connection = await waiter
        except BaseException as error:
            if waiter in self._waiters:
                self._waiters.remove(waiter)
            elif not waiter.cancelled() and waiter.exception() is None:
                # Given in the same turn in which the wait was ended: the next one's.
                self._pass_on(waiter.result())
            if isinstance(error, TimeoutError):
                raise NoPlace(self._limit) from None
            raise
        # The server may have closed it since it was given.
        return connection if connection is not None and connection.alive else None

    def give_back(self, connection: Connection) -> None:
        """Give back a place with a connection that can be used again."""
        self._pass_on(connection)

    def vacate(self) -> None:
        """Give back a place without a connection."""
        self._pass_on(None)

    def _pass_on(self, connection: Connection | None) -> None:
        """Give a place to who waits longest, or to nobody."""
        while self._waiters:
            waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(connection)
                return
        self._held -= 1
        if connection is None or not connection.alive:
            return
        if self._closed:
            connection.abort()
            return
        self._free.append((self._loop.time(), connection))
        if self._timer is None:
            self._timer = self._loop.call_later(self._idle_s, self._close_idle)

    def _close_idle(self) -> None:
        """Close what was free for too long, and look again when the next one will have been."""
        self._timer = None
        oldest = self._loop.time() - self._idle_s + TICK_S
        while self._free and self._free[0][0] <= oldest:
            self._free.popleft()[1].abort()
        if self._free:
            self._timer = self._loop.call_at(self._free[0][0] + self._idle_s, self._close_idle)

    def enter(self, connection: Connection) -> None:
        """Take note of a connection that was just made."""
        self._open.add(connection)
        if self._closed:
            connection.abort()

    def leave(self, connection: Connection) -> None:
        """Take note that the socket of a connection is closed."""
        self._open.discard(connection)
        for entry in self._free:
            if entry[1] is connection:
                self._free.remove(entry)
                break

    def close(self) -> None:
        """Close all connections and send away who waits."""
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(Unreachable(UnreachableReason.CLOSED))
        self._waiters.clear()
        for connection in self._open:
            connection.fail(Broken(BrokenReason.CLOSED))
