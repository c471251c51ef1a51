"""Translate tools and the choice among them; both are flat here."""

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


def add_tools(body: Json, request: chat_pb2.ChatRequest, losses: Losses) -> None:
    """Add the tools and the choice among them to a request's body.

    Args:
        body: the body so far.
        request: has at least one tool.
        losses: takes what is left out.
    """
    choice = request.tool_choice
    allowed = choice.allowed[:]
    required = choice.mode == message_pb2.ToolChoice.MODE_REQUIRED
    chosen: str | Json | None = _MODES.get(choice.mode)
    if allowed and choice.mode != message_pb2.ToolChoice.MODE_NONE:
        if required and len(allowed) == 1:
            chosen = {"type": "function", "name": allowed[0]}
        else:
            chosen = {
                "type": "allowed_tools",
                "mode": "required" if required else "auto",
                "tools": [{"type": "function", "name": name} for name in allowed],
            }
    body["tools"] = [
        _tool(f"tools[{index}]", tool, losses) for index, tool in enumerate(request.tools[:])
    ]
    if chosen is not None:
        body["tool_choice"] = chosen
    if choice.HasField("parallel"):
        body["parallel_tool_calls"] = choice.parallel


def _tool(path: str, tool: message_pb2.Tool, losses: Losses) -> Json:
    """Translate one tool."""
    sent: Json = {"type": "function", "name": tool.name}
    if tool.description:
        sent["description"] = tool.description
    sent["parameters"] = arguments_schema(tool)
    # Unlike in Chat Completions its absence means yes.
    sent["strict"] = tool.strict
    if tool.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    return sent
