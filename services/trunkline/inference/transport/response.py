"""The same exchanges for httpx: its timeouts, its responses, its exceptions.

Source: https://www.python-httpx.org/advanced/transports/ and .../advanced/extensions/.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Final

import httpx

from trunkline.inference.transport.exchange import Exchange
from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    Silent,
    TransportFault,
    Unreachable,
    UnreachableReason,
    Unsendable,
)

_MAX_BODY: Final = 64 * 1024 * 1024
"""httpx gathers a body without a bound of its own."""

_UNREACHABLE: Final[dict[UnreachableReason, type[httpx.TransportError]]] = {
    UnreachableReason.TIMEOUT: httpx.ConnectTimeout,
    UnreachableReason.POOL_FULL: httpx.PoolTimeout,
    UnreachableReason.RESET: httpx.RemoteProtocolError,
    UnreachableReason.PROXY: httpx.ProxyError,
}
_BROKEN: Final[dict[BrokenReason, type[httpx.TransportError]]] = {
    BrokenReason.RESET: httpx.ReadError,
    BrokenReason.CLOSED: httpx.ReadError,
}


@dataclass(frozen=True, slots=True)
class Patience:
    """How long httpx waits.

    Attributes:
        connect_s: for a place in the pool and the connection.
        read_s: for the head, and for each part of the body.
    """

    connect_s: float
    read_s: float


def read_patience(request: httpx.Request) -> Patience:
    """Return the timeouts that httpx put beside a request; what it left out is without limit.

    `pool` counts with `connect`, the shorter one for both; `write` is not counted, since nothing
    waits for writing.
    """
    timeout = request.extensions.get("timeout", {})
    connect, pool, read = (
        math.inf if timeout.get(name) is None else float(timeout[name])
        for name in ("connect", "pool", "read")
    )
    return Patience(min(connect, pool), read)


def translate(fault: TransportFault, request: httpx.Request) -> httpx.TransportError:
    """Return the exception by which httpx says what a fault says."""
    kind: type[httpx.TransportError]
    match fault:
        case Unsendable():
            kind = httpx.LocalProtocolError
        case Silent():
            kind = httpx.ReadTimeout
        case Unreachable():
            kind = _UNREACHABLE.get(fault.reason, httpx.ConnectError)
        case _:
            assert isinstance(fault, Broken)
            kind = _BROKEN.get(fault.reason, httpx.RemoteProtocolError)
    return kind(fault.message, request=request)


class Body(httpx.AsyncByteStream):
    """The body of an exchange, as httpx reads it.

    Args:
        exchange: closed when the body has ended or httpx closes the response.
        request: named in exceptions.
        read_s: how long each part may take.
    """

    def __init__(self, exchange: Exchange, request: httpx.Request, read_s: float) -> None:
        self._exchange = exchange
        self._request = request
        self._read_s = read_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        loop = asyncio.get_running_loop()
        exchange = self._exchange
        left = _MAX_BODY
        try:
            while True:
                exchange.deadline = loop.time() + self._read_s
                part = await exchange.read()
                if not part:
                    return
                left -= len(part)
                if left < 0:
                    raise Broken(BrokenReason.TOO_LARGE)
                yield part
        except TransportFault as fault:
            raise translate(fault, self._request) from fault
        finally:
            exchange.close()

    async def aclose(self) -> None:
        """Close the exchange."""
        self._exchange.close()


def respond(exchange: Exchange, request: httpx.Request, read_s: float) -> httpx.Response:
    """Return an exchange whose head has come as httpx's response."""
    return httpx.Response(
        exchange.status,
        headers=exchange.headers,
        stream=Body(exchange, request, read_s),
        extensions={"http_version": b"HTTP/1.1"},
        request=request,
    )
