"""Chat Completions: https://platform.openai.com/docs/api-reference/chat."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from fidelity.reading import Item, Json, Kind, Reading, Said, SentTool, Speaker

# Thoughts come from those who imitate the format, such as DeepSeek and vLLM.
SAYS: Final = frozenset({"text", "call", "thought", "refusal"})

MAX_STOP: Final = 4

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_DATA_URL: Final = re.compile(r"data:([a-z]+/[a-z0-9.+-]+);base64,([A-Za-z0-9+/=]+)")
_SPEAKERS: Final = {"system": Speaker.SYSTEM, "developer": Speaker.SYSTEM, "user": Speaker.USER}


def answer(said: Sequence[Said]) -> bytes:
    """Write an answer as one document."""
    texts = {kind: "".join(each.text for each in said if each.kind is kind) for kind in Kind}
    message: Json = {"role": "assistant", "content": texts[Kind.TEXT] or None}
    message["refusal"] = texts[Kind.REFUSAL] or None
    if texts[Kind.THOUGHT]:
        message["reasoning_content"] = texts[Kind.THOUGHT]
    calls = [
        {
            "id": each.call_id,
            "type": "function",
            "function": {"name": each.name, "arguments": each.text},
        }
        for each in said
        if each.kind is Kind.CALL
    ]
    if calls:
        message["tool_calls"] = calls
    reason = "tool_calls" if calls else "stop"
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": reason}
    usage = {"prompt_tokens": 9, "completion_tokens": 5, "total_tokens": 14}
    return json.dumps(
        {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice], "usage": usage}
    ).encode()


def read(body: Json) -> Reading:
    """Read a request as the vendor does."""
    reading = Reading(items=list(_items(body["messages"])))
    for tool in body.get("tools", ()):
        assert tool["type"] == "function"
        function = tool["function"]
        assert _NAME.fullmatch(function["name"])
        reading.tools[function["name"]] = SentTool(
            function.get("description", ""),
            function.get("parameters"),
            strict=function.get("strict", False),
        )
    match body.get("tool_choice"):
        case None:
            pass
        case str(mode):
            reading.mode = mode
        case {"type": "function", "function": {"name": name}}:
            reading.mode, reading.allowed = "required", (name,)
        case {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}:
            reading.mode = mode
            reading.allowed = tuple(tool["function"]["name"] for tool in tools)
        case other:
            raise AssertionError(f"no such tool choice: {other}")
    assert set(reading.allowed) <= set(reading.tools)
    reading.parallel = body.get("parallel_tool_calls")
    reading.stop = tuple(body.get("stop", ()))
    assert len(reading.stop) <= MAX_STOP, "too many stop sequences are refused"
    match body.get("response_format"):
        case None:
            pass
        case {"type": "json_object"}:
            reading.shape = {}
        case {"type": "json_schema", "json_schema": {"name": name, "schema": schema}}:
            assert _NAME.fullmatch(name)
            reading.shape = schema
        case other:
            raise AssertionError(f"no such format: {other}")
    return reading


def _items(messages: list[Json]) -> Iterator[Item]:
    """Read messages; calls must be answered at once, each of them once."""
    waiting: set[str] = set()
    for message in messages:
        role, content = message["role"], message.get("content") or ""
        if role == "tool":
            assert message["tool_call_id"] in waiting, "a result must follow its call"
            waiting.remove(message["tool_call_id"])
            yield _result(message["tool_call_id"], content)
            continue
        assert not waiting, "a call must be answered before anything else is said"
        if role != "assistant":
            yield from _content(_SPEAKERS[role], content)
            continue
        calls = message.get("tool_calls", [])
        assert content or calls or message.get("refusal"), "an empty message is refused"
        yield from _content(Speaker.MODEL, content)
        if message.get("refusal"):
            yield Item(Speaker.MODEL, Kind.REFUSAL, message["refusal"])
        for call in calls:
            assert _ID.fullmatch(call["id"]), call["id"]
            assert call["id"] not in waiting
            waiting.add(call["id"])
            function = call["function"]
            assert _NAME.fullmatch(function["name"]), function["name"]
            assert isinstance(function["arguments"], str)
            yield Item(
                Speaker.MODEL,
                Kind.CALL,
                function["arguments"],
                name=function["name"],
                call_id=call["id"],
            )
    assert not waiting, "a call must be answered"


def _result(call_id: str, content: str) -> Item:
    """Read a result, which is text; that the tool failed it can say in words only."""
    assert isinstance(content, str)
    failed = content.lower().startswith("error")
    return Item(Speaker.TOOL, Kind.RESULT, content, call_id=call_id, failed=failed, in_words=failed)


def _content(speaker: Speaker, content: str | list[Json]) -> Iterator[Item]:
    """Read the parts of a message."""
    if isinstance(content, str):
        if content:
            yield Item(speaker, Kind.TEXT, content)
        return
    parts: list[Any] = content
    for part in parts:
        match part:
            case {"type": "text", "text": str(text)}:
                yield Item(speaker, Kind.TEXT, text)
            case {"type": "refusal", "refusal": str(text)}:
                yield Item(speaker, Kind.REFUSAL, text)
            case {"type": "image_url", "image_url": {"url": str(url)}}:
                assert speaker is Speaker.USER
                yield _media(Kind.IMAGE, url, "")
            case {"type": "file", "file": {"filename": str(name), "file_data": str(url)}}:
                assert speaker is Speaker.USER
                yield _media(Kind.DOCUMENT, url, name)
            case other:
                raise AssertionError(f"no such part: {other}")


def _media(kind: Kind, url: str, name: str) -> Item:
    """Read a picture or a file."""
    data = _DATA_URL.fullmatch(url)
    if data is None:
        assert kind is Kind.IMAGE, "a file comes by value"
        return Item(Speaker.USER, kind, url, name=name)
    return Item(Speaker.USER, kind, data[2], name=name, media_type=data[1])
