"""Requests of HTTP/1.1, read from bytes within bounds.

Source: RFC 9112. The grammar is httptools'; what it does not bound is bounded here.
"""

from __future__ import annotations

from dataclasses import dataclass

import httptools

from trunkline.sandbox.faults import Refusal, Trouble


@dataclass(frozen=True, slots=True)
class Bounds:
    """Bound what one connection may cost.

    Args:
        head_bytes: longest request line with headers.
        body_bytes: longest request body.
        idle_seconds: longest wait for a byte of a request. Not scaled.
        write_seconds: longest wait for a client that does not read. Not scaled.
        linger_seconds: longest time in which the rest of a refused request is read and dropped,
            so that the client gets to read the refusal. Not scaled.
    """

    head_bytes: int = 64 * 2**10
    body_bytes: int = 32 * 2**20
    idle_seconds: float = 75.0
    write_seconds: float = 60.0
    linger_seconds: float = 1.0


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """Hold one whole request; it has no repr of its own, because headers hold keys.

    Args:
        method: as received, in capitals.
        target: path and query.
        headers: names in lower case and values, in the order received.
        body: its bytes, transfer coding removed.
        keep_alive: whether the client wants the connection to stay open.
    """

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    keep_alive: bool

    @property
    def path(self) -> str:
        """Return the target without its query."""
        return self.target.partition("?")[0]


class RequestReader:
    """Turn the bytes of a connection into requests; does no I/O.

    The `on_…` methods are httptools' callbacks. They note a refusal and do not raise it, because
    the parser would wrap it.
    """

    def __init__(self, bounds: Bounds) -> None:
        self._bounds = bounds
        self._parser = httptools.HttpRequestParser(self)
        self._complete: list[Request] = []
        self._refusal: Refusal | None = None
        self._in_head = self._in_body = self._expects_continue = False
        self._head_bytes = self._fed_bytes = 0
        self._target = b""
        self._headers: list[tuple[str, str]] = []
        self._body = bytearray()

    def feed(self, data: bytes) -> list[Request]:
        """Take bytes as they came and return the requests that they complete.

        Args:
            data: at most some 64 KiB, since what is over the bounds is kept until its end.

        Raises:
            Refusal: the bytes are no HTTP/1.1 request, or one over the bounds. The connection
                cannot go on.
        """
        in_body = self._in_body
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse(Trouble.INVALID_REQUEST, "This server speaks HTTP/1.1 and nothing else.")
        except httptools.HttpParserError:
            self._refuse(Trouble.INVALID_REQUEST, "The request is not valid HTTP/1.1.")
        if self._in_head and not in_body and not self._complete:
            # The parser shows a header only when it is whole, so one without an end is met here.
            self._fed_bytes += len(data)
            if self._fed_bytes > self._bounds.head_bytes:
                self._refuse_head()
        if self._refusal is not None:
            raise self._refusal
        complete, self._complete = self._complete, []
        return complete

    def take_continue(self) -> bool:
        """Tell once whether the client holds its body back until it gets `100 Continue`."""
        expects, self._expects_continue = self._expects_continue, False
        return expects

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._in_head = True
        self._head_bytes = self._fed_bytes = 0
        self._target = b""
        self._headers = []
        self._body = bytearray()

    def on_url(self, url: bytes) -> None:
        """Take a piece of the target."""
        self._check_head(len(url))
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a header, or a trailer, which is dropped."""
        # A colon, a space and the line's end come on top of the text.
        self._check_head(len(name) + len(value) + 4)
        if self._in_head:
            text = value.decode("latin-1").strip()
            self._headers.append((name.decode("latin-1").lower(), text))

    def on_headers_complete(self) -> None:
        """End the head; refuse at once a body that says it is too long."""
        self._in_head, self._in_body = False, True
        if self._parser.get_http_version() != "1.1":
            self._refuse(Trouble.INVALID_REQUEST, "This server speaks HTTP/1.1 and nothing else.")
        fields = dict(self._headers)
        if int(fields.get("content-length") or 0) > self._bounds.body_bytes:
            self._refuse_body()
        self._expects_continue = fields.get("expect", "").lower() == "100-continue"

    def on_body(self, body: bytes) -> None:
        """Take a piece of the body."""
        self._expects_continue = False
        if len(self._body) + len(body) > self._bounds.body_bytes:
            self._refuse_body()
        else:
            self._body += body

    def on_message_complete(self) -> None:
        """End a request."""
        self._in_body = self._expects_continue = False
        self._complete.append(
            Request(
                method=self._parser.get_method().decode("latin-1"),
                target=self._target.decode("latin-1"),
                headers=tuple(self._headers),
                body=bytes(self._body),
                keep_alive=self._parser.should_keep_alive(),
            )
        )
        self._body = bytearray()

    def _check_head(self, more: int) -> None:
        self._head_bytes += more
        if self._head_bytes > self._bounds.head_bytes:
            self._refuse_head()

    def _refuse_head(self) -> None:
        most = self._bounds.head_bytes
        self._refuse(Trouble.HEAD_TOO_LARGE, f"The request's head is over {most} bytes.")

    def _refuse_body(self) -> None:
        most = self._bounds.body_bytes
        self._refuse(Trouble.BODY_TOO_LARGE, f"The request's body is over {most} bytes.")

    def _refuse(self, trouble: Trouble, message: str) -> None:
        """Note the first refusal."""
        self._refusal = self._refusal or Refusal(trouble, message)
