"""Read what Ollama says when it fails."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.values import Json, load
from trunkline.inference.adapters.words import Words, error_status, words_text


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or a line that holds an error.

    - Ollama: `{"error": "text"}`; the text may be the JSON of what llama-server said, which
      looks like the next (https://github.com/microsoft/vscode/issues/320558)
    - its faces of other formats, gateways: `{"error": {"message", "type", "code"}}`
    - gateways: `{"message": "text"}`, `{"detail": "text"}`

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    try:
        said = load(body)
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    if said.get("error"):
        return _words(said["error"])
    for key in ("detail", "message"):
        # The message of an answer is an object.
        if isinstance(said.get(key), str) and said[key]:
            return Words(message=said[key])
    return None


def _words(error: Any) -> Words:
    """Read an error: a sentence, an object, or an object written into a sentence."""
    if isinstance(error, str) and error.startswith("{"):
        inner = _object(error)
        if inner:
            error = inner.get("error") or inner
    return _of_object(error) if isinstance(error, dict) else Words(message=words_text(error))


def _object(text: str) -> Json:
    """Return the object that a text is; an empty one when it is none."""
    try:
        said = load(text.encode())
    except ValueError:
        return {}
    return said if isinstance(said, dict) else {}


def _of_object(error: Json) -> Words:
    """Read an error object."""
    codes = (error.get("code"), error.get("type"))
    return Words(
        message=words_text(error.get("message")),
        codes=tuple(code for code in codes if isinstance(code, str) and not code.isdecimal()),
        status=next((status for status in map(error_status, codes) if status), 0),
    )
