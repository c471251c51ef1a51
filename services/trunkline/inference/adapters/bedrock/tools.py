"""Translate tools and the choice among them.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolConfiguration.html.
"""

from __future__ import annotations

from typing import Any, Final

from trunkline.inference.adapters.anthropic.shapes import fit
from trunkline.inference.adapters.bedrock.families import TOOLS, Family
from trunkline.inference.adapters.bedrock.marks import Marks
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.schemas import arguments_schema
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

_NONE: Final = message_pb2.ToolChoice.MODE_NONE
_REQUIRED: Final = message_pb2.ToolChoice.MODE_REQUIRED

_NO_SUBSET: Final = "The provider takes no choice among some tools; the others are not sent."
_NO_FORCE: Final = "The model cannot be made to call a tool; it decides."
_NO_BAN: Final = "The provider cannot keep the model from calling tools; they are not sent."
_CALLED_BEFORE: Final = "The provider wants the tools that the transcript names; they are sent."
_NOT_STRICT: Final = "The model holds no schema, or not all of this one."
_NO_PARALLEL: Final = "The provider has no such setting."


def forced_tools(request: chat_pb2.ChatRequest, family: Family) -> Json | None:
    """Return the choice by which a tool must be called; None: none must, or none can be made to.

    Args:
        request: what is asked.
        family: of the model.
    """
    choice = request.tool_choice
    claude = family.claude
    if not request.tools or choice.mode != _REQUIRED or (claude and not claude.forced_choice):
        return None
    if len(choice.allowed) == 1 and "tool" in family.choices:
        return {"tool": {"name": family.names.wire(choice.allowed[0])}}
    return {"any": {}} if "any" in family.choices else None


def tool_config(
    request: chat_pb2.ChatRequest,
    called: list[str],
    family: Family,
    marks: Marks,
    losses: Losses,
    *,
    forced: Json | None,
) -> Json | None:
    """Return the tools and the choice among them; None: there are none.

    Args:
        request: what is asked.
        called: names of the tools that the transcript calls, as sent. Such a transcript is
            refused without tools (https://github.com/langgenius/dify/issues/17545).
        family: of the model.
        marks: takes the cache marks.
        losses: takes what is left out or carried in another form.
        forced: as `forced_tools` says.
    """
    choice = request.tool_choice
    # Anthropic's own field keeps a Claude from calling.
    is_banned = choice.mode == _NONE and family.claude is None
    tools: list[Any] = []
    if request.tools and is_banned:
        losses.translated("tool_choice.mode", _NO_BAN)
    else:
        _add_tools(tools, request, family, marks, losses, forced=forced)
    if not tools and called:
        losses.translated("tools", _CALLED_BEFORE)
        tools = [{"toolSpec": {"name": name, "inputSchema": _ANYTHING}} for name in called]
    if not tools:
        return None
    marks.put_by_default(tools, TOOLS)
    config: Json = {"tools": tools}
    if forced is not None:
        config["toolChoice"] = forced
    elif request.tools and choice.mode == _REQUIRED:
        losses.translated("tool_choice.mode", _NO_FORCE)
    if request.tools and choice.HasField("parallel") and not choice.parallel:
        losses.dropped("tool_choice.parallel", _NO_PARALLEL)
    return config


def bans_calls(request: chat_pb2.ChatRequest, called: list[str]) -> bool:
    """Tell whether there are tools of which none may be called."""
    return bool(called) if not request.tools else request.tool_choice.mode == _NONE


def names_of(request: chat_pb2.ChatRequest, family: Family) -> dict[str, str]:
    """Return what tools are called here, by what they are called there, where these differ."""
    wired = {family.names.wire(tool.name): tool.name for tool in request.tools}
    return {wire: name for wire, name in wired.items() if wire != name}


_ANYTHING: Final[Json] = {"json": {"type": "object"}}


def _add_tools(
    tools: list[Any],
    request: chat_pb2.ChatRequest,
    family: Family,
    marks: Marks,
    losses: Losses,
    *,
    forced: Json | None,
) -> None:
    """Add the tools that may be called."""
    choice = request.tool_choice
    allowed = set(choice.allowed)
    if choice.mode == _NONE or (forced is not None and "tool" in forced):
        allowed = set()
    if allowed:
        losses.translated("tool_choice.allowed", _NO_SUBSET)
    for index, tool in enumerate(request.tools[:]):
        if allowed and tool.name not in allowed:
            continue
        path = f"tools[{index}]"
        spec: Json = {"name": family.names.wire(tool.name)}
        if spec["name"] != tool.name:
            losses.translated(f"{path}.name", family.names.reason)
        if tool.description and not tool.description.isspace():
            spec["description"] = tool.description
        schema = arguments_schema(tool)
        fitted = fit(schema) if tool.strict and family.schemas else None
        if fitted is not None and not fitted.widened:
            spec["strict"] = True
            schema = fitted.schema
        elif tool.strict:
            losses.dropped(f"{path}.strict", _NOT_STRICT)
        spec["inputSchema"] = {"json": schema}
        tools.append({"toolSpec": spec})
        if tool.HasField("cache"):
            marks.put(tools, TOOLS, path, tool.cache)
