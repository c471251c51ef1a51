"""Translate tools and the choice among them.

Source: https://platform.claude.com/docs/en/api/messages, `tools` and `tool_choice`.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.anthropic.abilities import Abilities
from trunkline.inference.adapters.anthropic.marks import Marks
from trunkline.inference.adapters.anthropic.shapes import fit
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.schemas import arguments_schema
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

MAX_STRICT: Final = 20
"""How many tools may be strict."""

_NONE: Final = message_pb2.ToolChoice.MODE_NONE
_REQUIRED: Final = message_pb2.ToolChoice.MODE_REQUIRED

_NO_SUBSET: Final = "The provider takes no choice among some tools; the others are not sent."
_NO_FORCE: Final = "The model cannot be made to call a tool; it decides."
_NOT_STRICT: Final = "The model holds no schema."
_TOO_MANY: Final = f"The provider takes {MAX_STRICT} strict tools; the first are strict."
_MISFIT: Final = "The provider cannot hold the model to all of this schema."
_CALLED_BEFORE: Final = (
    "The provider wants the tools that the transcript names; they are sent, and none may be called."
)


def is_forced(request: chat_pb2.ChatRequest, abilities: Abilities) -> bool:
    """Tell whether a tool must be called, and the model can be made to."""
    return bool(request.tools) and request.tool_choice.mode == _REQUIRED and abilities.forced_choice


def translate_tools(
    request: chat_pb2.ChatRequest,
    abilities: Abilities,
    marks: Marks,
    losses: Losses,
    *,
    forced: bool,
) -> list[Json]:
    """Return the tools as the format has them; none when there are none.

    Args:
        request: what is asked.
        abilities: of the model.
        marks: takes the cache marks.
        losses: takes what is left out or carried in another form.
        forced: as `is_forced` says.
    """
    choice = request.tool_choice
    allowed = set(choice.allowed)
    if choice.mode == _NONE or (forced and len(allowed) == 1):
        allowed = set()
    if allowed:
        losses.translated("tool_choice.allowed", _NO_SUBSET)
    tools: list[Json] = []
    strict = 0
    for index, tool in enumerate(request.tools[:]):
        if allowed and tool.name not in allowed:
            continue
        path = f"tools[{index}]"
        sent: Json = {"name": tool.name}
        if tool.description:
            sent["description"] = tool.description
        sent["input_schema"] = schema = arguments_schema(tool)
        if tool.strict:
            fitted = fit(schema) if abilities.schemas and strict < MAX_STRICT else None
            if fitted is not None and not fitted.widened:
                sent["input_schema"] = fitted.schema
                sent["strict"] = True
                strict += 1
            elif not abilities.schemas:
                losses.dropped(f"{path}.strict", _NOT_STRICT)
            else:
                losses.dropped(f"{path}.strict", _TOO_MANY if strict >= MAX_STRICT else _MISFIT)
        if tool.HasField("cache"):
            marks.put(sent, path, tool.cache)
        tools.append(sent)
    return tools


def translate_choice(
    choice: message_pb2.ToolChoice, *, forced: bool, losses: Losses
) -> Json | None:
    """Return the choice among the tools as the format has it; None when nothing is said.

    Args:
        choice: of a request that has tools.
        forced: as `is_forced` says.
        losses: takes what is carried in another form.
    """
    chosen: Json | None = None
    if choice.mode == _NONE:
        return {"type": "none"}
    if forced and len(choice.allowed) == 1:
        chosen = {"type": "tool", "name": choice.allowed[0]}
    elif forced:
        chosen = {"type": "any"}
    elif choice.mode != message_pb2.ToolChoice.MODE_UNSPECIFIED or choice.HasField("parallel"):
        chosen = {"type": "auto"}
    if choice.mode == _REQUIRED and not forced:
        losses.translated("tool_choice.mode", _NO_FORCE)
    if chosen is not None and choice.HasField("parallel"):
        chosen["disable_parallel_tool_use"] = not choice.parallel
    return chosen


def tools_called(names: list[str], losses: Losses) -> list[Json]:
    """Return tools for a transcript with calls in a request without tools.

    Such a request is refused (https://github.com/anthropics/anthropic-sdk-python/issues/494).

    Args:
        names: of the tools that were called, each once.
        losses: takes what is carried in another form.
    """
    losses.translated("tools", _CALLED_BEFORE)
    return [{"name": name, "input_schema": {"type": "object"}} for name in names]
