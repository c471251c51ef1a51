"""Read what a provider says when it fails, in the shapes in which it is said in Responses."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.openai import words as chat
from trunkline.inference.adapters.values import load, object_at
from trunkline.inference.adapters.words import Words

_ERROR: Final = "error"
_FAILED: Final = "response.failed"


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or a frame that holds an error.

    - an event: `{"type": "error", "code", "message"}`, or with an `error` object in it
    - the end of a stream: `{"type": "response.failed", "response": {"error": {"code", "message"}}}`
    - all else as in Chat Completions

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    try:
        said = load(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return chat.read_words(body)
    kind = said.get("type")
    if kind == _FAILED:
        error = object_at(object_at(said, "response"), "error")
        return chat.words_of(error)
    if kind == _ERROR and not isinstance(said.get("error"), dict):
        return chat.words_of({**said, "type": None})
    if isinstance(kind, str) and kind.startswith("response."):
        # Another event.
        return None
    return chat.read_words(body)
