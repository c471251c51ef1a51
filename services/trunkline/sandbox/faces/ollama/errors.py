"""Refusals of Ollama: one sentence, and a status.

Source: the server's API documentation and its source, from which the sentences are known.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trunkline.sandbox.face import Document
from trunkline.sandbox.faults import Refusal, Trouble

JSON: Final = "application/json; charset=utf-8"

_UPGRADE: Final = "upgrade for higher limits: https://ollama.com/upgrade"

FORMS: Final[dict[Trouble, tuple[int, str]]] = {
    Trouble.INVALID_REQUEST: (400, ""),
    Trouble.UNSUPPORTED_VALUE: (400, ""),
    Trouble.UNKNOWN_PARAMETER: (400, ""),
    Trouble.NO_THINKING: (400, '"MODEL" does not support thinking'),
    Trouble.CONTEXT_TOO_LONG: (
        400,
        "exceed_context_size_error: the request exceeds the available context size (8 tokens)",
    ),
    Trouble.CONTENT_REFUSED: (400, ""),
    Trouble.NO_KEY: (401, "unauthorized"),
    Trouble.UNAUTHENTICATED: (401, "unauthorized"),
    Trouble.KEY_REVOKED: (401, "unauthorized"),
    Trouble.MISSING_SCOPE: (403, "this key may not list models"),
    Trouble.FORBIDDEN: (403, "this model requires a subscription, upgrade for access"),
    Trouble.MODEL_NOT_FOUND: (404, "model 'MODEL' not found"),
    Trouble.NO_SUCH_ROUTE: (404, ""),
    Trouble.BODY_TOO_LARGE: (413, "http: request body too large"),
    Trouble.HEAD_TOO_LARGE: (431, ""),
    Trouble.RATE_LIMITED: (429, "too many concurrent requests"),
    Trouble.NO_QUOTA: (429, f"you (sandbox) have reached your weekly usage limit, {_UPGRADE}"),
    Trouble.NO_CREDIT: (429, f"you (sandbox) have reached your session usage limit, {_UPGRADE}"),
    Trouble.SERVER_ERROR: (500, "llama runner process has terminated: exit status 2"),
    Trouble.OVERLOADED: (
        503,
        "server busy, please try again.  maximum pending requests exceeded",
    ),
}
"""Status and sentence of each trouble; an empty sentence is that of the refusal."""


def describe(refusal: Refusal, model: str | None) -> dict[str, Any]:
    """Return the error object of a refusal."""
    status, sentence = FORMS[refusal.trouble]
    error = sentence.replace("MODEL", (model or "")[:200]) or refusal.message
    if status == 401:
        return {"error": error, "signin_url": "https://ollama.com/connect?name=sandbox"}
    return {"error": error}


def refuse(refusal: Refusal, model: str | None) -> Document:
    """Put a refusal on the wire; the format has no way to ask for a wait."""
    if refusal.trouble is Trouble.NO_SUCH_ROUTE:
        return Document(404, "text/plain", b"404 page not found")
    status, _ = FORMS[refusal.trouble]
    return Document(status, JSON, msgspec.json.encode(describe(refusal, model)))
