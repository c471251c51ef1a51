"""Write replies of Ollama as a server does."""

from __future__ import annotations

import json
from typing import Any

HEAD = {"model": "acme-1", "created_at": "2026-11-20T10:00:00.123456Z"}
COUNTS = {
    "total_duration": 900_000_000,
    "load_duration": 1_000_000,
    "prompt_eval_count": 90,
    "prompt_eval_duration": 90_000_000,
    "eval_count": 17,
    "eval_duration": 500_000_000,
}


def line(data: dict[str, Any]) -> bytes:
    """Write one line."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def said(**message: Any) -> bytes:
    """Write a line that says something."""
    content = {"role": "assistant", "content": "", **message}
    return line({**HEAD, "message": content, "done": False})


def text(words: str) -> bytes:
    """Write a line of text."""
    return said(content=words)


def call(name: Any, arguments: Any, call_id: str = "") -> dict[str, Any]:
    """Return a tool call; older servers give it no id."""
    function = {"index": 0, "name": name, "arguments": arguments}
    return {"id": call_id, "function": function} if call_id else {"function": function}


def calls(*each: dict[str, Any]) -> bytes:
    """Write a line of tool calls."""
    return said(tool_calls=list(each))


def end(reason: str | None = "stop", **more: Any) -> bytes:
    """Write the last line; without a reason as older servers do."""
    last = {**HEAD, "message": {"role": "assistant", "content": ""}, "done": True}
    return line({**last, **({"done_reason": reason} if reason else {}), **COUNTS, **more})


def whole(message: dict[str, Any], reason: str = "stop", **more: Any) -> bytes:
    """Write an answer as one document."""
    content = {"role": "assistant", "content": "", **message}
    return line({**HEAD, "message": content, "done": True, "done_reason": reason, **COUNTS, **more})


def error(words: str) -> bytes:
    """Write a line that says what went wrong."""
    return line({"error": words})
