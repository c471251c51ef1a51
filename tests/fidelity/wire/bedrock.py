"""Converse: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html.

As a Claude takes it, whose name is in the address.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any, Final

from fidelity.reading import Item, Json, Kind, Reading, Said, SentTool, Speaker

# Thoughts without a proof come from other models of the vendor's, such as DeepSeek.
SAYS: Final = frozenset(
    {"text", "cited text", "call", "thought", "signed thought", "sealed thought"}
)

MAX_MARKS: Final = 4

_ID: Final = re.compile(r"[a-zA-Z0-9_.:-]{1,64}")
_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
# Blanks stand alone.
_DOCUMENT_NAME: Final = re.compile(r"(?!.*\s\s)[A-Za-z0-9\s()\[\]-]{1,200}")
_IMAGES: Final = frozenset({"png", "jpeg", "gif", "webp"})
_DOCUMENTS: Final = frozenset({"pdf", "csv", "doc", "docx", "xls", "xlsx", "html", "txt", "md"})
_SPEAKERS: Final = {"user": Speaker.USER, "assistant": Speaker.MODEL}
_MARK: Final = "cachePoint"


def answer(said: Sequence[Said]) -> bytes:
    """Write an answer as one document."""
    called = any(each.kind is Kind.CALL for each in said)
    message = {"role": "assistant", "content": [_block(each) for each in said]}
    return json.dumps(
        {
            "output": {"message": message},
            "stopReason": "tool_use" if called else "end_turn",
            "usage": {"inputTokens": 9, "outputTokens": 5, "totalTokens": 14},
            "metrics": {"latencyMs": 2202},
        }
    ).encode()


def read(body: Json) -> Reading:
    """Read a request as the vendor does."""
    reading = Reading(items=list(_blocks(Speaker.SYSTEM, body.get("system", []))))
    assert all(item.kind is Kind.TEXT for item in reading.items)
    messages = body["messages"]
    _check_turns(messages)
    _check_documents(messages)
    for message in messages:
        reading.items += _blocks(_SPEAKERS[message["role"]], message["content"])
    config = body.get("toolConfig", {})
    assert config or '"toolUse"' not in json.dumps(messages), "calls need their tools"
    assert not config or config["tools"], "a list of tools is not empty"
    for tool in config.get("tools", ()):
        _tool(tool, reading)
    further = body.get("additionalModelRequestFields", {})
    match config.get("toolChoice") or further.get("tool_choice"):
        case None:
            pass
        case {"tool": {"name": str(name)}}:
            reading.mode, reading.allowed = "required", (name,)
        case {"any": {}}:
            reading.mode = "required"
        case {"auto": {}}:
            reading.mode = "auto"
        case {"type": "none"}:
            # What Anthropic has for it goes to a Claude as it is.
            reading.mode = "none"
        case other:
            raise AssertionError(f"no such tool choice: {other}")
    assert set(reading.allowed) <= set(reading.tools)
    reading.stop = tuple(body.get("inferenceConfig", {}).get("stopSequences", ()))
    assert all(stop.strip() for stop in reading.stop), "a blank stop sequence is refused"
    held = body.get("outputConfig", {}).get("textFormat")
    if held is not None:
        assert held["type"] == "json_schema"
        reading.shape = json.loads(held["structure"]["jsonSchema"]["schema"])
    assert json.dumps(body).count(f'"{_MARK}"') <= MAX_MARKS
    return reading


def _block(said: Said) -> Json:
    """Write a block of an answer."""
    match said.kind:
        case Kind.TEXT if said.cited:
            cited = {
                "title": "The report",
                "sourceContent": [{"text": said.cited}],
                "location": {"documentChar": {"documentIndex": 0, "start": 0, "end": 9}},
            }
            return {"citationsContent": {"content": [{"text": said.text}], "citations": [cited]}}
        case Kind.TEXT:
            return {"text": said.text}
        case Kind.CALL:
            arguments = json.loads(said.text or "{}")
            called = {"toolUseId": said.call_id, "name": said.name, "input": arguments}
            return {"toolUse": called}
        case Kind.THOUGHT:
            thought = {"text": said.text}
            if said.signature:
                thought["signature"] = said.signature
            return {"reasoningContent": {"reasoningText": thought}}
        case Kind.SEALED:
            return {"reasoningContent": {"redactedContent": said.signature}}
        case other:
            raise AssertionError(f"the vendor has no {other}")


def _tool(tool: Json, reading: Reading) -> None:
    """Read a tool, or the mark of the one before."""
    if _MARK in tool:
        name, marked = list(reading.tools.items())[-1]
        reading.tools[name] = replace(marked, marked=True)
        return
    spec = tool["toolSpec"]
    assert _NAME.fullmatch(spec["name"])
    assert spec.get("description") != "", "a description is not empty"
    schema = spec["inputSchema"]["json"]
    assert schema["type"] == "object"
    reading.tools[spec["name"]] = SentTool(
        spec.get("description", ""), schema, strict=spec.get("strict", False)
    )


def _check_turns(messages: list[Json]) -> None:
    """Check that user and model take turns, and that calls are answered at once and alone."""
    roles = [message["role"] for message in messages]
    assert roles == [("user", "assistant")[place % 2] for place in range(len(roles))]
    assert all(message["content"] for message in messages), "an empty message is refused"
    for message, following in pairwise([*messages, {"role": "user", "content": []}]):
        calls = [each["toolUse"]["toolUseId"] for each in message["content"] if "toolUse" in each]
        kinds = ["toolResult" in each for each in following["content"] if _MARK not in each]
        answers = [
            each["toolResult"]["toolUseId"] for each in following["content"] if "toolResult" in each
        ]
        assert all(kinds[: len(answers)]), "results come first"
        assert sorted(calls) == sorted(answers), "the calls, and only these, must be answered"
        assert len(set(calls)) == len(calls)


def _check_documents(messages: list[Json]) -> None:
    """Check the names of documents, and what stands beside them."""
    names: list[str] = []
    for message in messages:
        blocks = message["content"]
        beside = [each["document"] for each in blocks if "document" in each]
        assert not beside or any("text" in each for each in blocks), "a document needs a text"
        results = [each["toolResult"] for each in blocks if "toolResult" in each]
        assert not (beside and results), "a Claude takes no document beside a result"
        inside = [each for result in results for each in result["content"]]
        beside += [each["document"] for each in inside if "document" in each]
        names += [document["name"] for document in beside]
    assert all(map(_DOCUMENT_NAME.fullmatch, names)), names
    assert len(set(names)) == len(names), "the names of documents differ"


def _blocks(speaker: Speaker, blocks: list[Any]) -> Iterator[Item]:
    """Read blocks; a mark belongs to the one before."""
    last: Item | None = None
    for block in blocks:
        if _MARK in block:
            assert last is not None, "a mark stands after something"
            last = replace(last, marked=True)
            continue
        if last is not None:
            yield last
        last = _item(speaker, block)
    if last is not None:
        yield last


def _item(speaker: Speaker, block: Json) -> Item:
    """Read a block of a message, a result or the system prompt."""
    match block:
        case {"text": str(text)}:
            assert text.strip() or speaker is Speaker.TOOL, "a blank text is refused"
            return Item(speaker, Kind.TEXT, text)
        case {"image": {"format": str(kind), "source": {"bytes": str(data)}}}:
            assert speaker is not Speaker.MODEL
            assert kind in _IMAGES
            base64.b64decode(data, validate=True)
            return Item(speaker, Kind.IMAGE, data, media_type=f"image/{kind}")
        case {"document": {"format": str(kind), "name": str(name), "source": {"bytes": str(data)}}}:
            assert speaker is not Speaker.MODEL
            assert kind in _DOCUMENTS
            base64.b64decode(data, validate=True)
            return Item(speaker, Kind.DOCUMENT, data, name=name)
        case {"toolUse": {"toolUseId": str(call_id), "name": str(name), "input": dict(given)}}:
            assert speaker is Speaker.MODEL
            assert _ID.fullmatch(call_id), call_id
            assert _NAME.fullmatch(name), name
            return Item(speaker, Kind.CALL, json.dumps(given), name=name, call_id=call_id)
        case {"toolResult": {"toolUseId": str(call_id), "content": list(content)} as result}:
            assert speaker is Speaker.USER
            inside = list(_blocks(Speaker.TOOL, content))
            return Item(
                Speaker.TOOL,
                Kind.RESULT,
                "\n".join(item.text for item in inside if item.kind is Kind.TEXT),
                call_id=call_id,
                failed=result.get("status") == "error",
                inside=tuple(item for item in inside if item.kind is not Kind.TEXT),
            )
        case {"reasoningContent": {"reasoningText": {"text": str(text), "signature": str(proof)}}}:
            assert speaker is Speaker.MODEL
            return Item(speaker, Kind.THOUGHT, text, signature=proof)
        case {"reasoningContent": {"redactedContent": str(proof)}}:
            assert speaker is Speaker.MODEL
            return Item(speaker, Kind.SEALED, signature=proof)
    raise AssertionError(f"no such block of {speaker}: {block}")
