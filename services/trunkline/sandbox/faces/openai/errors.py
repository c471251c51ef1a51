"""Refusals of OpenAI, which are the same in both of its formats."""

from __future__ import annotations

from typing import Any

from trunkline.sandbox.faults import Refusal, Trouble

_ERRORS: dict[Trouble, tuple[int, str, str | None]] = {
    Trouble.INVALID_REQUEST: (400, "invalid_request_error", None),
    Trouble.UNSUPPORTED_VALUE: (400, "invalid_request_error", "unsupported_value"),
    Trouble.UNKNOWN_PARAMETER: (400, "invalid_request_error", "unknown_parameter"),
    Trouble.NO_THINKING: (400, "invalid_request_error", "unsupported_parameter"),
    Trouble.CONTEXT_TOO_LONG: (400, "invalid_request_error", "context_length_exceeded"),
    Trouble.CONTENT_REFUSED: (400, "invalid_request_error", "content_policy_violation"),
    Trouble.NO_KEY: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.UNAUTHENTICATED: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.KEY_REVOKED: (401, "invalid_request_error", "invalid_api_key"),
    Trouble.MISSING_SCOPE: (403, "invalid_request_error", "missing_scope"),
    Trouble.FORBIDDEN: (403, "request_forbidden", "unsupported_country_region_territory"),
    Trouble.MODEL_NOT_FOUND: (404, "invalid_request_error", "model_not_found"),
    Trouble.NO_SUCH_ROUTE: (404, "invalid_request_error", "unknown_url"),
    Trouble.BODY_TOO_LARGE: (413, "invalid_request_error", "request_too_large"),
    Trouble.HEAD_TOO_LARGE: (431, "invalid_request_error", "request_head_too_large"),
    Trouble.RATE_LIMITED: (429, "requests", "rate_limit_exceeded"),
    Trouble.NO_QUOTA: (429, "insufficient_quota", "insufficient_quota"),
    Trouble.NO_CREDIT: (429, "insufficient_quota", "insufficient_quota"),
    Trouble.SERVER_ERROR: (500, "server_error", None),
    Trouble.OVERLOADED: (503, "server_error", "server_is_overloaded"),
}
"""Status, type and code of each refusal."""


def describe(refusal: Refusal) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of a refusal."""
    status, kind, code = _ERRORS[refusal.trouble]
    error = {"message": refusal.message, "type": kind, "param": refusal.param, "code": code}
    return status, {"error": error}
