"""Compare what else is asked with what the other side was told: tools, choice, shape, stops."""

from __future__ import annotations

import json
from typing import Any, Final

from google.protobuf import json_format

from fidelity.findings import Findings, State
from fidelity.reading import Json, Kind, Reading, Speaker
from trunkline.inference.v1 import chat_pb2, message_pb2

_MODES: Final = {
    message_pb2.ToolChoice.MODE_AUTO: "auto",
    message_pb2.ToolChoice.MODE_NONE: "none",
    message_pb2.ToolChoice.MODE_REQUIRED: "required",
}


def compare_asking(request: chat_pb2.ChatRequest, reading: Reading, findings: Findings) -> None:
    """Add what became of each setting.

    Args:
        request: as asked.
        reading: of what was sent.
        findings: takes it.
    """
    _compare_choice(request, reading, findings)
    for index, tool in enumerate(request.tools):
        _compare_tool(f"tools[{index}]", tool, request, reading, findings)
    offered = {tool.name for tool in request.tools}
    findings.check(not offered or set(reading.tools) <= offered, "a tool is made up")
    if not offered and any(item.kind is Kind.CALL for item in reading.items):
        findings.add("tools", State.RETOLD if reading.tools else State.KEPT)
        findings.check(not reading.tools or reading.mode == "none", "a tool may be called")
    for index, stop in enumerate(request.sampling.stop):
        state = State.KEPT if stop in reading.stop else State.LOST
        findings.add(f"sampling.stop[{index}]", state)
    findings.check(
        [stop for stop in request.sampling.stop if stop in reading.stop] == list(reading.stop),
        "stop sequences are others",
    )
    _compare_shape(request, reading, findings)


def _compare_choice(request: chat_pb2.ChatRequest, reading: Reading, findings: Findings) -> None:
    """Add what became of the choice among the tools."""
    choice = request.tool_choice
    none = choice.mode == message_pb2.ToolChoice.MODE_NONE
    if choice.mode:
        state = State.LOST
        if reading.mode == _MODES[choice.mode]:
            state = State.KEPT
        elif none and not reading.tools:
            state = State.RETOLD
        # To decide is what a model does unless it is told otherwise.
        free = choice.mode == message_pb2.ToolChoice.MODE_AUTO and not reading.mode
        findings.add("tool_choice.mode", State.KEPT if free else state)
    if choice.allowed:
        state = State.LOST
        if sorted(reading.allowed) == sorted(choice.allowed):
            state = State.KEPT
        elif set(reading.tools) == set(choice.allowed):
            state = State.RETOLD
        findings.add("tool_choice.allowed", state)
    if choice.HasField("parallel"):
        state = State.KEPT if reading.parallel == choice.parallel else State.LOST
        findings.add("tool_choice.parallel", state)


def _compare_tool(
    path: str,
    tool: message_pb2.Tool,
    request: chat_pb2.ChatRequest,
    reading: Reading,
    findings: Findings,
) -> None:
    """Add what became of a tool; one that may not be called need not be there."""
    choice = request.tool_choice
    sent = reading.tools.get(tool.name)
    if sent is None:
        barred = choice.mode == message_pb2.ToolChoice.MODE_NONE
        barred |= bool(choice.allowed) and tool.name not in choice.allowed
        findings.check(barred, f"{path} is lost")
        return
    findings.check(sent.description == tool.description, f"{path}.description is another")
    name = tool.WhichOneof("schema") or "parameters_json"
    findings.add(f"{path}.{name}", State.KEPT if _is_schema(tool, sent.schema) else State.LOST)
    if tool.strict:
        findings.add(f"{path}.strict", State.KEPT if sent.strict else State.LOST)
    if tool.HasField("cache"):
        findings.add(f"{path}.cache", State.KEPT if sent.marked else State.WITHHELD)


def _is_schema(tool: message_pb2.Tool, sent: Json | None) -> bool:
    """Tell whether a schema says the same, its keys in the same order."""
    match tool.WhichOneof("schema"):
        case None:
            return sent is None or not sent.get("properties")
        case "parameters_json":
            wanted = json.loads(tool.parameters_json)
            return _same(sent, wanted) or _same(sent, _written_out(wanted, wanted))
    return sent == json_format.MessageToDict(tool.parameters)


def _compare_shape(request: chat_pb2.ChatRequest, reading: Reading, findings: Findings) -> None:
    """Add what became of the shape that the answer must have."""
    form = request.response_format
    kind = form.WhichOneof("kind")
    if kind is None:
        findings.check(reading.shape is None, "a shape is made up")
        return
    path = f"response_format.{kind}"
    words = [item.text for item in reading.items if item.speaker is Speaker.SYSTEM]
    if kind == "json_object":
        told = any("JSON" in text for text in words)
        state = State.RETOLD if told else State.LOST
        findings.add(path, State.KEPT if reading.shape == {} else state)
        return
    asked = form.json_schema
    if asked.schema_json:
        wanted = json.loads(asked.schema_json)
        same = _same(reading.shape, wanted)
    else:
        wanted = json_format.MessageToDict(asked.schema)
        same = reading.shape == wanted
    state = State.LOST
    if same:
        state = State.KEPT
    elif reading.shape and _names(reading.shape) == _names(wanted):
        # What is left of the bounds stands in words.
        state = State.RETOLD
    elif any(all(name in text for name in _names(wanted)) for text in words):
        state = State.RETOLD
    findings.add(path, state)


def _names(schema: Json) -> list[str]:
    """Return the names of an object's properties."""
    return list(schema["properties"])


def _same(one: Any, other: Any) -> bool:
    """Tell whether two values are the same, down to the order of keys."""
    return json.dumps(one) == json.dumps(other)


def _written_out(value: Any, schema: Json) -> Any:
    """Return a schema with what it refers to in the place of the references."""
    if isinstance(value, list):
        return [_written_out(each, schema) for each in value]
    if not isinstance(value, dict):
        return value
    if "$ref" in value:
        return _written_out(schema["$defs"][value["$ref"].removeprefix("#/$defs/")], schema)
    return {key: _written_out(each, schema) for key, each in value.items() if key != "$defs"}
