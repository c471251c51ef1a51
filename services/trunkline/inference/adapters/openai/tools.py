"""Translate tools and the choice among them."""

from __future__ import annotations

from typing import Final

import msgspec

from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.openai.service import Service
from trunkline.inference.adapters.schemas import arguments_schema
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

_MODES: Final[dict[int, str]] = {
    message_pb2.ToolChoice.MODE_AUTO: "auto",
    message_pb2.ToolChoice.MODE_NONE: "none",
}

_MARKS: Final = frozenset({"$id", "$schema"})

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode

_NO_TOOLS: Final = "The service takes no tools."
_NO_CHOICE: Final = "The service takes no choice among tools."
_NOT_NOW: Final = "The service takes no choice among tools; none are sent."
_NOT_PARALLEL: Final = "The service does not let calls at once be switched on or off."
_NOT_STRICT: Final = "Services that imitate Chat Completions refuse or ignore `strict` on tools."
_NO_SUBSET: Final = "The provider takes no choice among some tools; the others are not sent."


def add_tools(body: Json, request: chat_pb2.ChatRequest, losses: Losses, service: Service) -> None:
    """Add the tools and the choice among them to a request's body.

    Args:
        body: the body so far.
        request: has at least one tool.
        losses: takes what is left out or carried in another form.
        service: that is asked.
    """
    if "tools" in service.refused:
        losses.dropped("tools", _NO_TOOLS)
        return
    choice = request.tool_choice
    allowed = choice.allowed[:]
    required = choice.mode == message_pb2.ToolChoice.MODE_REQUIRED
    tools = list(enumerate(request.tools[:]))
    chosen: str | Json | None = service.required if required else _MODES.get(choice.mode)
    if allowed and choice.mode != message_pb2.ToolChoice.MODE_NONE:
        if required and len(allowed) == 1 and "tool_choice" not in service.refused:
            chosen = {"type": "function", "function": {"name": allowed[0]}}
        elif service.subsets:
            chosen = _subset(allowed, "required" if required else "auto")
        else:
            tools = [(index, tool) for index, tool in tools if tool.name in allowed]
            losses.translated("tool_choice.allowed", _NO_SUBSET)
    if "tool_choice" in service.refused:
        if choice.mode == message_pb2.ToolChoice.MODE_NONE:
            losses.translated("tool_choice.mode", _NOT_NOW)
            return
        if required:
            losses.dropped("tool_choice.mode", _NO_CHOICE)
        if choice.HasField("parallel"):
            losses.dropped("tool_choice.parallel", _NOT_PARALLEL)
        chosen = None
    elif choice.HasField("parallel"):
        body["parallel_tool_calls"] = choice.parallel
    body["tools"] = [_tool(f"tools[{index}]", tool, losses, service) for index, tool in tools]
    if chosen is not None:
        body["tool_choice"] = chosen


def _tool(path: str, tool: message_pb2.Tool, losses: Losses, service: Service) -> Json:
    """Translate one tool."""
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    schema = arguments_schema(tool)
    function["parameters"] = _bare(schema) if service.bare_schemas else schema
    if tool.strict and service.strict_tools:
        function["strict"] = True
    elif tool.strict:
        losses.dropped(f"{path}.strict", _NOT_STRICT)
    if tool.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    return {"type": "function", "function": function}


def _bare(schema: msgspec.Raw | Json) -> Json:
    """Return a schema without what says which schema it is; all else stays as it is written."""
    fields: Json = _fields(schema) if isinstance(schema, msgspec.Raw) else schema
    return {key: value for key, value in fields.items() if key not in _MARKS}


def _subset(allowed: list[str], mode: str) -> Json:
    """Translate a choice among some tools, which leaves the prompt and its cache as they are."""
    tools = [{"type": "function", "function": {"name": name}} for name in allowed]
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": tools}}
