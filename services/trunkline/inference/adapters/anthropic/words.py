"""Read what a provider says when it fails, in the shapes in which it is said in Messages."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.values import Json, load
from trunkline.inference.adapters.words import Words, error_status, words_text

_INVALID: Final = "invalid_request_error"


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or a frame that holds an error.

    - Anthropic: `{"type": "error", "error": {"type", "message", "details": {"error_code"}}}`
    - proxies in front: `{"error": "text"}`, `{"message": "text"}`, `{"detail": "text"}`
    - Z.ai: `{"code": 500, "msg": "text", "success": false}`

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    try:
        said = load(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    error = said.get("error")
    if isinstance(error, dict) and error:
        return _of_object(error)
    if error:
        return Words(message=words_text(error))
    if said.get("type") == "error":
        return _of_object({**said, "type": None})
    if "type" in said:
        # An event or a message.
        return None
    for key in ("message", "msg", "detail"):
        if said.get(key):
            return _of_object({**said, "message": said[key]})
    return None


def read_request_id(body: bytes) -> str:
    """Return the provider's id of the request where the body names it; else ""."""
    try:
        said = load(body)
    except ValueError:
        return ""
    request_id = said.get("request_id") if isinstance(said, dict) else None
    return request_id if isinstance(request_id, str) else ""


def _of_object(error: Json) -> Words:
    """Read an error object."""
    details = error.get("details")
    inner = details.get("error_code") if isinstance(details, dict) else None
    codes = [inner, error.get("code"), error.get("type")]
    status = next((status for status in map(error_status, codes) if status), 0)
    if not status and _INVALID in codes:
        # In a stream the type is all there is.
        status = 400
    return Words(
        message=words_text(error.get("message")),
        codes=tuple(
            code for code in codes if isinstance(code, str) and code and not code.isdecimal()
        ),
        status=status,
    )
