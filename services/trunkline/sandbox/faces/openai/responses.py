"""Requests of OpenAI Responses, checked as the real service checks them.

Source: the Responses API reference. What the sandbox does not play (stored answers, tools that the
provider runs itself) is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from trunkline.sandbox.faces.openai.items import read_items
from trunkline.sandbox.faces.openai.request import (
    check_effort,
    check_ranges,
    read_flag,
    read_schema,
    read_tool_choice,
    read_tools,
    refuse,
)
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.prompt import CallStyle, JsonObject, Prompt, Thoughts, Tool, ToolChoice

MIN_OUTPUT: Final = 16
"""The lowest token limit."""

_PASSED_OVER: Final = frozenset(
    {"instructions", "metadata", "prompt_cache_key", "safety_identifier", "service_tier", "user"}
)
_READ: Final = frozenset(
    {
        "include",
        "input",
        "max_output_tokens",
        "model",
        "parallel_tool_calls",
        "reasoning",
        "store",
        "stream",
        "temperature",
        "text",
        "tool_choice",
        "tools",
        "top_p",
    }
)
_KNOWN: Final = _PASSED_OVER | _READ


def read_inquiry(body: object) -> Prompt:
    """Check a decoded request body and say what it asks.

    Args:
        body: the decoded JSON; None when the body was not JSON.

    Raises:
        Refusal: with the field that is at fault, in dots and brackets (`input[1].role`).
    """
    if not isinstance(body, Mapping):
        refuse("The JSON body of your request could not be parsed as an object.", None)
    for name in body:
        if name not in _KNOWN:
            raise Refusal(
                Trouble.UNKNOWN_PARAMETER, f"Unknown parameter: '{name[:64]}'.", param=name[:64]
            )
    model = body.get("model")
    if not isinstance(model, str) or not model:
        refuse("Missing required parameter: 'model'.", "model")
    transcript = read_items(body.get("input"), model)
    tools = read_tools(_nest_all(body.get("tools")))
    tool_choice, tools = _read_choice(body.get("tool_choice"), tools)
    check_ranges(body)
    read_flag(body, "store", otherwise=True)
    return Prompt(
        model=model,
        stream=read_flag(body, "stream", otherwise=False),
        include_usage=True,
        message_count=transcript.message_count,
        history=transcript.history,
        tools=tools,
        tool_choice=tool_choice,
        parallel_calls=read_flag(body, "parallel_tool_calls", otherwise=True),
        max_tokens=_read_max_tokens(body.get("max_output_tokens")),
        stops=(),
        schema=read_schema(_nest_format(body.get("text")), transcript),
        prompt_tokens=transcript.word_count,
        thoughts=_read_thoughts(body.get("reasoning")),
        call_style=CallStyle.IN_TURN,
    )


def _nest_all(tools: object) -> object:
    """Return flat tools as Chat Completions has them."""
    return [_nest(tool) for tool in tools] if isinstance(tools, list) else tools


def _nest(tool: object) -> object:
    """Return a flat tool, or the choice of one, as Chat Completions has it."""
    if not isinstance(tool, Mapping):
        return tool
    return {"type": tool.get("type"), "function": tool}


def _nest_format(text: object) -> object:
    """Return the shape of an answer as Chat Completions has it."""
    if text is None:
        return None
    if not isinstance(text, Mapping):
        refuse("Invalid type for 'text': expected an object.", "text")
    shape = text.get("format")
    return {**shape, "json_schema": shape} if isinstance(shape, Mapping) else shape


def _read_choice(choice: Any, tools: Sequence[Tool]) -> tuple[ToolChoice, tuple[Tool, ...]]:
    """Return the choice and the tools that it leaves."""
    if not isinstance(choice, Mapping) or choice.get("type") != "allowed_tools":
        return read_tool_choice(_nest(choice), tools)
    named = choice.get("tools")
    names = {tool.get("name") for tool in named} if isinstance(named, list) else set()
    allowed = tuple(tool for tool in tools if tool.name in names)
    if not allowed:
        refuse("'tool_choice' names functions that are not in 'tools'.", "tool_choice")
    return read_tool_choice(choice.get("mode"), allowed)


def _read_max_tokens(limit: object) -> int | None:
    if limit is None:
        return None
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < MIN_OUTPUT:
        refuse(
            "Invalid 'max_output_tokens': integer below minimum value. Expected a value >="
            f" {MIN_OUTPUT}.",
            "max_output_tokens",
        )
    return limit


def _read_thoughts(reasoning: JsonObject | None) -> Thoughts:
    """Return what becomes of the thoughts: they are shown to who asks for a summary."""
    if reasoning is None:
        return Thoughts.HIDDEN
    if not isinstance(reasoning, Mapping):
        refuse("Invalid type for 'reasoning': expected an object.", "reasoning")
    effort, summary = reasoning.get("effort"), reasoning.get("summary")
    check_effort(effort, "reasoning.effort")
    if summary not in (None, "auto", "concise", "detailed"):
        refuse("Invalid value for 'reasoning.summary'.", "reasoning.summary")
    if effort == "none":
        return Thoughts.OFF
    return Thoughts.SHOWN if summary else Thoughts.HIDDEN
