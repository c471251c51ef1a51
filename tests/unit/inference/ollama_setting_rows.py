"""How settings, tools and the choice among them go out to Ollama: the other table."""

from __future__ import annotations

from typing import Any

from unit.inference.ollama_rows import (
    CLOUD,
    DROPPED,
    HANDED_ON,
    LOCAL,
    TRANSLATED,
    Row,
    tools,
    tools_sent,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
STRICT = {"response_format": {"json_schema": {"name": "s", "schema": SCHEMA, "strict": True}}}


def effort(name: str) -> dict[str, Any]:
    """Return a request that asks for an effort."""
    return {"reasoning": {"effort": name}}


SETTINGS = [
    Row("the token limit", {"max_output_tokens": 9}, {"options": {"num_predict": 9}}),
    Row(
        "sampling",
        {
            "sampling": {
                "temperature": 0,
                "top_p": 0.5,
                "top_k": 40,
                "presence_penalty": -1,
                "frequency_penalty": 1.5,
                "seed": "9007199254740993",
                "stop": ["a", "b", "c", "d", "e"],
            }
        },
        {
            "options": {
                "temperature": 0,
                "top_p": 0.5,
                "top_k": 40,
                "presence_penalty": -1,
                "frequency_penalty": 1.5,
                "seed": 9007199254740993,
                "stop": ["a", "b", "c", "d", "e"],
            }
        },
    ),
    Row("no thoughts", effort("none"), {"think": False}),
    *(
        Row(f"effort {level}", effort(level), {"think": level})
        for level in ("low", "medium", "high", "max", "a-mode-of-its-own")
    ),
    *(
        Row(
            f"effort {asked}, which Ollama does not have",
            effort(asked),
            {"think": sent},
            {"reasoning.effort": TRANSLATED},
        )
        for asked, sent in (("minimal", "low"), ("xhigh", "max"))
    ),
    Row("thoughts by the model's own setting", {"reasoning": {"include": True}}, {}),
    Row(
        "a number of tokens to think",
        {"reasoning": {"budget_tokens": 9}},
        {},
        {"reasoning.budget_tokens": DROPPED},
    ),
    Row("any JSON", {"response_format": {"json_object": {}}}, {"format": "json"}),
    Row("a schema", STRICT, {"format": SCHEMA}),
    *(
        Row(
            f"a schema in the cloud ({target.provider})",
            STRICT,
            {"format": SCHEMA},
            {"response_format.json_schema.strict": DROPPED},
            target,
        )
        for target in (CLOUD, HANDED_ON)
    ),
    Row(
        "a schema in the cloud that need not be held to",
        {"response_format": {"json_schema": {"name": "s", "schema": SCHEMA}}},
        {"format": SCHEMA},
        {},
        CLOUD,
    ),
]

TOOLS = [
    Row(
        "a tool",
        {
            "tools": [
                {
                    "name": "f",
                    "description": "Does it.",
                    "parameters": {
                        "type": "object",
                        "properties": {
                            "b": {"type": ["string", "null"]},
                            "a": {"minimum": 0.5, "default": None},
                        },
                    },
                }
            ]
        },
        {
            "tools": [
                {
                    "type": "function",
                    "function": {
                        "name": "f",
                        "description": "Does it.",
                        "parameters": {
                            "type": "object",
                            "properties": {
                                "a": {"minimum": 0.5, "default": None},
                                "b": {"type": ["string", "null"]},
                            },
                        },
                    },
                }
            ]
        },
    ),
    Row(
        "a strict tool",
        {"tools": [{"name": "f", "strict": True}]},
        {"tools": tools_sent("f")},
        {"tools[0].strict": DROPPED},
    ),
    Row("a choice without tools", {"tool_choice": {"mode": "MODE_NONE", "parallel": False}}, {}),
    *(
        Row(
            f"the choice is the model's ({choice})",
            {"tools": tools("f"), "tool_choice": choice},
            {"tools": tools_sent("f")},
        )
        for choice in ({}, {"mode": "MODE_AUTO"}, {"parallel": True})
    ),
    Row(
        "one call at a time",
        {"tools": tools("f"), "tool_choice": {"parallel": False}},
        {"tools": tools_sent("f")},
        {"tool_choice.parallel": DROPPED},
    ),
    Row(
        "no tool now",
        {"tools": tools("f"), "tool_choice": {"mode": "MODE_NONE", "allowed": ["f"]}},
        {},
        {"tool_choice.mode": TRANSLATED},
    ),
    Row(
        "a tool is required",
        {"tools": tools("f"), "tool_choice": {"mode": "MODE_REQUIRED"}},
        {"tools": tools_sent("f")},
        {"tool_choice.mode": DROPPED},
    ),
    Row(
        "one tool is forced",
        {"tools": tools("f", "g"), "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"]}},
        {"tools": tools_sent("g")},
        {"tool_choice.mode": DROPPED, "tool_choice.allowed": TRANSLATED},
    ),
    Row(
        "some tools",
        {
            "tools": [*tools("f", "g"), {"name": "h", "strict": True}],
            "tool_choice": {"allowed": ["h", "f"]},
        },
        {"tools": tools_sent("f", "h")},
        {"tool_choice.allowed": TRANSLATED, "tools[2].strict": DROPPED},
        LOCAL,
    ),
]
