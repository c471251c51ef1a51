"""A client on a bare socket, which shows what a client library hides: how a response ended."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from enum import Enum
from typing import Any
from urllib.parse import urlsplit

import httptools

from trunkline.sandbox.server import Sandbox

HELLO = [{"role": "user", "content": "Hello there"}]

LIMIT = 10.0
"""Longest wait of a test for something that has to come, in seconds."""


class End(Enum):
    """How a response ended."""

    COMPLETE = "complete"
    CLOSED = "closed"
    RESET = "reset"
    SILENT = "silent"


@dataclass(slots=True)
class Reply:
    """One response as it came."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    raw: bytes = b""
    end: End = End.SILENT

    @property
    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)

    @property
    def frames(self) -> list[str]:
        """Return the data of each whole frame of an event stream, comments left out."""
        frames = [part for part in self.body.split(b"\n\n")[:-1] if not part.startswith(b":")]
        assert all(frame.startswith(b"data: ") for frame in frames)
        return [frame.removeprefix(b"data: ").decode() for frame in frames]

    @property
    def comments(self) -> int:
        """Return how many frames say nothing."""
        return sum(part.startswith(b":") for part in self.body.split(b"\n\n"))

    @property
    def chunks(self) -> list[Any]:
        """Return the decoded frames, the terminator left out."""
        return [json.loads(frame) for frame in self.frames if frame != "[DONE]"]

    @property
    def deltas(self) -> list[dict[str, Any]]:
        """Return the deltas that hold content, without the first one, which holds the role."""
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        deltas = [choice["delta"] for choice in choices]
        return [delta for delta in deltas if delta and "role" not in delta]

    @property
    def text(self) -> str:
        """Return the text of a stream."""
        return "".join(delta.get("content") or "" for delta in self.deltas)

    @property
    def finish_reasons(self) -> list[str]:
        """Return the finish reasons that a stream gave."""
        choices = [choice for chunk in self.chunks for choice in chunk.get("choices", ())]
        return [choice["finish_reason"] for choice in choices if choice["finish_reason"]]


class _Collector:
    """Take what httptools reads of a response."""

    def __init__(self) -> None:
        self.reply = Reply()
        self.parser = httptools.HttpResponseParser(self)
        self.done = False

    def on_header(self, name: bytes, value: bytes) -> None:
        self.reply.headers[name.decode().lower()] = value.decode()

    def on_body(self, body: bytes) -> None:
        self.reply.body += body

    def on_message_complete(self) -> None:
        self.reply.status = self.parser.get_status_code()
        self.done = True


class Line:
    """One open connection to a sandbox."""

    def __init__(self, connection: socket.socket) -> None:
        self.socket = connection
        self._loop = asyncio.get_running_loop()

    async def send(self, data: bytes) -> None:
        """Send bytes."""
        async with asyncio.timeout(LIMIT):
            await self._loop.sock_sendall(self.socket, data)

    async def receive(self, limit: float = LIMIT) -> bytes:
        """Receive what is there; empty at the end of the connection."""
        async with asyncio.timeout(limit):
            return await self._loop.sock_recv(self.socket, 65_536)

    async def reply(self, silence: float = LIMIT) -> Reply:
        """Receive one response, until it ends or nothing comes for `silence` seconds."""
        collector = _Collector()
        reply = collector.reply
        while not collector.done:
            try:
                data = await self.receive(silence)
            except TimeoutError:
                reply.end = End.SILENT
                break
            except ConnectionResetError:
                reply.end = End.RESET
                break
            if not data:
                reply.end = End.CLOSED
                break
            reply.raw += data
            collector.parser.feed_data(data)
        else:
            reply.end = End.COMPLETE
        if b"\r\n" in reply.raw:
            reply.status = collector.parser.get_status_code()
        return reply


@asynccontextmanager
async def connect(sandbox: Sandbox) -> AsyncIterator[Line]:
    """Open a connection and close it at the end."""
    place = urlsplit(sandbox.base_url)
    with socket.socket() as connection:
        connection.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connection, (place.hostname, place.port))
        yield Line(connection)


def request(
    method: str,
    path: str,
    *,
    key: str | None = "sandbox-key",
    body: bytes = b"",
    headers: dict[str, str] | None = None,
) -> bytes:
    """Write a request; without a key it has no authorisation but what the headers say."""
    bearer = {} if key is None else {"authorization": f"Bearer {key}"}
    fields = {"host": "sandbox", **bearer, **(headers or {})}
    if body and "transfer-encoding" not in fields:
        fields.setdefault("content-length", str(len(body)))
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body


def chat(model: str, *, key: str = "sandbox-key", **fields: Any) -> bytes:
    """Write a chat request that asks for a stream unless it says otherwise."""
    asked = {"model": model, "messages": HELLO, "stream": True, **fields}
    return request("POST", "/v1/chat/completions", key=key, body=json.dumps(asked).encode())


async def ask(
    sandbox: Sandbox, model: str, *, silence: float = LIMIT, key: str = "sandbox-key", **fields: Any
) -> Reply:
    """Ask for one chat on a connection of its own."""
    async with connect(sandbox) as line:
        await line.send(chat(model, key=key, **fields))
        return await line.reply(silence)
