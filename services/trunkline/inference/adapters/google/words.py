"""Read what the provider says when it fails.

Source: https://google.aip.dev/193, the error model of Google's APIs:
`{"error": {"code", "message", "status", "details": [{"@type", …}]}}`. Without `alt=sse`, and
sometimes with it, the object comes as the one element of a list.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from trunkline.inference.adapters.values import Json, load
from trunkline.inference.adapters.waits import go_duration
from trunkline.inference.adapters.words import Words, error_status, words_text

# What the canonical codes are in HTTP (google/rpc/code.proto), for errors that give no number.
_STATUSES: Final[dict[str, int]] = {
    "INVALID_ARGUMENT": 400,
    "FAILED_PRECONDITION": 400,
    "OUT_OF_RANGE": 400,
    "UNAUTHENTICATED": 401,
    "PERMISSION_DENIED": 403,
    "NOT_FOUND": 404,
    "ABORTED": 409,
    "RESOURCE_EXHAUSTED": 429,
    "CANCELLED": 499,
    "INTERNAL": 500,
    "UNKNOWN": 500,
    "UNIMPLEMENTED": 501,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
}

_RETRY_IN: Final = re.compile(r"retry in ([0-9.hms]{2,40})", re.IGNORECASE)


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or a frame that holds an error.

    Its codes are, in this order, the reason of the vendor's `ErrorInfo`, the canonical code,
    and the names of the quotas that are used up.

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    error = _error(body)
    if error is None:
        return None
    code = error.get("status")
    canonical = code if isinstance(code, str) else ""
    named = [_text(detail, "reason") for detail in _details(error, "google.rpc.ErrorInfo")]
    for failure in _details(error, "google.rpc.QuotaFailure"):
        violations = failure.get("violations")
        named += [canonical] if canonical not in named else []
        named += [
            _text(violation, "quotaId")
            for violation in (violations if isinstance(violations, list) else [])
            if isinstance(violation, dict)
        ]
    codes = dict.fromkeys((*named, canonical))
    return Words(
        message=words_text(error.get("message")),
        codes=tuple(code for code in codes if code),
        status=error_status(error.get("code")) or _STATUSES.get(canonical, 0),
    )


def read_wait(body: bytes) -> timedelta | None:
    """Return the wait that an error asks for.

    It stands in a `RetryInfo`, else in the message (`Please retry in 34.4s.`).

    Returns:
        None when nothing, or nothing legible, is said.
    """
    error = _error(body)
    if error is None:
        return None
    for detail in _details(error, "google.rpc.RetryInfo"):
        wait = go_duration(_text(detail, "retryDelay"))
        if wait is not None:
            return wait
    found = _RETRY_IN.search(_text(error, "message"))
    return go_duration(found[1].rstrip(".")) if found else None


def _error(body: bytes) -> Json | None:
    """Find the error; that of a gateway in front may be a text, or stand without a wrapper."""
    try:
        said = load(body)
    except ValueError:
        return None
    if isinstance(said, list) and said:
        said = said[0]
    if not isinstance(said, dict):
        return None
    error = said.get("error")
    if isinstance(error, dict) and error:
        return error
    if isinstance(error, str) and error:
        return {**said, "message": error}
    if "candidates" in said:
        return None
    return said if isinstance(said.get("message"), str) else None


def _details(error: Json, kind: str) -> Iterator[Json]:
    """Yield the details of a kind."""
    details = error.get("details")
    for detail in details if isinstance(details, list) else ():
        if isinstance(detail, dict) and _text(detail, "@type").endswith(f"/{kind}"):
            yield detail


def _text(holder: Json, key: str) -> str:
    """Return a text; empty when there is none."""
    value: Any = holder.get(key)
    return value if isinstance(value, str) else ""
