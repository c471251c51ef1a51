"""A provider that answers every chat with the bytes it is told, for what the sandbox never does."""

from __future__ import annotations

import asyncio
import json
from typing import Self

_LIST = json.dumps({"object": "list", "data": [{"id": "crude", "object": "model"}]}).encode()


class CrudeProvider:
    """Lists one model, `crude`, and repeats one answer.

    Args:
        status: of the HTTP response to a chat.
        body: of it.
        content_type: of it.

    Attributes:
        base_url: where it is, once it was entered.
        body: can be changed between chats.
        heads: the request heads of chats, as they came.
        sent: how many answers to chats went out whole.
        cut: how many could not, since the client had left.
    """

    def __init__(self, status: int, body: bytes, content_type: str = "application/json") -> None:
        self.base_url = ""
        self.body = body
        self.heads: list[bytes] = []
        self.sent = self.cut = 0
        self._status = status
        self._content_type = content_type
        self._server: asyncio.Server

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.base_url = f"http://127.0.0.1:{port}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more."""
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close."""
        asked = await reader.readuntil(b"\r\n\r\n")
        is_chat = not asked.startswith(b"GET")
        status, content_type, body = 200, "application/json", _LIST
        if is_chat:
            self.heads.append(asked)
            length = int(asked.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
            await reader.readexactly(length)
            status, content_type, body = self._status, self._content_type, self.body
        head = (
            f"HTTP/1.1 {status} Said\r\ncontent-type: {content_type}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        try:
            writer.write(head.encode() + body)
            await writer.drain()
            self.sent += is_chat
        except ConnectionError:
            self.cut += 1
        writer.close()
