"""Responses of HTTP/1.1, written to a raw connection, whole or broken on purpose.

Source: RFC 9112. No `date` is sent, so that the same request always gets the same bytes.
"""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Sequence
from http import HTTPStatus
from typing import Final

from trunkline.sandbox.face import Document
from trunkline.sandbox.sightings import State

_PHRASES: Final = {status.value: status.phrase for status in HTTPStatus} | {529: "Overloaded"}
"""What stands behind each status; 529 is in no standard, and a vendor sends it."""


class Outlet:
    """Write one response.

    Args:
        writer: the connection.
        request_id: the request's id, which goes out in the header `request_id_header`.
        keep_alive: whether the connection stays open after a complete response.
        head_only: whether the request was a HEAD, to which no body is sent.
        write_seconds: most seconds to wait for a client that does not read.
    """

    def __init__(
        self,
        writer: asyncio.StreamWriter,
        *,
        request_id: str,
        keep_alive: bool,
        head_only: bool,
        write_seconds: float,
    ) -> None:
        self._writer = writer
        # So a drain waits for the last byte, and "written" means that the system has it.
        writer.transport.set_write_buffer_limits(high=0)
        self.request_id = request_id
        """The id under which the response goes out."""
        self.request_id_header: str | None = "x-request-id"
        """The header that holds the id; None for none."""
        self._head_only = head_only
        self._write_seconds = write_seconds
        self._chunked = False
        self._piece_bytes: int | None = None
        self.keep_alive = keep_alive
        """Whether the connection is to stay open."""
        self.state: State | None = None
        """How the response ended; None while it is under way."""

    def split(self, piece_bytes: int) -> None:
        """Write what follows in pieces of at most `piece_bytes` bytes, chunk framing included."""
        self._piece_bytes = piece_bytes

    async def begin(
        self,
        status: int,
        content_type: str,
        *,
        length: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Write the head.

        Args:
            status: HTTP status.
            content_type: of the body.
            length: bytes of the body; None for a chunked one.
            headers: further headers.
        """
        self._chunked = length is None
        framing = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
        lines = [
            f"HTTP/1.1 {status} {_PHRASES.get(status, '')}",
            f"content-type: {content_type}",
            framing,
            *(f"{name}: {value}" for name, value in headers),
        ]
        if self.request_id_header is not None:
            lines.append(f"{self.request_id_header}: {self.request_id}")
        if not self.keep_alive:
            lines.append("connection: close")
        self._writer.write("\r\n".join((*lines, "", "")).encode("latin-1"))
        await self._flush()

    async def send(self, data: bytes) -> None:
        """Write a part of the body at once, in one write; nothing for no bytes."""
        if data:
            await self._write(self._frame(data))

    async def end(self, data: bytes = b"") -> None:
        """Write the last part of the body and its end, in one write.

        A client that leaves when it has read the last part has thus always got a complete
        response.
        """
        framed = self._frame(data) if data else b""
        if self._chunked:
            framed += b"0\r\n\r\n"
        await self._write(framed, last=True)

    async def answer(self, document: Document) -> None:
        """Write a whole response."""
        length = len(document.body)
        await self.begin(
            document.status, document.content_type, length=length, headers=document.headers
        )
        await self.end(b"" if self._head_only else document.body)

    async def cut(self) -> None:
        """Close the connection in order, without the end of the response."""
        self.state = State.CUT
        self.keep_alive = False
        await self._flush()
        self._writer.close()

    async def reset(self) -> None:
        """Reset the connection (TCP RST) once what was written is on its way."""
        self.state = State.CUT
        self.keep_alive = False
        await self._flush()
        reset(self._writer)

    def _frame(self, data: bytes) -> bytes:
        return b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data

    async def _write(self, data: bytes, *, last: bool = False) -> None:
        size = self._piece_bytes or len(data) or 1
        for start in range(0, len(data), size):
            self._writer.write(data[start : start + size])
            if last and start + size >= len(data) and not self._unsent():
                # Noted before anything is awaited: the client may now leave at once.
                self.state = State.ANSWERED
            await self._flush()
        if last:
            self.state = State.ANSWERED

    def _unsent(self) -> int:
        """Return how many bytes the system has not taken yet."""
        return self._writer.transport.get_write_buffer_size()

    async def _flush(self) -> None:
        """Let others run; wait until the system has taken all that was written.

        Raises:
            TimeoutError: the client has not read for `write_seconds`.
            ConnectionError: it is gone.
        """
        if self._writer.transport.is_closing():
            raise ConnectionResetError
        if not self._unsent():
            await asyncio.sleep(0)
            return
        async with asyncio.timeout(self._write_seconds):
            await self._writer.drain()


def reset(writer: asyncio.StreamWriter) -> None:
    """Reset a connection (TCP RST); what was not yet sent is lost."""
    connection = writer.get_extra_info("socket")
    if connection is not None:
        # Lingering for 0 seconds turns the close into a reset.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
