"""An outbound proxy as firms have them, on a real socket: tunnels, and plain http passed on."""

from __future__ import annotations

import asyncio
import base64
from contextlib import suppress
from typing import Self

_BLOCK = 65_536


class ForwardProxy:
    """Passes on what it is asked to, and notes it.

    Args:
        hosts: by the host that it is asked for, the `host:port` where that is.
        user: `user:password` that it wants; empty: nobody needs one.
        refusal: the status that it answers everything with; 0: it does not refuse.

    Attributes:
        port: where it listens on 127.0.0.1, once it was entered.
        heads: of the requests, as they came.
        open: how many connections it has just now.
        refusal: may be changed.
    """

    def __init__(
        self, hosts: dict[str, str] | None = None, *, user: str = "", refusal: int = 0
    ) -> None:
        self.port = 0
        self.heads: list[bytes] = []
        self.open = 0
        self.refusal = refusal
        self._hosts = hosts or {}
        self._wanted = b"Basic " + base64.b64encode(user.encode()) if user else b""
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """Return its setting, without a user."""
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._attend, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more, and cut what is open."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            self.open -= 1
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head)
        status = self.refusal
        if self._wanted and b"\r\nProxy-Authorization: %b\r\n" % self._wanted not in head:
            status = 407
        method, target, _ = head.split(b"\r\n")[0].decode().split(" ")
        if status:
            writer.write(
                f"HTTP/1.1 {status} No\r\nconnection: close\r\ncontent-length: 2\r\n\r\nno".encode()
            )
            await writer.drain()
            await reader.read()
            return
        place = target if method == "CONNECT" else target.split("/")[2]
        host, _, port = self._hosts.get(place.rpartition(":")[0], place).rpartition(":")
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
        except OSError:
            writer.write(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            await writer.drain()
            return
        try:
            if method == "CONNECT":
                writer.write(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n")
            else:
                far_writer.write(_as_origin_form(head, place))
            ways = (
                asyncio.ensure_future(_pump(reader, far_writer)),
                asyncio.ensure_future(_pump(far_reader, writer)),
            )
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)
        finally:
            far_writer.transport.abort()


def _as_origin_form(head: bytes, place: str) -> bytes:
    """Return a request for a proxy as the server gets it (RFC 9112 §3.2.2)."""
    line, *fields = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    line = line.replace(f"http://{place}".encode(), b"", 1)
    dropped = (b"host:", b"proxy-authorization:")
    kept = [field for field in fields if not field.lower().startswith(dropped)]
    return b"\r\n".join((line, f"Host: {place}".encode(), *kept, b"", b""))


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Carry bytes one way until an end closes."""
    with suppress(ConnectionError):
        while data := await reader.read(_BLOCK):
            writer.write(data)
            await writer.drain()
