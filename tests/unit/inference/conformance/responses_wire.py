"""Write replies of OpenAI Responses as a server does."""

from __future__ import annotations

import json
from typing import Any

USAGE = {
    "input_tokens": 120,
    "input_tokens_details": {"cached_tokens": 64, "cache_write_tokens": 0},
    "output_tokens": 44,
    "output_tokens_details": {"reasoning_tokens": 30},
    "total_tokens": 164,
}

DONE = b"data: [DONE]\n\n"
GARBLED = b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta",\n\n'


def frame(data: dict[str, Any]) -> bytes:
    """Write one event, named by its type."""
    written = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
    return b"event: " + str(data.get("type", "")).encode() + b"\ndata: " + written + b"\n\n"


def event(kind: str, **more: Any) -> bytes:
    """Write one event of an answer."""
    return frame({"type": f"response.{kind}", "sequence_number": 7, **more})


def response(status: str, **more: Any) -> dict[str, Any]:
    """Return an answer without its items; `more` stands in it."""
    return {
        "id": "resp_1",
        "object": "response",
        "status": status,
        "model": "acme-1",
        "error": None,
        "incomplete_details": None,
        "output": [],
        "usage": None,
        **more,
    }


START = event("created", response=response("in_progress")) + event(
    "in_progress", response=response("in_progress")
)


def end(status: str = "completed", **more: Any) -> bytes:
    """Write the end of an answer, with its usage unless `more` says otherwise."""
    return event(status, response=response(status, **{"usage": USAGE, **more}))


def cut_short(reason: str, **more: Any) -> bytes:
    """Write the end of an answer that was cut short."""
    return end("incomplete", incomplete_details={"reason": reason}, **more)


def added(item: dict[str, Any], index: int = 0) -> bytes:
    """Write the start of an item."""
    return event("output_item.added", output_index=index, item={"id": f"item_{index}", **item})


def done(item: dict[str, Any], index: int = 0) -> bytes:
    """Write the end of an item, with all of it."""
    return event("output_item.done", output_index=index, item={"id": f"item_{index}", **item})


def said(*parts: dict[str, Any]) -> dict[str, Any]:
    """Return a message of some parts."""
    return {"type": "message", "role": "assistant", "status": "completed", "content": list(parts)}


def output_text(text: str, *annotations: dict[str, Any]) -> dict[str, Any]:
    """Return a part that is text."""
    return {"type": "output_text", "text": text, "annotations": list(annotations)}


def delta(text: Any, index: int = 0, part: int = 0) -> bytes:
    """Write more of a text."""
    return event(
        "output_text.delta",
        item_id=f"item_{index}",
        output_index=index,
        content_index=part,
        delta=text,
        logprobs=[],
        obfuscation="x9",
    )


def begun(index: int = 0) -> bytes:
    """Write the start of a message and of its text."""
    return added(said(), index) + event(
        "content_part.added", output_index=index, content_index=0, part=output_text("")
    )


def ended(text: str, index: int = 0) -> bytes:
    """Write the end of a text and of its message."""
    return (
        event("output_text.done", output_index=index, content_index=0, text=text)
        + event("content_part.done", output_index=index, content_index=0, part=output_text(text))
        + done(said(output_text(text)), index)
    )


def text(*pieces: str, index: int = 0) -> bytes:
    """Write a message of one text, in some pieces."""
    return (
        begun(index)
        + b"".join(delta(each, index) for each in pieces)
        + ended("".join(pieces), index)
    )


def function(arguments: Any, call_id: str = "x", name: str = "f", **more: Any) -> dict[str, Any]:
    """Return a tool call."""
    call = {"type": "function_call", "call_id": call_id, "name": name, "arguments": arguments}
    return {**call, "status": "completed", **more}


def argued(fragment: Any, index: int = 0) -> bytes:
    """Write more of a call's arguments."""
    return event(
        "function_call_arguments.delta", item_id=f"item_{index}", output_index=index, delta=fragment
    )


def call(*fragments: str, index: int = 0, call_id: str = "x", name: str = "f") -> bytes:
    """Write a tool call, its arguments in some pieces."""
    whole = "".join(fragments)
    return (
        added(function("", call_id, name, status="in_progress"), index)
        + b"".join(argued(each, index) for each in fragments)
        + event("function_call_arguments.done", output_index=index, arguments=whole)
        + done(function(whole, call_id, name), index)
    )


def thought(*summary: str, encrypted: str | None = "gAAA", **more: Any) -> dict[str, Any]:
    """Return a thought with the parts of its summary."""
    parts = [{"type": "summary_text", "text": part} for part in summary]
    return {"type": "reasoning", "summary": parts, "encrypted_content": encrypted, **more}


def thinking(*summary: str, index: int = 0, encrypted: str | None = "gAAA") -> bytes:
    """Write a thought, each part of its summary in one piece."""
    pieces = b"".join(
        event("reasoning_summary_part.added", output_index=index, summary_index=place)
        + event("reasoning_summary_text.delta", output_index=index, summary_index=place, delta=part)
        + event("reasoning_summary_text.done", output_index=index, summary_index=place, text=part)
        for place, part in enumerate(summary)
    )
    start = added(thought(encrypted="gAA-not-yet"), index)
    return start + pieces + done(thought(*summary, encrypted=encrypted), index)


def whole(*items: dict[str, Any], status: str | None = "completed", **more: Any) -> bytes:
    """Write an answer as one document."""
    document = {**response(status or "", output=list(items), usage=USAGE), **more}
    document["status"] = status
    return json.dumps(document, ensure_ascii=False).encode()
