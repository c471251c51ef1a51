"""Ollama: https://docs.ollama.com/api/chat."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from typing import Final

from fidelity.reading import Item, Json, Kind, Reading, Said, SentTool, Speaker

SAYS: Final = frozenset({"text", "call", "thought"})

_SPEAKERS: Final = {"system": Speaker.SYSTEM, "user": Speaker.USER, "assistant": Speaker.MODEL}

# What the server tells the types of pictures by.
_IMAGES: Final = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def answer(said: Sequence[Said]) -> bytes:
    """Write an answer as one document."""
    texts = {kind: "".join(each.text for each in said if each.kind is kind) for kind in Kind}
    message: Json = {"role": "assistant", "content": texts[Kind.TEXT]}
    if texts[Kind.THOUGHT]:
        message["thinking"] = texts[Kind.THOUGHT]
    calls = [
        {
            "id": each.call_id,
            "function": {"name": each.name, "arguments": json.loads(each.text or "{}")},
        }
        for each in said
        if each.kind is Kind.CALL
    ]
    if calls:
        message["tool_calls"] = calls
    return json.dumps(
        {
            "model": "qwen3",
            "created_at": "2026-11-01T00:00:00Z",
            "message": message,
            "done": True,
            "done_reason": "stop",
            "prompt_eval_count": 9,
            "eval_count": 5,
        }
    ).encode()


def read(body: Json) -> Reading:
    """Read a request as the server does."""
    reading = Reading(items=list(_items(body["messages"])))
    for tool in body.get("tools", ()):
        assert tool["type"] == "function"
        function = tool["function"]
        assert "$ref" not in json.dumps(function["parameters"]), "the server drops references"
        reading.tools[function["name"]] = SentTool(
            function.get("description", ""), function["parameters"]
        )
    reading.stop = tuple(body.get("options", {}).get("stop", ()))
    match body.get("format"):
        case None:
            pass
        case "json":
            reading.shape = {}
        case dict(schema):
            reading.shape = schema
        case other:
            raise AssertionError(f"no such format: {other}")
    return reading


def _items(messages: list[Json]) -> Iterator[Item]:
    """Read messages; results follow the calls in their order, since names may be equal."""
    waiting: list[tuple[str, str]] = []
    for message in messages:
        content = message["content"]
        assert isinstance(content, str), "a message has one text"
        if message["role"] == "tool":
            assert waiting, "a result must follow its call"
            expected = waiting.pop(0)
            assert (message["tool_call_id"], message["tool_name"]) == expected
            # The format has no flag for it.
            failed = content.lower().startswith("error")
            yield Item(
                Speaker.TOOL,
                Kind.RESULT,
                content,
                call_id=expected[0],
                failed=failed,
                in_words=failed,
            )
            continue
        assert not waiting, "a call must be answered before anything else is said"
        speaker = _SPEAKERS[message["role"]]
        for image in message.get("images", ()):
            data = base64.b64decode(image, validate=True)
            kinds = [kind for start, kind in _IMAGES.items() if data.startswith(start)]
            assert kinds, "pictures of other types are refused"
            yield Item(speaker, Kind.IMAGE, image, media_type=kinds[0])
        if message.get("thinking"):
            yield Item(speaker, Kind.THOUGHT, message["thinking"])
        if content:
            yield Item(speaker, Kind.TEXT, content)
        for call in message.get("tool_calls", ()):
            function = call["function"]
            waiting.append((call["id"], function["name"]))
            yield Item(
                speaker,
                Kind.CALL,
                json.dumps(function["arguments"]),
                name=function["name"],
                call_id=call["id"],
            )
    assert not waiting, "a call must be answered"
