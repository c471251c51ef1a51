"""Translate tools, the choice among them, and the schemas that both lean on."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from google.protobuf import struct_pb2

from trunkline.inference.adapters.openai.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.openai.messages import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

# Some services refuse a tool without a schema; this one says that there are no arguments.
_NO_ARGUMENTS: Final[Json] = {"type": "object", "properties": {}, "additionalProperties": False}

_MODES: Final[dict[int, str]] = {
    message_pb2.ToolChoice.MODE_AUTO: "auto",
    message_pb2.ToolChoice.MODE_NONE: "none",
    message_pb2.ToolChoice.MODE_REQUIRED: "required",
}

_MAX_EXACT: Final = 2**53
"""From here on a double no longer tells whole numbers apart."""

_NOT_STRICT: Final = "Services that imitate Chat Completions refuse or ignore `strict` on tools."
_NO_SUBSET: Final = "The provider takes no choice among some tools; the others are not sent."


def add_tools(
    body: Json, request: chat_pb2.ChatRequest, losses: Losses, *, first_party: bool
) -> None:
    """Add the tools and the choice among them to a request's body.

    Args:
        body: the body so far.
        request: has at least one tool.
        losses: takes what is left out or carried in another form.
        first_party: the address is OpenAI's own.
    """
    choice = request.tool_choice
    allowed = choice.allowed[:]
    required = choice.mode == message_pb2.ToolChoice.MODE_REQUIRED
    tools = list(enumerate(request.tools[:]))
    chosen: str | Json | None = _MODES.get(choice.mode)
    if allowed and choice.mode != message_pb2.ToolChoice.MODE_NONE:
        if required and len(allowed) == 1:
            chosen = {"type": "function", "function": {"name": allowed[0]}}
        elif first_party:
            chosen = _subset(allowed, "required" if required else "auto")
        else:
            tools = [(index, tool) for index, tool in tools if tool.name in allowed]
            losses.translated("tool_choice.allowed", _NO_SUBSET)
    body["tools"] = [
        _tool(f"tools[{index}]", tool, losses, first_party=first_party) for index, tool in tools
    ]
    if chosen is not None:
        body["tool_choice"] = chosen
    if choice.HasField("parallel"):
        body["parallel_tool_calls"] = choice.parallel


def schema_of(text: str, schema: struct_pb2.Struct) -> msgspec.Raw | Json:
    """Return a schema for encoding.

    Args:
        text: one whole JSON object, as `transcript.check` has seen to; goes out verbatim, so
            that the order of its keys is kept. Empty: there is none.
        schema: counts when there is no text; its keys are sorted, so that equal requests are
            equal bytes and hit the provider's prompt cache.
    """
    return msgspec.Raw(text.encode()) if text else _sorted_object(schema)


def _tool(path: str, tool: message_pb2.Tool, losses: Losses, *, first_party: bool) -> Json:
    """Translate one tool."""
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    if tool.WhichOneof("schema") is None:
        function["parameters"] = _NO_ARGUMENTS
    else:
        function["parameters"] = schema_of(tool.parameters_json, tool.parameters)
    if tool.strict and first_party:
        function["strict"] = True
    elif tool.strict:
        losses.dropped(f"{path}.strict", _NOT_STRICT)
    if tool.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    return {"type": "function", "function": function}


def _subset(allowed: list[str], mode: str) -> Json:
    """Translate a choice among some tools, which leaves the prompt and its cache as they are."""
    tools = [{"type": "function", "function": {"name": name}} for name in allowed]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}


def _sorted_object(struct: struct_pb2.Struct) -> Json:
    """Return an object with sorted keys, all the way down."""
    return {key: _plain(struct.fields[key]) for key in sorted(struct.fields)}


def _plain(value: struct_pb2.Value) -> Any:
    """Return a JSON value as Python has it; whole numbers without a fraction."""
    match value.WhichOneof("kind"):
        case "struct_value":
            return _sorted_object(value.struct_value)
        case "list_value":
            return [_plain(each) for each in value.list_value.values]
        case "number_value":
            number = value.number_value
            whole = number.is_integer() and abs(number) < _MAX_EXACT
            return int(number) if whole else number
        case "string_value":
            return value.string_value
        case "bool_value":
            return value.bool_value
    return None
