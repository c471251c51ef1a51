"""Translate tools and the choice among them."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.schemas import arguments_schema
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

_MODES: Final[dict[int, str]] = {
    message_pb2.ToolChoice.MODE_AUTO: "auto",
    message_pb2.ToolChoice.MODE_NONE: "none",
    message_pb2.ToolChoice.MODE_REQUIRED: "required",
}

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


def _tool(path: str, tool: message_pb2.Tool, losses: Losses, *, first_party: bool) -> Json:
    """Translate one tool."""
    function: Json = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    function["parameters"] = arguments_schema(tool)
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
