"""Translate tools, and as far as that goes the choice among them."""

from __future__ import annotations

from typing import Final

import msgspec

from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.ollama.references import inline
from trunkline.inference.adapters.schemas import arguments_schema
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

_NOT_STRICT: Final = "Ollama does not hold a model to the schema of a tool."
_NO_REFERENCES: Final = (
    "Ollama drops references from the schema of a tool, and this one cannot be written without."
)
_NONE_ARE_SENT: Final = "Ollama knows no tool choice; the tools are not sent."
_NOT_REQUIRED: Final = "Ollama knows no tool choice; the model decides."
_NO_SUBSET: Final = "Ollama knows no tool choice; the other tools are not sent."
_NOT_SINGLE: Final = "Ollama cannot be kept from calling several tools in one turn."


def add_tools(body: Json, request: chat_pb2.ChatRequest, losses: Losses) -> None:
    """Add the tools to a request's body.

    Ollama has no tool choice (https://github.com/ollama/ollama/issues/8421): what may not be
    called must not be sent.

    Args:
        body: the body so far.
        request: has at least one tool.
        losses: takes what is left out or carried in another form.
    """
    choice = request.tool_choice
    tools = list(enumerate(request.tools[:]))
    if choice.mode == message_pb2.ToolChoice.MODE_NONE:
        losses.translated("tool_choice.mode", _NONE_ARE_SENT)
        return
    if choice.mode == message_pb2.ToolChoice.MODE_REQUIRED:
        losses.dropped("tool_choice.mode", _NOT_REQUIRED)
    if choice.allowed:
        losses.translated("tool_choice.allowed", _NO_SUBSET)
        tools = [(index, tool) for index, tool in tools if tool.name in choice.allowed]
    if choice.HasField("parallel") and not choice.parallel:
        losses.dropped("tool_choice.parallel", _NOT_SINGLE)
    body["tools"] = [_tool(f"tools[{index}]", tool, losses) for index, tool in tools]


def _tool(path: str, tool: message_pb2.Tool, losses: Losses) -> Json:
    """Translate one tool."""
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = _parameters(path, tool, losses)
    if tool.strict:
        losses.dropped(f"{path}.strict", _NOT_STRICT)
    if tool.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    return {"type": "function", "function": function}


def _parameters(path: str, tool: message_pb2.Tool, losses: Losses) -> msgspec.Raw | Json:
    """Return the schema of a tool's arguments, without references where it has some."""
    schema = arguments_schema(tool)
    text = schema if isinstance(schema, msgspec.Raw) else msgspec.Raw(msgspec.json.encode(schema))
    if b'"$ref"' not in bytes(text):
        return text
    inlined = inline(bytes(text))
    if inlined is None:
        losses.dropped(f"{path}.{tool.WhichOneof('schema')}", _NO_REFERENCES)
        return text
    return inlined
