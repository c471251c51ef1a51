"""Anthropic Messages: https://platform.claude.com/docs/en/api/messages."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fidelity.reading import Item, Json, Kind, Reading, Said, SentTool, Speaker

SAYS: Final = frozenset(
    {
        "text",
        "cited text",
        "call",
        "signed thought",
        "sealed thought",
        "the vendor's own block",
    }
)

MAX_MARKS: Final = 4

_ID: Final = re.compile(r"[A-Za-z0-9_-]+")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_SPEAKERS: Final = {"user": Speaker.USER, "assistant": Speaker.MODEL}


def answer(said: Sequence[Said]) -> bytes:
    """Write an answer as one document."""
    blocks = [_block(each) for each in said]
    called = any(block["type"] == "tool_use" for block in blocks)
    return json.dumps(
        {
            "id": "msg_01",
            "type": "message",
            "role": "assistant",
            "content": blocks,
            "stop_reason": "tool_use" if called else "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": 9, "output_tokens": 5},
        }
    ).encode()


def read(body: Json) -> Reading:
    """Read a request as the vendor does."""
    assert body["max_tokens"] > 0
    system = body.get("system", [])
    reading = Reading(items=list(_blocks(Speaker.SYSTEM, system)))
    _check_turns(body["messages"])
    for message in body["messages"]:
        assert message["content"], "an empty message is refused"
        reading.items += _blocks(_SPEAKERS[message["role"]], message["content"])
    for tool in body.get("tools", ()):
        assert _NAME.fullmatch(tool["name"])
        assert tool["input_schema"]["type"] == "object"
        reading.tools[tool["name"]] = SentTool(
            tool.get("description", ""),
            tool["input_schema"],
            strict=tool.get("strict", False),
            marked="cache_control" in tool,
        )
    choice = body.get("tool_choice", {})
    assert not choice or reading.tools
    match choice:
        case {"type": "tool", "name": str(name)}:
            reading.mode, reading.allowed = "required", (name,)
        case {"type": str(mode)}:
            reading.mode = {"any": "required"}.get(mode, mode)
    if "disable_parallel_tool_use" in choice:
        reading.parallel = not choice["disable_parallel_tool_use"]
    reading.stop = tuple(body.get("stop_sequences", ()))
    assert all(stop.strip() for stop in reading.stop), "a blank stop sequence is refused"
    held = body.get("output_config", {}).get("format")
    if held is not None:
        assert held["type"] == "json_schema"
        reading.shape = held["schema"]
    assert json.dumps(body).count('"cache_control"') <= MAX_MARKS
    return reading


def _block(said: Said) -> Json:
    """Write a block of an answer."""
    match said.kind:
        case Kind.TEXT if said.cited:
            cited = {
                "type": "char_location",
                "cited_text": said.cited,
                "document_index": 0,
                "document_title": "The report",
                "start_char_index": 0,
                "end_char_index": len(said.cited),
            }
            return {"type": "text", "text": said.text, "citations": [cited]}
        case Kind.TEXT:
            return {"type": "text", "text": said.text}
        case Kind.CALL:
            arguments = json.loads(said.text or "{}")
            return {
                "type": "tool_use",
                "id": said.call_id,
                "name": said.name,
                "input": arguments,
            }
        case Kind.THOUGHT:
            return {"type": "thinking", "thinking": said.text, "signature": said.signature}
        case Kind.SEALED:
            return {"type": "redacted_thinking", "data": said.signature}
        case Kind.OWN:
            page = {
                "type": "web_search_result",
                "url": "https://a.example/",
                "title": said.text,
                "encrypted_content": "c2VhbGVk",
                "page_age": None,
            }
            return {
                "type": "web_search_tool_result",
                "tool_use_id": "srvtoolu_01",
                "content": [page],
            }
        case other:
            raise AssertionError(f"the vendor has no {other}")


def _check_turns(messages: list[Json]) -> None:
    """Check that user and model take turns, and that results come first and answer all calls."""
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
    waiting: set[str] = set()
    for message in messages:
        content = message["content"]
        blocks = content if isinstance(content, list) else []
        kinds = [block["type"] for block in blocks]
        answers = [b["tool_use_id"] for b in blocks if b["type"] == "tool_result"]
        assert kinds[: len(answers)] == ["tool_result"] * len(answers), "results come first"
        assert set(answers) == waiting, "the calls, and only these, must be answered"
        assert len(set(answers)) == len(answers)
        waiting = {block["id"] for block in blocks if block["type"] == "tool_use"}
    assert not waiting, "a call must be answered"


def _blocks(speaker: Speaker, content: str | list[Json]) -> Iterator[Item]:
    """Read the blocks of a message, a result or the system prompt."""
    blocks: list[Any] = (
        content if isinstance(content, list) else [{"type": "text", "text": content}]
    )
    for block in blocks:
        marked = "cache_control" in block
        match block:
            case {"type": "text", "text": str(text)}:
                assert text.strip(), "a blank text is refused"
                yield Item(speaker, Kind.TEXT, text, marked=marked)
            case {"type": "image" | "document" as kind, "source": source}:
                yield _media(speaker, Kind(kind), source, block.get("title", ""), marked=marked)
            case {"type": "tool_use", "id": str(call_id), "name": str(name), "input": dict(given)}:
                assert _ID.fullmatch(call_id), call_id
                assert _NAME.fullmatch(name), name
                yield Item(
                    speaker,
                    Kind.CALL,
                    json.dumps(given),
                    name=name,
                    call_id=call_id,
                    marked=marked,
                )
            case {"type": "tool_result", "tool_use_id": str(call_id)}:
                inside = list(_blocks(Speaker.TOOL, block.get("content", [])))
                failed = block.get("is_error", False)
                texts = all(item.kind is Kind.TEXT for item in inside)
                assert texts or not failed, "of a tool that failed only text is taken"
                yield Item(
                    Speaker.TOOL,
                    Kind.RESULT,
                    "\n".join(item.text for item in inside if item.kind is Kind.TEXT),
                    call_id=call_id,
                    failed=failed,
                    marked=marked,
                    inside=tuple(item for item in inside if item.kind is not Kind.TEXT),
                )
            case {"type": "thinking", "thinking": str(text), "signature": str(signature)}:
                yield Item(speaker, Kind.THOUGHT, text, signature=signature)
            case {"type": "redacted_thinking", "data": str(data)}:
                yield Item(speaker, Kind.SEALED, signature=data)
            case _:
                assert speaker is Speaker.MODEL
                yield Item(speaker, Kind.OWN, json.dumps(block))


def _media(speaker: Speaker, kind: Kind, source: Json, title: str, *, marked: bool) -> Item:
    """Read a picture or a document."""
    media_type = source.get("media_type", "")
    match source:
        case {"type": "url", "url": str(data)}:
            pass
        case {"type": "base64", "data": str(data)}:
            assert media_type in (_IMAGES if kind is Kind.IMAGE else {"application/pdf"})
        case {"type": "text", "data": str(text)}:
            assert (kind, media_type) == (Kind.DOCUMENT, "text/plain")
            data = base64.b64encode(text.encode()).decode()
        case _:
            raise AssertionError(f"no such source: {source}")
    return Item(speaker, kind, data, name=title, marked=marked, media_type=media_type)
