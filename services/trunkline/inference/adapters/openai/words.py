"""Read what a provider says when it fails, in the shapes in which services say it."""

from __future__ import annotations

from trunkline.inference.adapters.values import Json, load
from trunkline.inference.adapters.words import Words, error_status, words_text


def read_words(body: bytes) -> Words | None:
    """Read the body of an error reply, or a frame that holds an error.

    Returns:
        None when the bytes are no JSON, or JSON that speaks of no error.
    """
    try:
        said = load(body)
    except ValueError:
        return None
    # Gemini's OpenAI face wraps its errors into a list.
    if isinstance(said, list) and said:
        said = said[0]
    return _words(said) if isinstance(said, dict) else None


def _words(said: Json) -> Words | None:
    """Find the error in an object.

    - OpenAI and most: `{"error": {"message", "type", "code"}}`
    - xAI, older LM Studio, Fireworks: `{"error": "text"}`, with `code` beside it or not
    - older vLLM, Mistral: `{"object": "error", "message", "type", "code"}`
    - OpenRouter without a stream: `{"choices": [{"error": {…}}]}`
    - Groq, in a stream: `{"x_groq": {"error": "text"}}`
    - MiniMax: `{"base_resp": {"status_code", "status_msg"}}`, where 0 is no error
    - FastAPI, Mistral's validation: `{"detail": "text" or [{"loc", "msg"}]}`
    - gateways in front: `{"message": "text"}`
    """
    error = said.get("error")
    if isinstance(error, dict) and error:
        return words_of(error)
    if isinstance(error, str) and error:
        return words_of({**said, "message": error})
    if said.get("object") == "error":
        return words_of(said)
    for choice in said["choices"] if isinstance(said.get("choices"), list) else ():
        if isinstance(choice, dict) and isinstance(choice.get("error"), dict):
            return words_of(choice["error"])
    groq = said.get("x_groq")
    if isinstance(groq, dict) and groq.get("error"):
        return Words(message=words_text(groq["error"]))
    base = said.get("base_resp")
    if isinstance(base, dict) and base.get("status_code"):
        code = f"base_resp_{base['status_code']}"
        return Words(message=words_text(base.get("status_msg")), codes=(code,))
    if "choices" in said:
        return None
    if said.get("detail"):
        return Words(message=words_text(said["detail"]))
    if isinstance(said.get("message"), str):
        return words_of(said)
    return None


def words_of(error: Json) -> Words:
    """Read an error object, `{"message", "type", "code"}`."""
    metadata = error.get("metadata")
    metadata = metadata if isinstance(metadata, dict) else {}
    codes = [error.get("code"), metadata.get("error_type"), error.get("type"), error.get("status")]
    # OpenRouter's sign that a filter refused the prompt, which it answers with 403
    # (https://openrouter.ai/docs/errors, "Moderation Errors").
    if "flagged_input" in metadata:
        codes.insert(0, "content_policy_violation")
    return Words(
        message=words_text(error.get("message")),
        codes=tuple(code for code in codes if isinstance(code, str) and not code.isdecimal()),
        status=next((status for status in map(error_status, codes) if status), 0),
    )
