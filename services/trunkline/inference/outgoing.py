"""A request on its way to a provider: what adapters build, and the transport sends."""

from __future__ import annotations

from typing import TypeAlias

import httpx
import msgspec

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
        otherwise: what is asked, in a probe, of a server that does not know this request.
    """

    method: str
    place: Place
    fields: list[tuple[bytes, bytes]]
    content: bytes = b""
    otherwise: Request | None = None

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
