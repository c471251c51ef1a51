"""One connection to a provider: a socket, and the reply that is read from it just now."""

from __future__ import annotations

import asyncio
import socket
from typing import Final, Protocol, cast

from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    TransportFault,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.proxy import Route
from trunkline.inference.transport.reply import Reply

MAX_UNREAD: Final = 64 * 1024
"""From so many bytes on that nobody has taken the socket is not read, so that TCP holds the
provider back. Counted as they came, framing included: a chunk of one byte costs more than one. One
read of the socket, at most 256 KiB, may come on top."""


class Home(Protocol):
    """Who keeps account of the connections to an origin."""

    def enter(self, connection: Connection) -> None:
        """Take note of a connection that was just made."""

    def leave(self, connection: Connection) -> None:
        """Take note that the socket of a connection is closed."""


class Connection(asyncio.Protocol):
    """One connection, with at most one reply under way.

    Args:
        home: who is told when its socket is closed.
        route: how requests are written for a proxy at the other end; None: the server is there.

    Attributes:
        alive: it is open, and the server has not begun to close it.
        lost: done when the socket is closed.
        route: as it was given.
        waiter: what whoever reads waits for; done when bytes, an end or a fault has come.
    """

    __slots__ = (
        "_ended",
        "_fault",
        "_home",
        "_loop",
        "_paused",
        "_reply",
        "_transport",
        "_unread",
        "alive",
        "lost",
        "route",
        "waiter",
    )

    def __init__(self, home: Home, route: Route | None = None) -> None:
        self._home = home
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reply: Reply | None = None
        self._fault: TransportFault | None = None
        self._ended = False
        self._unread = 0
        self._paused = False
        self.alive = False
        self.lost: asyncio.Future[None] = self._loop.create_future()
        self.route = route
        self.waiter: asyncio.Future[None] | None = None

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin. With TLS this is after the handshake; in a tunnel other calls may come first."""
        # A cast and no check: uvloop's transports do not derive from asyncio's.
        self._transport = cast("asyncio.Transport", transport)
        # A request is one write; waiting for more to send with it would only delay it.
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.alive = not self._ended
        if self._ended:
            self._transport.abort()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        reply = self._reply
        if reply is None:
            # Bytes that nobody asked for would be taken for the next reply.
            self.abort()
            return
        try:
            reply.feed(data)
        except Broken as fault:
            self.fail(fault)
            return
        self._unread += len(data)
        if self._unread > MAX_UNREAD and not self._paused and self._transport is not None:
            self._transport.pause_reading()
            self._paused = True
            # For a reader that is slow once the system would keep some 6 MiB for ever, and stop
            # growing what it lends to all connections of the machine.
            self._transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_RCVBUF, MAX_UNREAD
            )
        self._wake()

    def eof_received(self) -> None:
        """Take note that the server sends no more."""
        self._end()
        # Nothing is left to be said; with TLS a close in good order could take half a minute.
        self.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the socket is closed, by whomever."""
        self._transport = None
        self._ended = True
        if exc is not None and self._reply is not None and not self._reply.ended:
            self.fail(
                Broken(BrokenReason.RESET)
                if self._reply.headed
                else Unreachable(UnreachableReason.RESET)
            )
        self._end()
        self._home.leave(self)
        self.lost.set_result(None)

    def _end(self) -> None:
        """Let the reply end where the bytes end."""
        self.alive = False
        if self._reply is not None and self._fault is None:
            try:
                self._reply.end()
            except TransportFault as fault:
                self._fault = fault
            self._wake()

    def _wake(self) -> None:
        waiter = self.waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    # What an exchange calls.

    def begin(self, reply: Reply, message: bytes) -> None:
        """Send a request; what comes from now on is its reply.

        Args:
            reply: where the reply is read to.
            message: the request as it goes over the wire.
        """
        self._reply = reply
        self._unread = 0
        if self.alive and self._transport is not None:
            self._transport.write(message if self.route is None else self.route.rewrite(message))
        else:
            self._end()

    def expect(self) -> asyncio.Future[None]:
        """Return what is done as soon as something new has come; only one may wait at a time.

        Raises:
            TransportFault: nothing more will come.
        """
        if self._fault is not None:
            raise self._fault
        if self.waiter is not None:
            raise RuntimeError("two readers wait for one reply")
        self.waiter = self._loop.create_future()
        return self.waiter

    def relax(self) -> None:
        """Take note that what has come was taken, and let more come."""
        self._unread = 0
        if self._paused:
            self._paused = False
            if self._transport is not None:
                self._transport.resume_reading()

    def rest(self) -> bool:
        """Part from a reply that has ended; return whether another request may follow."""
        reply, self._reply = self._reply, None
        # Whoever still waits for the old reply must not hold up the next one's reader.
        self._wake()
        self.waiter = None
        # An answer that came before its request was out leaves the rest of that in the way.
        if (
            not self.alive
            or reply is None
            or not (reply.ended and reply.reusable)
            or self._transport is None
            or self._transport.get_write_buffer_size()
        ):
            return False
        self.relax()
        return True

    def fail(self, fault: TransportFault) -> None:
        """Close the socket at once; whoever reads gets the fault after what has come before."""
        if self._fault is None:
            self._fault = fault
        self.abort()
        self._wake()

    def abort(self) -> None:
        """Close the socket at once, without waiting for what is unsent."""
        self.alive = False
        self._ended = True
        if self._transport is not None:
            self._transport.abort()
