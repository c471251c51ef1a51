"""The Gemini API: https://ai.google.dev/api/generate-content."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

from fidelity.reading import Item, Json, Kind, Reading, Said, SentTool, Speaker

SAYS: Final = frozenset(
    {
        "text",
        "signed text",
        "call",
        "signed call",
        "thought",
        "signed thought",
        "the vendor's own block",
    }
)

MAX_STOP: Final = 5

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_SPEAKERS: Final = {"user": Speaker.USER, "model": Speaker.MODEL}

# What the guide to thought signatures gives for a call that none was issued for, in base64.
_NO_SIGNATURE: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
_SIGNATURE: Final = "c2lnbmVkLWJ5LWdlbWluaQ=="


def answer(said: Sequence[Said]) -> bytes:
    """Write an answer as one document; the first call of a turn is signed."""
    parts = [_part(each) for each in said]
    for part in parts:
        if "functionCall" in part:
            part.setdefault("thoughtSignature", _SIGNATURE)
            break
    candidate = {"content": {"parts": parts, "role": "model"}, "finishReason": "STOP", "index": 0}
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 5, "totalTokenCount": 14}
    return json.dumps({"candidates": [candidate], "usageMetadata": usage}).encode()


def read(body: Json) -> Reading:
    """Read a request as the vendor does."""
    reading = Reading()
    for part in body.get("systemInstruction", {}).get("parts", ()):
        assert set(part) == {"text"}
        reading.items.append(Item(Speaker.SYSTEM, Kind.TEXT, part["text"]))
    _check_turns(body["contents"])
    for turn in body["contents"]:
        reading.items += _parts(_SPEAKERS[turn["role"]], turn["parts"])
    for tool in body.get("tools", ()):
        for declared in tool["functionDeclarations"]:
            assert _NAME.fullmatch(declared["name"])
            reading.tools[declared["name"]] = SentTool(
                declared.get("description", ""), declared.get("parametersJsonSchema")
            )
    choice = body.get("toolConfig", {}).get("functionCallingConfig", {})
    assert not choice or reading.tools
    mode = choice.get("mode", "")
    reading.mode = {"": "", "NONE": "none", "ANY": "required"}.get(mode, "auto")
    if mode in ("ANY", "VALIDATED"):
        # In these modes calls are held to their schemas.
        reading.tools = {
            name: SentTool(tool.description, tool.schema, strict=True)
            for name, tool in reading.tools.items()
        }
    reading.allowed = tuple(choice.get("allowedFunctionNames", ()))
    assert not reading.allowed or mode in ("ANY", "VALIDATED"), "names are refused in this mode"
    config = body.get("generationConfig", {})
    reading.stop = tuple(config.get("stopSequences", ()))
    assert len(reading.stop) <= MAX_STOP, "too many stop sequences are refused"
    if config.get("responseMimeType") == "application/json":
        reading.shape = config.get("responseJsonSchema", {})
    return reading


def _part(said: Said) -> Json:
    """Write a part of an answer."""
    part: Json
    match said.kind:
        case Kind.TEXT:
            part = {"text": said.text}
        case Kind.THOUGHT:
            part = {"text": said.text, "thought": True}
        case Kind.CALL:
            arguments = json.loads(said.text or "{}")
            part = {"functionCall": {"id": said.call_id, "name": said.name, "args": arguments}}
        case Kind.OWN:
            part = {"executableCode": {"language": "PYTHON", "code": said.text}}
        case other:
            raise AssertionError(f"the vendor has no {other}")
    if said.signature:
        part["thoughtSignature"] = said.signature
    return part


def _check_turns(turns: list[Json]) -> None:
    """Check that user and model take turns, and that calls are answered in their order."""
    assert turns[0]["role"] == "user", "the user speaks first"
    for turn, following in pairwise([*turns, {"role": "user", "parts": []}]):
        assert turn["parts"], "an empty turn is refused"
        calls = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        answers = [
            part["functionResponse"] for part in following["parts"] if "functionResponse" in part
        ]
        assert [(call["id"], call["name"]) for call in calls] == [
            (each["id"], each["name"]) for each in answers
        ], "calls must be answered in the turn that follows"
        signed = [part.get("thoughtSignature") for part in turn["parts"] if "functionCall" in part]
        assert not signed or signed[0], "the first call of a turn is refused without a signature"


def _parts(speaker: Speaker, parts: list[Json]) -> Iterator[Item]:
    """Read the parts of a turn or a result."""
    for part in parts:
        signature = part.get("thoughtSignature", "")
        if signature == _NO_SIGNATURE:
            signature = ""
        match part:
            case {"text": str(text)}:
                kind = Kind.THOUGHT if part.get("thought") else Kind.TEXT
                yield Item(speaker, kind, text, signature=signature)
            case {"inlineData": {"mimeType": str(kind), "data": str(data)}}:
                assert kind != "image/gif", "pictures of this type are refused"
                yield Item(speaker, _kind(kind), data, media_type=kind)
            case {"fileData": {"fileUri": str(url)}}:
                kind = part["fileData"].get("mimeType", "image/")
                yield Item(speaker, _kind(kind), url)
            case {"functionCall": call}:
                assert _NAME.fullmatch(call["name"]), call["name"]
                yield Item(
                    speaker,
                    Kind.CALL,
                    json.dumps(call["args"]),
                    name=call["name"],
                    call_id=call["id"],
                    signature=signature,
                )
            case {"functionResponse": result}:
                response = result["response"]
                ((key, text),) = response.items()
                yield Item(
                    Speaker.TOOL,
                    Kind.RESULT,
                    text,
                    call_id=result["id"],
                    failed=key == "error",
                    inside=tuple(_parts(Speaker.TOOL, result.get("parts", []))),
                )
            case _:
                assert speaker is Speaker.MODEL
                yield Item(speaker, Kind.OWN, json.dumps(part))


def _kind(media_type: str) -> Kind:
    """Tell pictures from documents."""
    return Kind.IMAGE if media_type.startswith("image/") else Kind.DOCUMENT
