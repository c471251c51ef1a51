"""A tunnel through a proxy: from a socket to the proxy to a secure connection to the server.

Source: RFC 9110 §9.3.6.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast

from trunkline.inference.transport.connection import Connection, Home
from trunkline.inference.transport.faults import (
    TransportFault,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.proxy import Proxy
from trunkline.inference.transport.reply import Reply
from trunkline.kernel.address import BaseUrl


class Digger(asyncio.Protocol):
    """The socket to a proxy until the tunnel stands; then the connection takes its place.

    Attributes:
        transport: of the socket, once it is made.
        answered: done when the proxy's answer has come; its result is the status.
    """

    def __init__(self) -> None:
        # A reply to CONNECT ends with its head (RFC 9112 §6.3).
        self._reply = Reply(head_only=True)
        self.transport: asyncio.Transport | None = None
        self.answered: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        # A cast and no check: uvloop's transports do not derive from asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Read the answer. The server's TLS does not speak first: nothing belongs behind it."""
        if self.answered.done():
            return
        try:
            self._reply.feed(data)
        except TransportFault:
            self._fail("The outbound proxy's answer is not HTTP/1.1.")
            return
        if self._reply.headed:
            self.answered.set_result(self._reply.status)

    def connection_lost(self, exc: Exception | None) -> None:
        """Take note that the socket is closed."""
        self._fail("The outbound proxy closed the connection before it answered.")

    async def dig(self, proxy: Proxy, url: BaseUrl) -> None:
        """Ask the proxy for a tunnel to a URL's host, and wait until it stands.

        Raises:
            Unreachable: `PROXY`: there is none.
        """
        assert self.transport is not None
        self.transport.write(proxy.ask_for(url))
        status = await self.answered
        if not 200 <= status < 300:
            raise proxy.refusal(status)

    async def secure(self, url: BaseUrl, tls: ssl.SSLContext, home: Home) -> Connection:
        """Make a secure connection to the server at the other end of the tunnel.

        Raises:
            OSError: the server leaves, does not speak TLS, or is another (`ssl.SSLError`).
        """
        assert self.transport is not None
        connection = Connection(home)
        transport = await asyncio.get_running_loop().start_tls(
            self.transport, connection, tls, server_hostname=url.host
        )
        if transport is None:
            raise ConnectionResetError
        # `start_tls` leaves this to its caller.
        connection.connection_made(transport)
        return connection

    def abort(self) -> None:
        """Close the socket at once, and all that stands on it."""
        if self.transport is not None:
            self.transport.abort()

    def _fail(self, sentence: str) -> None:
        if not self.answered.done():
            self.answered.set_exception(Unreachable(UnreachableReason.PROXY, sentence))
            # Looked at here, since nobody may wait any more: asyncio would complain of that.
            self.answered.exception()
