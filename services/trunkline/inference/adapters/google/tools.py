"""Translate tools and the choice among them.

Source: https://ai.google.dev/api/caching#Tool and #FunctionCallingConfig
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.schemas import schema_of
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import chat_pb2, message_pb2

_MODES: Final[dict[int, str]] = {
    message_pb2.ToolChoice.MODE_NONE: "NONE",
    message_pb2.ToolChoice.MODE_REQUIRED: "ANY",
}

_ALWAYS_PARALLEL: Final = "Gemini has no switch for parallel calls."


def add_tools(body: Json, request: chat_pb2.ChatRequest, losses: Losses) -> None:
    """Add the tools and the choice among them to a request's body.

    Args:
        body: the body so far.
        request: has at least one tool; a choice without any is refused by the provider.
        losses: takes what is left out or carried in another form.
    """
    choice = request.tool_choice
    tools = request.tools[:]
    declarations = [_tool(f"tools[{index}]", tool, losses) for index, tool in enumerate(tools)]
    body["tools"] = [{"functionDeclarations": declarations}]
    mode = _MODES.get(choice.mode)
    # Calls are held to their schemas, and names are taken, in the modes ANY and VALIDATED.
    if mode is None and (choice.allowed or any(tool.strict for tool in tools)):
        mode = "VALIDATED"
    if mode is not None:
        config: Json = {"mode": mode}
        if choice.allowed and mode != "NONE":
            config["allowedFunctionNames"] = choice.allowed[:]
        body["toolConfig"] = {"functionCallingConfig": config}
    if choice.HasField("parallel") and not choice.parallel:
        losses.dropped("tool_choice.parallel", _ALWAYS_PARALLEL)


def _tool(path: str, tool: message_pb2.Tool, losses: Losses) -> Json:
    """Translate one tool; one without a schema has no arguments."""
    declaration: Json = {"name": tool.name}
    if tool.description:
        declaration["description"] = tool.description
    if tool.WhichOneof("schema") is not None:
        # `parameters` takes a small part of JSON Schema only, and refuses the rest of it.
        declaration["parametersJsonSchema"] = schema_of(tool.parameters_json, tool.parameters)
    if tool.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    return declaration
