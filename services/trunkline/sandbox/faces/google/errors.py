"""Refusals of the Gemini API: `google.rpc.Status` as JSON.

Source: the Gemini API's page on errors, google/rpc/error_details.proto, and the sentences that
clients know a case by, which are the vendor's own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trunkline.sandbox.face import Document, Occasion
from trunkline.sandbox.faults import Refusal, Trouble

JSON: Final = "application/json; charset=UTF-8"

_TYPES: Final = "type.googleapis.com/google.rpc."
_SERVICE: Final = "generativelanguage.googleapis.com"
_EXHAUSTED: Final = (
    "You exceeded your current quota, please check your plan and billing details. For more"
    " information on this error, head to: https://ai.google.dev/gemini-api/docs/rate-limits."
)


@dataclass(frozen=True, slots=True)
class _Form:
    """Say how a trouble looks.

    Args:
        code: HTTP status.
        status: the canonical code's name.
        message: the vendor's sentence; empty for that of the refusal. MODEL stands for the model.
        reason: of an `ErrorInfo`; empty for none.
        quota: id and value of the violated quota; empty for none.
    """

    code: int
    status: str
    message: str = ""
    reason: str = ""
    quota: tuple[str, str] | tuple[()] = ()


_INVALID: Final = "INVALID_ARGUMENT"

FORMS: Final[dict[Trouble, _Form]] = {
    Trouble.INVALID_REQUEST: _Form(400, _INVALID),
    Trouble.UNSUPPORTED_VALUE: _Form(400, _INVALID),
    Trouble.UNKNOWN_PARAMETER: _Form(400, _INVALID),
    Trouble.NO_THINKING: _Form(400, _INVALID, "Thinking is not enabled for models/MODEL"),
    Trouble.CONTEXT_TOO_LONG: _Form(
        400,
        _INVALID,
        "The input token count (9) exceeds the maximum number of tokens allowed (8).",
    ),
    # Not an error to this vendor: `refuse` answers 200 without a candidate.
    Trouble.CONTENT_REFUSED: _Form(200, "OK"),
    Trouble.NO_KEY: _Form(
        403,
        "PERMISSION_DENIED",
        "Method doesn't allow unregistered callers (callers without established identity). Please"
        " use API Key or other form of API consumer identity to call this API.",
    ),
    Trouble.UNAUTHENTICATED: _Form(
        400,
        _INVALID,
        "API key not valid. Please pass a valid API key.",
        "API_KEY_INVALID",
    ),
    Trouble.KEY_REVOKED: _Form(
        400, _INVALID, "API key expired. Please renew the API key.", "API_KEY_INVALID"
    ),
    Trouble.MISSING_SCOPE: _Form(
        403,
        "PERMISSION_DENIED",
        f"Requests to this API {_SERVICE} method"
        " google.ai.generativelanguage.v1beta.ModelService.ListModels are blocked.",
        "API_KEY_SERVICE_BLOCKED",
    ),
    Trouble.FORBIDDEN: _Form(
        403, "PERMISSION_DENIED", "Your project has been denied access. Please contact support."
    ),
    Trouble.MODEL_NOT_FOUND: _Form(
        404,
        "NOT_FOUND",
        "models/MODEL is not found for API version v1beta, or is not supported for"
        " generateContent. Call ListModels to see the list of available models and their supported"
        " methods.",
    ),
    Trouble.NO_SUCH_ROUTE: _Form(404, "NOT_FOUND"),
    Trouble.BODY_TOO_LARGE: _Form(400, _INVALID),
    Trouble.HEAD_TOO_LARGE: _Form(431, _INVALID),
    Trouble.RATE_LIMITED: _Form(
        429,
        "RESOURCE_EXHAUSTED",
        _EXHAUSTED,
        quota=("GenerateRequestsPerMinutePerProjectPerModel-FreeTier", "10"),
    ),
    Trouble.NO_QUOTA: _Form(
        429,
        "RESOURCE_EXHAUSTED",
        _EXHAUSTED,
        quota=("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "250"),
    ),
    Trouble.NO_CREDIT: _Form(
        429,
        "RESOURCE_EXHAUSTED",
        f"{_EXHAUSTED}\n* Quota exceeded for metric: {_SERVICE}/generate_content_free_tier_requests"
        ", limit: 0",
        quota=("GenerateRequestsPerDayPerProjectPerModel-FreeTier", "0"),
    ),
    Trouble.SERVER_ERROR: _Form(
        500, "INTERNAL", "An internal error has occurred. Please retry or report the problem."
    ),
    Trouble.OVERLOADED: _Form(
        503, "UNAVAILABLE", "The model is overloaded. Please try again later."
    ),
}
"""How each trouble looks."""


def describe(refusal: Refusal, model: str | None) -> dict[str, Any]:
    """Return the error object of a refusal."""
    form = FORMS[refusal.trouble]
    wait = refusal.retry_after_seconds
    message = form.message.replace("MODEL", (model or "")[:200]) or refusal.message
    if wait is not None:
        message += f"\nPlease retry in {wait:g}s."
    error: dict[str, Any] = {"code": form.code, "message": message, "status": form.status}
    details = _details(refusal, form)
    if details:
        error["details"] = details
    return {"error": error}


def write(document: dict[str, Any]) -> bytes:
    """Write a document over several lines, as the vendor does."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def refuse(refusal: Refusal, occasion: Occasion) -> Document:
    """Put a refusal on the wire; a refused prompt is an answer without a candidate."""
    if refusal.trouble is not Trouble.CONTENT_REFUSED:
        status = FORMS[refusal.trouble].code
        return Document(status, JSON, write(describe(refusal, occasion.model)))
    blocked = {
        "promptFeedback": {"blockReason": "PROHIBITED_CONTENT"},
        "usageMetadata": {"promptTokenCount": 9, "totalTokenCount": 9},
        "modelVersion": occasion.model or "",
    }
    if occasion.route is not None and occasion.route.form == "sse":
        return Document(
            200, "text/event-stream", b"data: " + msgspec.json.encode(blocked) + b"\r\n\r\n"
        )
    whole = write(blocked)
    listed = occasion.route is not None and occasion.route.form == "array"
    return Document(200, JSON, b"[" + whole + b"]" if listed else whole)


def _details(refusal: Refusal, form: _Form) -> list[dict[str, Any]]:
    details: list[dict[str, Any]] = []
    if form.reason:
        details.append(
            {
                "@type": _TYPES + "ErrorInfo",
                "reason": form.reason,
                "domain": "googleapis.com",
                "metadata": {"service": _SERVICE},
            }
        )
    if form.quota:
        violation = {
            "quotaMetric": f"{_SERVICE}/generate_content_free_tier_requests",
            "quotaId": form.quota[0],
            "quotaValue": form.quota[1],
        }
        details.append({"@type": _TYPES + "QuotaFailure", "violations": [violation]})
    if refusal.retry_after_seconds is not None:
        wait = f"{refusal.retry_after_seconds:g}s"
        details.append({"@type": _TYPES + "RetryInfo", "retryDelay": wait})
    if refusal.param is not None and form.status == _INVALID:
        field = {"field": refusal.param, "description": refusal.message}
        details.append({"@type": _TYPES + "BadRequest", "fieldViolations": [field]})
    return details
