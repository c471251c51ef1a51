"""A request to a provider, and its bytes in HTTP/1.1 (RFC 9112)."""

from __future__ import annotations

from typing import Final, TypeAlias

import httpx
import msgspec

from trunkline.inference.transport.faults import Unsendable

# How a message is framed and what becomes of the connection is said by who owns the connection
# (RFC 9110 §7.6.1). A length that is not the body's would let one request end within another one
# of the same connection, which may be another user's.
_CONNECTION_FIELDS: Final = frozenset(
    (
        b"connection",
        b"content-length",
        b"expect",
        b"keep-alive",
        b"proxy-authorization",
        b"proxy-connection",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
    )
)
# RFC 9110 §8.6: who sends nothing with one of these says so.
_BODY_METHODS: Final = frozenset(("POST", "PUT", "PATCH"))


Origin: TypeAlias = tuple[bytes, bytes, int | None]
"""Scheme, host and port as an `httpx.URL` holds them. A bare tuple, since it is a key that every
request looks up."""


class Place(msgspec.Struct, frozen=True):
    """An address, parsed: httpx computes each part anew whenever it is asked.

    Attributes:
        url: the whole of it.
        origin: whom connections are kept for.
        path: with the query, as it goes over the wire.
    """

    url: httpx.URL
    origin: Origin
    path: bytes

    @classmethod
    def of(cls, url: httpx.URL) -> Place:
        """Parse an address."""
        return cls(url, (url.raw_scheme, url.raw_host, url.port), url.raw_path)


class Request(msgspec.Struct, frozen=True):
    """A request with its body at hand.

    httpx's own takes as long to make as all else of it to send; see docs/decisions/0003.

    Attributes:
        method: of HTTP.
        place: where it goes.
        fields: names and values of the headers, in order.
        content: the body.
    """

    method: str
    place: Place
    fields: list[tuple[bytes, bytes]]
    content: bytes = b""

    @classmethod
    async def read(cls, request: httpx.Request) -> Request:
        """Take over a request of httpx, whose body is read to its end."""
        try:
            content = request.content
        except httpx.RequestNotRead:
            content = await request.aread()
        return cls(request.method, Place.of(request.url), request.headers.raw, content)

    @property
    def url(self) -> httpx.URL:
        """Return where it goes."""
        return self.place.url

    @property
    def headers(self) -> httpx.Headers:
        """Return the headers."""
        return httpx.Headers(self.fields)

    def __repr__(self) -> str:
        """Show neither header nor body: the key is in one, and what was asked in the other."""
        return f"Request({self.method!r}, {str(self.url)!r})"


def compose(request: Request) -> bytes:
    """Return a request as it goes over the wire, head and body in one piece.

    Args:
        request: whose headers are left out that belong to the connection.

    Raises:
        Unsendable: the request line or a header holds a line break, a NUL or a blank too many. A
            key that was pasted with its line break is the usual cause.
    """
    body = request.content
    line = b"%b %b HTTP/1.1" % (request.method.encode(), request.place.path)
    lines = [line]
    for name, value in request.fields:
        if name.lower() not in _CONNECTION_FIELDS:
            lines.append(b"%b: %b" % (name, value))
    if body or request.method in _BODY_METHODS:
        lines.append(b"content-length: %d" % len(body))
    lines += (b"", b"")
    head = b"\r\n".join(lines)
    ends = len(lines) - 1
    # httpx lets line breaks through, and with them a second request inside a header.
    if head.count(b"\n") != ends or head.count(b"\r") != ends or b"\0" in head:
        raise Unsendable("A header of the request holds a line break or another control character.")
    if line.count(b" ") != 2:
        raise Unsendable("The method or path of the request holds a blank.")
    return head + body
