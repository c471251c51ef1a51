"""Build a request with everything in it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

import httpx

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.outgoing import Place, Request

STREAM: Final = "text/event-stream"
JSON: Final = "application/json"


def build_request(
    method: str,
    target: Target,
    path: str,
    *,
    accept: str,
    own: Mapping[str, str],
    content: bytes | None = None,
) -> Request:
    """Build a request.

    Args:
        method: of HTTP.
        target: gives the address, its further headers and its secret ones, which win over all
            but what frames the message.
        path: what follows the base URL, from `/` on, a query included.
        accept: the media type that is wanted.
        own: the format's own headers, the one with the key among them; names in small
            letters. They win over the target's further headers.
        content: the body, which is JSON; None for none.
    """
    place, host = _endpoint(target.base_url, path)
    headers: dict[str, str] = {"user-agent": "trunkline"}
    for name, value in target.headers.items():
        headers[name.lower()] = value
    headers.update(own)
    for name, value in target.secret.headers.items():
        headers[name.lower()] = value
    # Last: what frames the messages is not up to anybody else.
    headers["host"] = host
    headers["accept"] = accept
    headers["accept-encoding"] = "identity"
    if content is not None:
        headers["content-type"] = JSON
        headers["content-length"] = str(len(content))
    fields = [(name.encode(), value.encode()) for name, value in headers.items()]
    return Request(method, place, fields, content or b"")


@lru_cache(maxsize=256)
def _endpoint(base_url: str, path: str) -> tuple[Place, str]:
    """Return the parsed URL and what the `Host` header says; neither holds a secret."""
    url = httpx.URL(base_url + path)
    return Place.of(url), url.netloc.decode()
