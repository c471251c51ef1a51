"""A request as the bytes of HTTP/1.1 (RFC 9112)."""

from __future__ import annotations

from typing import Final

from trunkline.inference.outgoing import Request
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
