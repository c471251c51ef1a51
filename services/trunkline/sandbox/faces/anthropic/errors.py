"""Refusals of Anthropic Messages.

Source: the Messages API's page on errors and its page on rate limits; the sentences that clients
know a case by are the vendor's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any, Final

import msgspec

from trunkline.sandbox.face import Document
from trunkline.sandbox.faults import Refusal, Trouble


@dataclass(frozen=True, slots=True)
class _Form:
    """Say how a trouble looks.

    Args:
        status: HTTP status.
        kind: `error.type`.
        message: the vendor's sentence; empty for that of the refusal. MODEL stands for the model.
        code: `error.details.error_code`; empty for none.
    """

    status: int
    kind: str
    message: str = ""
    code: str = ""


_DATE: Final = datetime(2026, 11, 6, tzinfo=UTC)
_INVALID: Final = "invalid_request_error"

FORMS: Final[dict[Trouble, _Form]] = {
    Trouble.INVALID_REQUEST: _Form(400, _INVALID),
    Trouble.UNSUPPORTED_VALUE: _Form(400, _INVALID),
    Trouble.UNKNOWN_PARAMETER: _Form(400, _INVALID),
    Trouble.NO_THINKING: _Form(400, _INVALID),
    Trouble.CONTEXT_TOO_LONG: _Form(400, _INVALID, "prompt is too long: 9 tokens > 8 maximum"),
    Trouble.CONTENT_REFUSED: _Form(400, _INVALID, "Output blocked by content filtering policy"),
    Trouble.NO_KEY: _Form(401, "authentication_error", "x-api-key header is required"),
    Trouble.UNAUTHENTICATED: _Form(401, "authentication_error", "invalid x-api-key"),
    Trouble.KEY_REVOKED: _Form(401, "authentication_error", "This API key has been disabled."),
    Trouble.MISSING_SCOPE: _Form(
        403,
        "permission_error",
        "Your API key does not have permission to use the specified resource.",
    ),
    Trouble.FORBIDDEN: _Form(403, "permission_error", "Request not allowed"),
    Trouble.MODEL_NOT_FOUND: _Form(404, "not_found_error", "model: MODEL"),
    Trouble.NO_SUCH_ROUTE: _Form(404, "not_found_error", "Not found"),
    Trouble.BODY_TOO_LARGE: _Form(
        413, "request_too_large", "Request exceeds the maximum allowed number of bytes."
    ),
    Trouble.HEAD_TOO_LARGE: _Form(431, _INVALID),
    Trouble.RATE_LIMITED: _Form(
        429,
        "rate_limit_error",
        "This request would exceed your organization's rate limit of 50 requests per minute.",
    ),
    Trouble.NO_QUOTA: _Form(
        429,
        "rate_limit_error",
        "This request would exceed your organization's monthly spend limit.",
        "enforced_spend_limit_reached",
    ),
    # The vendor says this with 400, and not with the 402 that it documents.
    Trouble.NO_CREDIT: _Form(
        400,
        _INVALID,
        "Your credit balance is too low to access the Anthropic API. Please go to Plans & Billing"
        " to upgrade or purchase credits.",
    ),
    Trouble.SERVER_ERROR: _Form(500, "api_error", "Internal server error"),
    Trouble.OVERLOADED: _Form(529, "overloaded_error", "Overloaded"),
}
"""How each trouble looks."""


def describe(refusal: Refusal, request_id: str, model: str | None) -> dict[str, Any]:
    """Return the error object of a refusal."""
    form = FORMS[refusal.trouble]
    message = form.message.replace("MODEL", (model or "")[:200]) or refusal.message
    error: dict[str, Any] = {"type": form.kind, "message": message}
    if form.code:
        error["details"] = {"error_code": form.code}
    return {"type": "error", "error": error, "request_id": request_id}


def refuse(refusal: Refusal, request_id: str, model: str | None) -> Document:
    """Put a refusal on the wire, with the headers of a rate limit where it asks for a wait."""
    body = msgspec.json.encode(describe(refusal, request_id, model))
    headers = _wait_headers(refusal.retry_after_seconds)
    return Document(FORMS[refusal.trouble].status, "application/json", body, headers)


def _wait_headers(seconds: float | None) -> tuple[tuple[str, str], ...]:
    if seconds is None:
        return ()
    # A fixed time, as everywhere: the reset is to be read against the date of the same reply.
    reset = _DATE + timedelta(seconds=seconds)
    return (
        ("date", format_datetime(_DATE, usegmt=True)),
        ("retry-after", f"{seconds:g}"),
        ("anthropic-ratelimit-requests-limit", "50"),
        ("anthropic-ratelimit-requests-remaining", "0"),
        ("anthropic-ratelimit-requests-reset", f"{reset:%Y-%m-%dT%H:%M:%SZ}"),
    )
