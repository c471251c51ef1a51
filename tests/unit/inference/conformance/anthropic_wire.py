"""Write replies of Anthropic Messages as a server does."""

from __future__ import annotations

import json
from typing import Any

USAGE = {
    "input_tokens": 12,
    "cache_creation_input_tokens": 0,
    "cache_read_input_tokens": 2048,
    "output_tokens": 1,
}

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
STOP = b'event: message_stop\ndata: {"type":"message_stop"}\n\n'
GARBLED = b'event: content_block_delta\ndata: {"type":"content_block_delta","delta":{\n\n'


def frame(data: dict[str, Any]) -> bytes:
    """Write one event, named by its type."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return b"event: " + str(data.get("type", "")).encode() + b"\ndata: " + written + b"\n\n"


def message_start(**more: Any) -> bytes:
    """Write the start of an answer; `more` stands in its message."""
    message = {
        "id": "msg_01A",
        "type": "message",
        "role": "assistant",
        "model": "acme-1",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": USAGE,
        **more,
    }
    return frame({"type": "message_start", "message": message})


def start(index: int, block: dict[str, Any]) -> bytes:
    """Write the start of a block."""
    return frame({"type": "content_block_start", "index": index, "content_block": block})


def delta(index: int, kind: str, **said: Any) -> bytes:
    """Write more of a block."""
    return frame({"type": "content_block_delta", "index": index, "delta": {"type": kind, **said}})


def stop(index: int) -> bytes:
    """Write the end of a block."""
    return frame({"type": "content_block_stop", "index": index})


def text(*said: str, index: int = 0) -> bytes:
    """Write a block of text, in some pieces."""
    pieces = b"".join(delta(index, "text_delta", text=piece) for piece in said)
    return start(index, {"type": "text", "text": ""}) + pieces + stop(index)


def thought(*said: str, index: int = 0, signature: str = "") -> bytes:
    """Write a thought, in some pieces."""
    body = start(index, {"type": "thinking", "thinking": "", "signature": ""})
    body += b"".join(delta(index, "thinking_delta", thinking=piece) for piece in said)
    if signature:
        body += delta(index, "signature_delta", signature=signature)
    return body + stop(index)


def call(*arguments: str, index: int = 0, call_id: str = "toolu_1", name: str = "f") -> bytes:
    """Write a tool call, its arguments in some pieces."""
    block = {"type": "tool_use", "id": call_id, "name": name, "input": {}}
    pieces = b"".join(delta(index, "input_json_delta", partial_json=each) for each in arguments)
    return start(index, block) + pieces + stop(index)


def message_delta(stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    """Write how an answer ends; `more` stands in its delta."""
    return frame(
        {
            "type": "message_delta",
            "delta": {"stop_reason": stop_reason, "stop_sequence": None, **more},
            "usage": {"output_tokens": 71},
        }
    )


def end(stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    """Write the end of an answer; `more` stands in its delta."""
    return message_delta(stop_reason, **more) + STOP


def error(kind: str, said: str = "Oh.", **more: Any) -> bytes:
    """Write the event that reports an error."""
    return frame(
        {"type": "error", "error": {"type": kind, "message": said, **more}, "request_id": "req_1"}
    )


def whole(*blocks: dict[str, Any], stop_reason: str | None = "end_turn", **more: Any) -> bytes:
    """Write an answer as one document; `more` stands beside its content."""
    message = {
        "id": "msg_01A",
        "type": "message",
        "role": "assistant",
        "model": "acme-1",
        "content": list(blocks),
        "stop_reason": stop_reason,
        "stop_sequence": None,
        "usage": {**USAGE, "output_tokens": 71},
        **more,
    }
    return json.dumps(message).encode()
