"""The reading of one reply of HTTP/1.1: bytes in, head and body out; no sockets, no time.

Source: RFC 9112. The grammar is httptools' (llhttp in its strict mode: a length beside chunks, two
lengths, folded headers and bare line feeds are refused).
"""

from __future__ import annotations

from typing import Final

import httptools

from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    Unreachable,
    UnreachableReason,
)

MAX_HEAD: Final = 64 * 1024
"""The longest response head in bytes, interim responses included; also the longest run of bytes in
the body that hold nothing of it, such as trailers and extensions of chunks."""


class _Stop(Exception):
    """Ends the parsing of what came; the parser swallows it."""


class Reply:
    """The reading of one reply; an object with a life, one per request.

    Args:
        head_only: the request was a HEAD: the reply ends with its head, whatever that says.

    Attributes:
        status: HTTP status, once `headed`.
        fields: name and value of the headers as they came, once `headed`; no trailers.
        parts: what of the body has come and was not taken.
        begun: a byte has come.
        headed: the head has come.
        ended: the body has come to its proper end.
        reusable: the connection may carry another request, once `ended`.
    """

    __slots__ = (
        "_barren",
        "_head_only",
        "_parser",
        "_refusal",
        "begun",
        "ended",
        "fields",
        "headed",
        "on_body",
        "parts",
        "reusable",
        "status",
    )

    def __init__(self, *, head_only: bool = False) -> None:
        self.status = 0
        self.fields: list[tuple[bytes, bytes]] = []
        self.parts: list[bytes] = []
        self.begun = False
        self.headed = False
        self.ended = False
        self.reusable = False
        self._head_only = head_only
        self._barren = 0
        self._refusal = BrokenReason.MALFORMED
        # The parser is handed the list's own method: a chunk then costs no call into Python.
        self.on_body = self.parts.append
        # The parser holds methods of this object, a circle; it is broken wherever reading ends.
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)

    def feed(self, data: bytes) -> None:
        """Read the next bytes, cut anywhere.

        Raises:
            Broken: `MALFORMED`; `ENCODED` for a transfer coding other than chunked; `TOO_LARGE`
                for more than `MAX_HEAD` bytes that bring nothing of the body.
        """
        parser = self._parser
        if parser is None:
            self.reusable = False  # bytes after the end: nobody knows whose they are
            return
        self.begun = True
        known = len(self.parts)
        try:
            if self.headed:
                parser.feed_data(data)
            else:
                self._feed_head(parser, data)
        except Broken:
            self._parser = None
            raise
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._parser = None
            if not self.ended:
                raise Broken(self._refusal) from None
            self.reusable = False
            return
        if len(self.parts) > known:
            self._barren = 0
        elif not self.ended:
            self._barren += len(data)
            if self._barren > MAX_HEAD:
                self._parser = None
                raise Broken(BrokenReason.TOO_LARGE)

    def _feed_head(self, parser: httptools.HttpResponseParser, data: bytes) -> None:
        """Read bytes that may hold the end of the head, and no more of them than it may have."""
        left = MAX_HEAD - self._barren
        parser.feed_data(data[:left])
        if not self.headed and len(data) > left:
            raise Broken(BrokenReason.TOO_LARGE)
        if len(data) > left:
            parser.feed_data(data[left:])

    def end(self) -> None:
        """Take note that the server has closed the connection in order.

        Raises:
            Unreachable: before the head was whole.
            Broken: `CUT`, before the body was whole. A body without length and chunks is whole just
                then (RFC 9112 §6.3).
        """
        self._parser = None
        if self.ended:
            return
        if not self.headed:
            raise Unreachable(UnreachableReason.RESET)
        if self.values(b"content-length") or self.values(b"transfer-encoding"):
            raise Broken(BrokenReason.CUT)
        self.ended = True

    def take(self) -> bytes:
        """Return what of the body has come since the last time, joined."""
        parts = self.parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        return data

    def discard(self) -> None:
        """Read no further, and let go of what was read."""
        self._parser = None
        self.parts.clear()

    def values(self, name: bytes) -> list[bytes]:
        """Return the values of the headers of a name, which is given in lower case."""
        size = len(name)
        return [
            value for known, value in self.fields if len(known) == size and known.lower() == name
        ]

    # httptools calls these as it parses; what they raise comes out of it as a parser's error.

    def on_message_begin(self) -> None:
        """Begin a head: an interim response's or the reply's own."""
        if self.ended:
            raise _Stop

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header. Trailers are dropped, as RFC 9110 §6.5.1 allows."""
        if not self.headed:
            self.fields.append((name, value))

    def on_headers_complete(self) -> None:
        """End a head."""
        parser = self._parser
        assert parser is not None
        status = parser.get_status_code()
        if status < 100:
            raise _Stop
        if status < 200:
            return
        # The parser would hand out what "gzip, chunked" holds as if it were the body.
        if any(coding.lower() != b"chunked" for coding in self.values(b"transfer-encoding")):
            self._refusal = BrokenReason.ENCODED
            raise _Stop
        self.status = status
        self.headed = True
        self.reusable = parser.should_keep_alive()
        if self._head_only:
            self._finish()
            # Whether the server sends a body all the same cannot be told from here.
            raise _Stop

    def on_message_complete(self) -> None:
        """End a body, or an interim response (RFC 9110 §15.2), which nobody asked for."""
        if self.headed:
            self._finish()
        else:
            self.fields.clear()

    def _finish(self) -> None:
        self.ended = True
        self._parser = None
