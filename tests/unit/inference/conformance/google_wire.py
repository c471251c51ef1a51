"""Write replies of the Gemini API as its server does."""

from __future__ import annotations

import json
from typing import Any

USAGE = {
    "promptTokenCount": 90,
    "candidatesTokenCount": 17,
    "totalTokenCount": 107,
    "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 90}],
}

EARLY_USAGE = {"promptTokenCount": 90, "totalTokenCount": 90}


def frame(data: Any) -> bytes:
    """Write one event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\r\n\r\n"


def answer(*parts: dict[str, Any], finish_reason: str | None = None, **more: Any) -> dict[str, Any]:
    """Return a response of some parts; `more` stands beside its candidates."""
    candidate: dict[str, Any] = {"content": {"parts": list(parts), "role": "model"}, "index": 0}
    if finish_reason is not None:
        candidate["finishReason"] = finish_reason
    head = {"modelVersion": "gemini-3.8-flash", "responseId": "r1"}
    return {"candidates": [candidate], **head, **more}


def chunk(*parts: dict[str, Any], **more: Any) -> bytes:
    """Write a chunk in the middle of an answer."""
    return frame(answer(*parts, usageMetadata=EARLY_USAGE, **more))


def text(said: str, **more: Any) -> bytes:
    """Write a chunk of text; `more` stands in its part."""
    return chunk({"text": said, **more})


def thought(said: str, **more: Any) -> bytes:
    """Write a chunk of thought."""
    return chunk({"text": said, "thought": True, **more})


def call(name: str, args: Any = None, **more: Any) -> dict[str, Any]:
    """Return a part that calls a tool; `more` stands in the call."""
    called = {"name": name, "args": args, **more}
    return {"functionCall": {key: value for key, value in called.items() if value is not None}}


def end(*parts: dict[str, Any], reason: str = "STOP", **more: Any) -> bytes:
    """Write the last chunk, with usage."""
    return frame(answer(*parts, finish_reason=reason, usageMetadata=USAGE, **more))


def whole(*parts: dict[str, Any], reason: str | None = "STOP", **more: Any) -> bytes:
    """Write an answer as one document."""
    said = answer(*parts, finish_reason=reason, **{"usageMetadata": USAGE, **more})
    return json.dumps(said, indent=2, ensure_ascii=False).encode()


def error(status: str, message: str = "Oh.", code: int | None = None, *details: Any) -> Any:
    """Return an error; `details` go by the ends of their types."""
    said: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details:
        said["details"] = [
            {"@type": f"type.googleapis.com/google.rpc.{kind}", **more} for kind, more in details
        ]
    return {"error": {key: value for key, value in said.items() if value is not None}}
