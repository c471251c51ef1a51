"""How tools and settings go out to Responses: the table of what stands beside the items."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.adapter import Target
from unit.inference.responses_rows import (
    ALWAYS,
    DROPPED,
    ENCRYPTED,
    PLAIN,
    QUIET,
    THINKER,
    TRANSLATED,
    Row,
    tool_sent,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer", "maximum": 3}}}
TWO = {"tools": [{"name": "f"}, {"name": "g"}]}
TWO_SENT = {"tools": [tool_sent("f"), tool_sent("g")]}


def _effort(name: str, asked: str, sent: str, target: Target, action: int | None = None) -> Row:
    """Return a row of an effort, of which no summary is wanted."""
    return Row(
        name,
        {"reasoning": {"effort": asked, "include": False}},
        {"reasoning": {"effort": sent}, **(ENCRYPTED if sent != "none" else {})},
        {} if action is None else {"reasoning.effort": action},
        target,
    )


def _choice(name: str, choice: dict[str, Any], sent: Any) -> Row:
    """Return a row of a choice among two tools."""
    return Row(name, {**TWO, "tool_choice": choice}, {**TWO_SENT, "tool_choice": sent})


TOOLS = [
    Row(
        "tools",
        {
            "tools": [
                {"name": "f", "description": "Does it.", "parameters": SCHEMA, "strict": True},
                {"name": "g", "cache": {}},
            ]
        },
        {
            "tools": [
                tool_sent("f", description="Does it.", parameters=SCHEMA, strict=True),
                tool_sent("g"),
            ]
        },
        {"tools[1].cache": DROPPED},
    ),
    _choice("auto", {"mode": "MODE_AUTO"}, "auto"),
    _choice("none", {"mode": "MODE_NONE", "allowed": ["f"]}, "none"),
    _choice("required", {"mode": "MODE_REQUIRED"}, "required"),
    _choice(
        "one tool that must be called",
        {"mode": "MODE_REQUIRED", "allowed": ["g"]},
        {"type": "function", "name": "g"},
    ),
    _choice(
        "one tool that may be called",
        {"allowed": ["g"]},
        {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "g"}]},
    ),
    _choice(
        "some that must be called",
        {"mode": "MODE_REQUIRED", "allowed": ["f", "g"]},
        {
            "type": "allowed_tools",
            "mode": "required",
            "tools": [{"type": "function", "name": "f"}, {"type": "function", "name": "g"}],
        },
    ),
    Row(
        "calls one by one",
        {**TWO, "tool_choice": {"parallel": False}},
        {**TWO_SENT, "parallel_tool_calls": False},
    ),
]

SETTINGS = [
    Row("a token limit", {"max_output_tokens": 100}, {"max_output_tokens": 100}),
    Row(
        "a token limit that is too low",
        {"max_output_tokens": 1},
        {"max_output_tokens": 16},
        {"max_output_tokens": TRANSLATED},
    ),
    Row(
        "sampling, as far as the format has it",
        {
            "sampling": {
                "temperature": 0.5,
                "top_p": 0.25,
                "top_k": 3,
                "presence_penalty": 1,
                "frequency_penalty": 1,
                "seed": 7,
                "stop": ["\n"],
            }
        },
        {"temperature": 0.5, "top_p": 0.25},
        {
            f"sampling.{name}": DROPPED
            for name in ("top_k", "presence_penalty", "frequency_penalty", "seed", "stop[0]")
        },
    ),
    Row(
        "sampling of a model that thinks",
        {"sampling": {"temperature": 0.5, "top_p": 0.25}},
        ENCRYPTED,
        {"sampling.temperature": DROPPED, "sampling.top_p": DROPPED},
        THINKER,
    ),
    Row(
        "sampling of a model that is told not to think",
        {"sampling": {"temperature": 0.5}, "reasoning": {"effort": "none"}},
        {"temperature": 0.5, "reasoning": {"effort": "none"}},
        target=THINKER,
    ),
    Row(
        "sampling of a model that does not think unasked",
        {"sampling": {"temperature": 0.5}},
        {"temperature": 0.5},
        target=QUIET,
    ),
    Row(
        "sampling of a model that always thinks",
        {"sampling": {"temperature": 0.5}},
        ENCRYPTED,
        {"sampling.temperature": DROPPED},
        ALWAYS,
    ),
    Row("thoughts that come back", {}, ENCRYPTED, target=THINKER),
    Row(
        "an effort, with a summary",
        {"reasoning": {"effort": "high"}},
        {"reasoning": {"effort": "high", "summary": "auto"}, **ENCRYPTED},
        target=THINKER,
    ),
    Row(
        "a summary without an effort",
        {"reasoning": {"include": True}},
        {"reasoning": {"summary": "auto"}, **ENCRYPTED},
        target=THINKER,
    ),
    Row(
        "a number of tokens",
        {"reasoning": {"effort": "low", "budget_tokens": 2000, "include": False}},
        {"reasoning": {"effort": "low"}, **ENCRYPTED},
        {"reasoning.budget_tokens": DROPPED},
        THINKER,
    ),
    _effort("an effort that the model has", "xhigh", "xhigh", THINKER),
    _effort("more than the model has", "max", "xhigh", THINKER, TRANSLATED),
    _effort("less than the model has", "minimal", "low", THINKER, TRANSLATED),
    _effort("none", "none", "none", THINKER),
    _effort("none of a model that always thinks", "none", "low", ALWAYS, TRANSLATED),
    _effort("a word that nobody knows", "turbo", "turbo", THINKER),
    Row(
        "an effort of a model that is not known",
        {"reasoning": {"effort": "high"}},
        {"reasoning": {"effort": "high"}},
        target=PLAIN,
    ),
    Row("none of a model that is not known", {"reasoning": {"effort": "none"}}, {}),
    Row(
        "any object",
        {"response_format": {"json_object": {}}},
        {"text": {"format": {"type": "json_object"}}},
    ),
    Row(
        "a schema",
        {"response_format": {"json_schema": {"name": "s", "schema": SCHEMA}}},
        {"text": {"format": {"type": "json_schema", "name": "s", "schema": SCHEMA}}},
    ),
    Row(
        "a strict schema",
        {"response_format": {"json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}},
        {
            "text": {
                "format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True}
            }
        },
    ),
]
