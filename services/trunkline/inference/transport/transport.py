"""The transport: opens an exchange per request, over connections that are kept by origin."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Final

import httpx

from trunkline.inference.outgoing import Origin, Request
from trunkline.inference.transport.connector import Connector
from trunkline.inference.transport.exchange import Exchange
from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    Silent,
    TransportFault,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.grain import TICK_S
from trunkline.inference.transport.pool import Pool
from trunkline.inference.transport.proxy import Proxy
from trunkline.inference.transport.request import compose
from trunkline.inference.transport.resolver import Resolver, resolve_by_system
from trunkline.inference.transport.response import read_patience, respond, translate

_CLOSE_LIMIT_S: Final = 1.0
_STALE_S: Final = 1.0
"""What a server that closed a kept connection takes at most to say so to whoever uses it again: a
round trip. One that takes longer may have been at work on the request."""


class Transport(httpx.AsyncBaseTransport):
    """HTTP/1.1 to providers, of one event loop.

    Follows no redirect, and takes neither proxy nor certificates from the environment.

    Args:
        connections_per_origin: most connections to one scheme, host and port; who comes then waits
            in line.
        idle_connection_s: how long a connection is kept that nobody uses.
        extra_ca: file of certificates in PEM that are trusted besides certifi's.
        private_allowed: whether addresses of this machine and of private networks may be asked.
        resolve: asked for the addresses of a name; None: the system.
        proxy: by way of which servers are asked; None: directly.

    Raises:
        OSError: `extra_ca` cannot be read or holds no certificate.
    """

    def __init__(
        self,
        *,
        connections_per_origin: int = 256,
        idle_connection_s: float = 60.0,
        extra_ca: Path | None = None,
        private_allowed: bool = True,
        resolve: Resolver | None = None,
        proxy: Proxy | None = None,
    ) -> None:
        self._limit = connections_per_origin
        self._idle_s = idle_connection_s
        self._connector = Connector(
            extra_ca=extra_ca,
            private_allowed=private_allowed,
            resolve=resolve or resolve_by_system,
            proxy=proxy,
        )
        self._pools: dict[Origin, Pool] = {}
        self._closed = False

    async def open(self, request: Request, *, connect_s: float, deadline: float) -> Exchange:
        """Send a request and wait for the head of its reply.

        Args:
            request: what is sent; `Accept-Encoding: identity` is for the caller to say.
            connect_s: how long a connection may take, the wait for a place, the name, the address
                and TLS together.
            deadline: the loop's time until which the head must be there; also the first deadline
                of the exchange. Infinity is without limit.

        Returns:
            The exchange, which the caller closes.

        Raises:
            Unsendable: the request cannot be put into HTTP/1.1.
            AddressForbidden: the address may not be asked.
            NoPlace: no connection became free in time.
            Unreachable: there was no answer.
            Silent: the deadline passed first.
            Broken: what came is no head of HTTP/1.1, or its body is compressed.
        """
        exchange = await self._open(request, connect_s, deadline, math.inf)
        if exchange.encoded:
            exchange.close()
            raise Broken(BrokenReason.ENCODED)
        return exchange

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request for httpx, whose timeouts hold and which decodes what is compressed.

        Raises:
            httpx.TransportError: the class by which httpx names what went wrong; the fault is its
                cause.
        """
        patience = read_patience(request)
        try:
            read = await Request.read(request)
            exchange = await self._open(read, patience.connect_s, math.inf, patience.read_s)
        except TransportFault as fault:
            raise translate(fault, request) from fault
        return respond(exchange, request, patience.read_s)

    async def _open(
        self, request: Request, connect_s: float, deadline: float, head_s: float
    ) -> Exchange:
        """Open an exchange; `head_s` bounds the wait for the head from the connection on."""
        message = compose(request)
        origin = request.place.origin
        pool = self._pools.get(origin) or self._add_pool(origin)
        loop = asyncio.get_running_loop()
        if loop.time() >= deadline:
            raise Silent(head_received=False)
        try:
            until = min(loop.time() + connect_s, deadline)
            kept = await pool.take(until)
            try:
                connection = kept or await self._connector.connect(origin, pool, until)
            except BaseException:
                pool.vacate()
                raise
            exchange = Exchange(
                connection,
                pool,
                min(loop.time() + head_s, deadline),
                head_only=request.method == "HEAD",
            )
            try:
                stale_until = loop.time() + _STALE_S
                try:
                    await exchange.send(message)
                except Unreachable:
                    # A server may close a kept connection just when it is used again. A request
                    # goes out twice only then: the connection was kept, and died without a byte of
                    # a reply. It is not the server's word that nothing was done, but the best that
                    # HTTP/1.1 gives (RFC 9112 §9.3.1), and such a request is as a rule unread.
                    if kept is None or exchange.answered or loop.time() > stale_until:
                        raise
                    until = min(loop.time() + connect_s, deadline)
                    exchange.move(await self._connector.connect(origin, pool, until))
                    await exchange.send(message)
            except BaseException:
                exchange.close()
                raise
        except Unreachable as fault:
            # A want of places is this side's, whichever limit passed: the server was not asked.
            if fault.reason is UnreachableReason.TIMEOUT and loop.time() + TICK_S >= deadline:
                raise Silent(head_received=False) from None
            raise
        return exchange

    def _add_pool(self, origin: Origin) -> Pool:
        if self._closed:
            raise Unreachable(UnreachableReason.CLOSED)
        # New origins are rare; that is when those that nobody asks any more are let go.
        for known, pool in list(self._pools.items()):
            if pool.unused:
                del self._pools[known]
        pool = self._pools[origin] = Pool(self._limit, self._idle_s)
        return pool

    async def aclose(self) -> None:
        """Close all connections at once, those in use too; nothing can be opened any more."""
        self._closed = True
        connections = [found for pool in self._pools.values() for found in pool.connections]
        for pool in self._pools.values():
            pool.close()
        self._connector.close()
        if connections:
            lost = [connection.lost for connection in connections]
            await asyncio.wait(lost, timeout=_CLOSE_LIMIT_S)
