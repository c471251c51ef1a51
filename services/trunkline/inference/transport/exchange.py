"""One request and its reply, read as it comes, each wait with a limit that may be moved."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import httpx

from trunkline.inference.transport.connection import Connection
from trunkline.inference.transport.faults import Broken, BrokenReason, Silent, TransportFault
from trunkline.inference.transport.grain import TICK_S
from trunkline.inference.transport.pool import Pool
from trunkline.inference.transport.reply import Reply

_REST_S: Final = 0.25
_REST_BYTES: Final = 64 * 1024
"""What `finish` waits for: the end of a body of which all that matters has come."""


class Exchange:
    """One request and its reply.

    Made by `Transport.open`, whose caller owns it, reads it from one task at a time, and calls
    `close` or `finish` whatever happens.

    Args:
        connection: what the request goes over.
        pool: where the connection's place is given back.
        deadline: see the property.
        head_only: the request is a HEAD.
    """

    __slots__ = (
        "_closed",
        "_connection",
        "_deadline",
        "_head_only",
        "_headers",
        "_loop",
        "_parted",
        "_pool",
        "_reply",
        "_timer",
        "_timer_at",
    )

    def __init__(
        self, connection: Connection, pool: Pool, deadline: float, *, head_only: bool
    ) -> None:
        self._connection = connection
        self._pool = pool
        self._deadline = deadline
        self._head_only = head_only
        self._reply = Reply(head_only=head_only)
        self._headers: httpx.Headers | None = None
        self._loop = asyncio.get_running_loop()
        # One timer for all waits. A deadline that moves on leaves it where it is: when it fires it
        # looks where the deadline is by then.
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = math.inf
        # The owner reads no more; the place in the pool may be given back a little later.
        self._parted = False
        self._closed = False

    @property
    def status(self) -> int:
        """Return the HTTP status. A redirect is a status like others; nothing follows it."""
        return self._reply.status

    @property
    def headers(self) -> httpx.Headers:
        """Return the response headers."""
        if self._headers is None:
            self._headers = httpx.Headers(self._reply.fields)
        return self._headers

    @property
    def answered(self) -> bool:
        """Return whether a byte of the reply has come."""
        return self._reply.begun

    @property
    def encoded(self) -> bool:
        """Return whether the body is in a content coding (RFC 9110 §8.4)."""
        codings = self._reply.values(b"content-encoding")
        return any(coding.lower() != b"identity" for coding in codings)

    @property
    def deadline(self) -> float:
        """The loop's time until which the current and the next wait may last; may be infinite.

        It may be moved at any time, to and fro, also by others while a read waits. After `close`
        or `finish` that does nothing.
        """
        return self._deadline

    @deadline.setter
    def deadline(self, value: float) -> None:
        if self._parted:
            return  # the connection may serve another exchange, which has its own
        self._deadline = value
        if value < self._timer_at and self._connection.waiter is not None:
            self._arm()

    async def send(self, message: bytes) -> None:
        """Send the request and wait for the head of its reply.

        Args:
            message: the request as it goes over the wire.

        Raises:
            Unreachable: `RESET`: the connection ended before the head; `PROXY`: it is a proxy
                that answers, and wants other credentials.
            Silent: the deadline passed.
            Broken: what came is not HTTP, or is over its bounds.
        """
        reply = self._reply
        self._connection.begin(reply, message)
        while not reply.headed:
            await self._wait()
        route = self._connection.route
        # Other refusals of a proxy look like the server's own (RFC 9110 §15.5.8).
        if route is not None and reply.status == 407:
            raise route.proxy.refusal(407)

    def move(self, connection: Connection) -> None:
        """Go over to another connection, since the one before has died unused."""
        self._connection = connection
        self._reply = Reply(head_only=self._head_only)

    async def read(self) -> bytes:
        """Return all of the body that has come since the last read, waiting for at least a byte.

        What is cancelled or has raised `Silent` has lost nothing: the next read goes on.

        Returns:
            At least one byte; none when the body has come to its proper end.

        Raises:
            Silent: the deadline passed, and nothing was there.
            Broken: the body does not come to its proper end, by fault of the connection or by
                `close` or `Transport.aclose`.
        """
        reply = self._reply
        while not reply.parts:
            if self._parted:
                raise Broken(BrokenReason.CLOSED)
            if reply.ended:
                return b""
            await self._wait()
        self._connection.relax()
        return reply.take()

    async def read_all(self, limit_bytes: int) -> bytes:
        """Return all of the body that was not read yet, to its end.

        Args:
            limit_bytes: the longest it may be.

        Raises:
            Broken: as for `read`; `TOO_LARGE`.
            Silent: as for `read`.
        """
        parts = []
        left = limit_bytes
        while part := await self.read():
            parts.append(part)
            left -= len(part)
            if left < 0:
                raise Broken(BrokenReason.TOO_LARGE)
        return b"".join(parts)

    async def _wait(self) -> None:
        """Wait for something new."""
        connection = self._connection
        waiter = connection.expect()
        try:
            if self._deadline < self._timer_at:
                self._arm()
            await waiter
        finally:
            # Closed meanwhile by another task, the connection may serve another exchange already.
            if connection.waiter is waiter:
                connection.waiter = None

    def _arm(self) -> None:
        """Set the timer to the deadline."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._timer_at = self._deadline
        if self._deadline < math.inf:
            self._timer = self._loop.call_at(self._deadline, self._judge)

    def _judge(self) -> None:
        """End the wait, when there is one and its time has passed."""
        self._timer = None
        self._timer_at = math.inf
        waiter = self._connection.waiter
        if waiter is None:
            return
        if self._loop.time() + TICK_S < self._deadline:
            self._arm()
        elif not waiter.done():
            waiter.set_exception(Silent(head_received=self._reply.headed))

    def close(self) -> None:
        """Part from the reply; doing it twice does nothing.

        A reply that was not received to its end takes its socket with it, at once: that is how a
        provider learns that nobody listens. Otherwise the connection is free for others.
        """
        if self._closed:
            return
        self._parted = self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        connection = self._connection
        self._reply.discard()
        if connection.rest():
            self._pool.give_back(connection)
        else:
            connection.abort()
            self._pool.vacate()

    def finish(self) -> None:
        """Part from a reply of which all that matters was read, though perhaps not its last bytes.

        Formats have end marks of their own, and what follows them is the empty chunk. Waiting for
        it costs nobody time and saves the next request a connection. So the rest is dropped as it
        comes; when there is more of it than an end, or it stays away for a quarter of a second, the
        exchange is closed. Doing it twice does nothing.
        """
        if not self._parted:
            self._parted = True
            self._deadline = self._loop.time() + _REST_S
            self._drop_rest(0)

    def _drop_rest(self, dropped: int) -> None:
        """Drop what has come, and wait for more where that is worth it."""
        reply = self._reply
        if self._closed or reply.ended or self._connection.waiter is not None:
            self.close()
            return
        dropped += sum(map(len, reply.parts))
        reply.parts.clear()
        self._connection.relax()
        try:
            if dropped > _REST_BYTES:
                raise Broken(BrokenReason.TOO_LARGE)
            waiter = self._connection.expect()
        except TransportFault:
            self.close()
            return
        self._arm()
        waiter.add_done_callback(lambda done: self._go_on(done, dropped))

    def _go_on(self, done: asyncio.Future[None], dropped: int) -> None:
        if self._connection.waiter is done:
            self._connection.waiter = None
        if done.exception() is None:
            self._drop_rest(dropped)
        else:
            self.close()
