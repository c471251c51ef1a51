"""A bare HTTP/1.1 client: asyncio.Protocol and httptools, connections kept and used again.

It is the bench's way (a), straight to the stand-in, and an experiment: what a transport can cost
at least in Python. It hands on all that came since its reader looked last as one piece of bytes,
whatever chunks the body came in, and stops reading while more than 64 KiB wait.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Final, TypeAlias, cast

import httptools

Origin: TypeAlias = tuple[str, int]

_HIGH_WATER_BYTES: Final = 65_536


class ExchangeFailed(Exception):
    """The connection ended before its reply did, or the reply was not HTTP."""


class _Connection(asyncio.Protocol):
    """One connection; at most one exchange at a time."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._waiter: asyncio.Future[None] | None = None
        self._parts: list[bytes] = []
        self._waiting_bytes = 0
        self._paused = False
        self._headed = False
        self._ended = False
        self._failure: str | None = None
        self._parser = httptools.HttpResponseParser(self)
        self.status = 0
        self.reads = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # A cast and no check: uvloop's transports are not derived from asyncio's.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.reads += 1
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(str(error))
            return
        self._waiting_bytes += len(data)
        if self._waiting_bytes > _HIGH_WATER_BYTES and not self._paused:
            assert self._transport is not None
            self._transport.pause_reading()
            self._paused = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail("the connection ended")

    # httptools.HttpResponseParser

    def on_headers_complete(self) -> None:
        self.status = self._parser.get_status_code()
        self._headed = True

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        self._ended = True

    def _wake(self) -> None:
        waiter = self._waiter
        if waiter is not None and not waiter.done():
            waiter.set_result(None)

    def _fail(self, reason: str) -> None:
        self._failure = self._failure or reason
        self.close()
        self._wake()

    async def _wait(self) -> None:
        if self._failure is not None:
            raise ExchangeFailed(self._failure)
        self._waiter = self._loop.create_future()
        await self._waiter

    async def send(self, request: bytes) -> None:
        """Send a request and wait for the head of its reply."""
        assert self._transport is not None
        self._parser = httptools.HttpResponseParser(self)
        self._headed = self._ended = False
        self._transport.write(request)
        while not self._headed:
            await self._wait()

    async def read(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""
        parts = self._parts
        while True:
            if parts:
                piece = parts[0] if len(parts) == 1 else b"".join(parts)
                parts.clear()
                self._waiting_bytes = 0
                yield piece
                continue
            if self._ended:
                return
            if self._paused:
                assert self._transport is not None
                self._transport.resume_reading()
                self._paused = False
            await self._wait()

    @property
    def reusable(self) -> bool:
        """Return whether another request may be sent."""
        return self._ended and self._failure is None and self._parser.should_keep_alive()

    def close(self) -> None:
        """Close the connection."""
        if self._transport is not None:
            self._transport.close()


class Exchange:
    """One request and its reply.

    Attributes:
        status: the reply's status.
    """

    def __init__(self, connection: _Connection, idle: list[_Connection]) -> None:
        self._connection = connection
        self._idle = idle
        self._reads_before = connection.reads
        self.status = connection.status

    def read(self) -> AsyncIterator[bytes]:
        """Return the body, in pieces as it comes."""
        return self._connection.read()

    @property
    def reads(self) -> int:
        """Return how often the socket was read for this reply's body so far."""
        return self._connection.reads - self._reads_before

    def close(self) -> None:
        """Give the connection back, or close it when the reply was not read to its end."""
        if self._connection.reusable:
            self._idle.append(self._connection)
        else:
            self._connection.close()


class DirectClient:
    """Sends requests, over connections that it keeps by origin."""

    def __init__(self) -> None:
        self._idle: dict[Origin, list[_Connection]] = defaultdict(list)

    async def exchange(self, origin: Origin, request: bytes) -> Exchange:
        """Send a request, as bytes of HTTP/1.1, and return its reply once its head is here.

        Raises:
            ExchangeFailed: the connection ended before.
            OSError: the origin cannot be reached.
        """
        idle = self._idle[origin]
        if idle:
            connection = idle.pop()
        else:
            loop = asyncio.get_running_loop()
            _, connection = await loop.create_connection(_Connection, *origin)
        await connection.send(request)
        return Exchange(connection, idle)

    def close(self) -> None:
        """Close the connections that are not in use."""
        for idle in self._idle.values():
            for connection in idle:
                connection.close()
            idle.clear()


def compose_request(origin: Origin, body: bytes, key: str) -> bytes:
    """Return a request for a chat, as bytes of HTTP/1.1."""
    return (
        f"POST /v1/chat/completions HTTP/1.1\r\nhost: {origin[0]}:{origin[1]}\r\n"
        f"authorization: Bearer {key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    ).encode() + body
