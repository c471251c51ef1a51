"""A provider that a test writes byte by byte: a raw server on a real socket."""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import struct
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

import httpx

from trunkline.inference.outgoing import Request
from trunkline.inference.transport import Exchange, Transport

LIMIT_S = 10.0
"""What is waited for in a test comes well within it, or the test has failed."""


class Peer:
    """One connection, as the provider sees it.

    Args:
        reader: what the client sends.
        writer: what it gets.

    Attributes:
        requests: what came, one entry per request, head and body.
        left_at: `time.monotonic()` when the client's end of the connection was seen.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.requests: list[bytes] = []
        self.left_at: float | None = None

    async def receive_head(self) -> bytes:
        """Return the head of the next request, and leave its body where it is."""
        return await self._reader.readuntil(b"\r\n\r\n")

    async def receive(self) -> bytes:
        """Return the next request.

        Raises:
            asyncio.IncompleteReadError: the client has gone.
        """
        head = await self.receive_head()
        length = re.search(rb"\r\ncontent-length: (\d+)\r\n", head)
        body = await self._reader.readexactly(int(length[1]) if length else 0)
        self.requests.append(head + body)
        return head + body

    def write(self, data: bytes) -> None:
        """Write without waiting."""
        self._writer.write(data)

    async def write_apart(self, *pieces: bytes) -> None:
        """Write pieces so that the client most likely reads them one by one."""
        for piece in pieces:
            self._writer.write(piece)
            for _ in range(3):
                await asyncio.sleep(0)

    async def drain(self) -> None:
        """Wait until the client has taken most of what was written."""
        await self._writer.drain()

    async def see_leave(self) -> None:
        """Wait until the client has closed the connection, in order or by reset."""
        with suppress(ConnectionError):
            while await self._reader.read(65_536):
                pass
        self.left_at = time.monotonic()

    async def left(self) -> float:
        """Wait until the client has gone; return when that was seen."""
        await until(lambda: self.left_at)
        assert self.left_at is not None
        return self.left_at

    def close(self) -> None:
        """Close in order."""
        self._writer.close()

    def reset(self) -> None:
        """Close by reset."""
        # Lingering for 0 seconds turns a close into a reset.
        self._writer.get_extra_info("socket").setsockopt(
            socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
        )
        self._writer.transport.abort()


Script: TypeAlias = Callable[[Peer], Awaitable[None]]


class Provider:
    """A running server.

    Args:
        script: what it does on each connection, which stays open after it.

    Attributes:
        script: may be exchanged; counts for the next connection.
        peers: the connections so far, in their order.
        host: what it listens on.
        port: the same.
    """

    def __init__(self, script: Script) -> None:
        self.script = script
        self.peers: list[Peer] = []
        self.host = "127.0.0.1"
        self.port = 0
        self.scheme = "http"
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    @property
    def requests(self) -> list[bytes]:
        """Return all requests that came, connection by connection."""
        return [request for peer in self.peers for request in peer.requests]

    def url(self, path: str = "/v1/chat", *, host: str | None = None) -> str:
        """Return an address of this server, by another name of it where one is given."""
        return f"{self.scheme}://{host or self.host}:{self.port}{path}"

    async def open(self, host: str, port: int, tls: ssl.SSLContext | None) -> None:
        """Begin to serve."""
        self._server = await asyncio.start_server(self._attend, host, port, ssl=tls)
        self.host = host
        self.port = self._server.sockets[0].getsockname()[1]
        self.scheme = "http" if tls is None else "https"

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer)
        self.peers.append(peer)
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(asyncio.IncompleteReadError, ConnectionError):
                await self.script(peer)
            # Left open: whether it is closed is the client's to decide, or the test's.
            await peer.see_leave()
        except asyncio.CancelledError:
            pass  # the test is over
        finally:
            writer.transport.abort()

    async def aclose(self) -> None:
        """Stop, and close all connections."""
        assert self._server is not None
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        # The sockets close in the turns that follow.
        for _ in range(3):
            await asyncio.sleep(0)


@asynccontextmanager
async def serve(
    script: Script,
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    tls: ssl.SSLContext | None = None,
) -> AsyncIterator[Provider]:
    """Run a provider.

    Args:
        script: what it does on each connection.
        host: the address it listens on.
        port: 0: any that is free.
        tls: certificate and key; None: plain http.
    """
    provider = Provider(script)
    await provider.open(host, port, tls)
    try:
        yield provider
    finally:
        await provider.aclose()


def answer(*pieces: bytes) -> Script:
    """Return a script that answers each request with the same pieces of bytes."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.receive()
            await peer.write_apart(*pieces)

    return script


def whole(body: bytes, *fields: bytes, status: bytes = b"200 OK") -> bytes:
    """Return a reply with a length."""
    lines = (b"HTTP/1.1 " + status, b"content-length: %d" % len(body), *fields, b"", b"")
    return b"\r\n".join(lines) + body


def chunked(*parts: bytes) -> bytes:
    """Return a reply in chunks, with its end."""
    return CHUNKED_HEAD + b"".join(chunk(part) for part in parts) + LAST_CHUNK


def chunk(data: bytes) -> bytes:
    """Return one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


CHUNKED_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ntransfer-encoding: chunked\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"


async def post(
    transport: Transport,
    url: str,
    body: bytes = b"{}",
    *,
    connect_s: float = LIMIT_S,
    within_s: float = LIMIT_S,
) -> Exchange:
    """Open an exchange with the time limits that suit a test."""
    asked = httpx.Request("POST", url, content=body, headers={"accept-encoding": "identity"})
    deadline = asyncio.get_running_loop().time() + within_s
    request = await Request.read(asked)
    return await transport.open(request, connect_s=connect_s, deadline=deadline)


async def get(transport: Transport, url: str) -> bytes:
    """Return the body of a reply, whose exchange is closed."""
    exchange = await post(transport, url)
    try:
        return await exchange.read_all(2**24)
    finally:
        exchange.close()


async def until(condition: Callable[[], object], limit_s: float = LIMIT_S) -> None:
    """Wait until something is so.

    Raises:
        TimeoutError: it did not come to be.
    """
    async with asyncio.timeout(limit_s):
        while not condition():
            await asyncio.sleep(0.001)


class Names:
    """A resolver that answers for DNS, and notes what it was asked.

    Args:
        answers: per name the addresses of each asking in its turn; the last ones stay.
    """

    def __init__(self, **answers: Sequence[Sequence[str]]) -> None:
        self._answers = {name: list(turns) for name, turns in answers.items()}
        self.asked: list[tuple[str, socket.AddressFamily]] = []

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Return the addresses of a name, `.local` or `.test` left out in `answers`."""
        self.asked.append((host, family))
        turns = self._answers.get(host.split(".")[0], [])
        if not turns:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return turns.pop(0) if len(turns) > 1 else turns[0]
