"""Write replies of Chat Completions as a server does."""

from __future__ import annotations

import json
from typing import Any

DONE = b"data: [DONE]\n\n"

USAGE = {"prompt_tokens": 90, "completion_tokens": 17, "total_tokens": 107}


def frame(data: dict[str, Any]) -> bytes:
    """Write one event."""
    return b"data: " + json.dumps(data, ensure_ascii=False).encode() + b"\n\n"


def chunk(
    delta: dict[str, Any] | None = None, finish_reason: str | None = None, **more: Any
) -> bytes:
    """Write one chunk of an answer; `more` stands beside its choices."""
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "acme-1"}
    return frame({**head, "choices": [choice], "usage": None, **more})


def text(said: str) -> bytes:
    """Write a chunk of text."""
    return chunk({"content": said})


def usage(**numbers: Any) -> bytes:
    """Write the chunk that brings usage and nothing else."""
    return frame({"id": "chatcmpl-1", "choices": [], "usage": {**USAGE, **numbers}})


def call(
    arguments: Any = None,
    *,
    index: int | None = 0,
    call_id: str | None = None,
    name: str | None = None,
) -> dict[str, Any]:
    """Return a piece of a tool call."""
    function = {"name": name, "arguments": arguments}
    piece = {
        "index": index,
        "id": call_id,
        "type": "function",
        "function": {key: value for key, value in function.items() if value is not None},
    }
    return {key: value for key, value in piece.items() if value is not None}


def calls(*pieces: dict[str, Any]) -> bytes:
    """Write a chunk of pieces of tool calls."""
    return chunk({"tool_calls": list(pieces)})


def whole(message: dict[str, Any], finish_reason: str | None = "stop", **more: Any) -> bytes:
    """Write an answer as one document; `more` stands beside its choices."""
    choice = {"index": 0, "message": message, "finish_reason": finish_reason}
    head = {"id": "chatcmpl-1", "object": "chat.completion", "model": "acme-1"}
    return json.dumps({**head, "choices": [choice], "usage": USAGE, **more}).encode()
