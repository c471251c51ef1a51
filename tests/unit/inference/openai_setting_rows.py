"""How settings, tools and the choice among them go out: the other table."""

from __future__ import annotations

from unit.inference.openai_rows import (
    ALIKE,
    DROPPED,
    OWN,
    TRANSLATED,
    Row,
    named,
    tools,
    tools_sent,
)

SETTINGS = [
    Row("the token limit", {"max_output_tokens": 9}, {"max_completion_tokens": 9}),
    Row("the token limit elsewhere", {"max_output_tokens": 9}, {"max_tokens": 9}, {}, ALIKE),
    Row(
        "sampling",
        {
            "sampling": {
                "temperature": 0,
                "top_p": 0.5,
                "presence_penalty": -1,
                "frequency_penalty": 1.5,
                "seed": "9007199254740993",
                "stop": ["a", "b", "c", "d"],
            }
        },
        {
            "temperature": 0,
            "top_p": 0.5,
            "presence_penalty": -1,
            "frequency_penalty": 1.5,
            "seed": 9007199254740993,
            "stop": ["a", "b", "c", "d"],
        },
    ),
    Row(
        "sampling that is not there",
        {"sampling": {"top_k": 5, "stop": ["a", "b", "c", "d", "e", "f"]}},
        {"stop": ["a", "b", "c", "d"]},
        {"sampling.top_k": DROPPED, "sampling.stop[4]": DROPPED, "sampling.stop[5]": DROPPED},
    ),
    Row("effort", {"reasoning": {"effort": "low", "include": True}}, {"reasoning_effort": "low"}),
    Row(
        "a number of tokens to think",
        {"reasoning": {"budget_tokens": 9}},
        {},
        {"reasoning.budget_tokens": DROPPED},
    ),
    Row(
        "any JSON",
        {"response_format": {"json_object": {}}},
        {"response_format": {"type": "json_object"}},
    ),
    Row(
        "a schema",
        {
            "response_format": {
                "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True}
            }
        },
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True},
            }
        },
        {},
        ALIKE,
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
                            "b": {"type": ["string", "null"], "maxLength": 5},
                            "a": {"minimum": 0.5, "default": None, "nullable": True},
                        },
                    },
                    "strict": True,
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
                            "properties": {
                                "a": {"default": None, "minimum": 0.5, "nullable": True},
                                "b": {"maxLength": 5, "type": ["string", "null"]},
                            },
                            "type": "object",
                        },
                        "strict": True,
                    },
                }
            ]
        },
    ),
    Row(
        "a strict tool elsewhere",
        {"tools": [{"name": "f", "strict": True}]},
        {"tools": tools_sent("f")},
        {"tools[0].strict": DROPPED},
        ALIKE,
    ),
    Row("a choice without tools", {"tool_choice": {"mode": "MODE_NONE", "parallel": True}}, {}),
    Row(
        "the choice is the model's",
        {"tools": tools("f"), "tool_choice": {"parallel": False}},
        {"tools": tools_sent("f"), "parallel_tool_calls": False},
    ),
    *(
        Row(
            f"the choice {mode}",
            {"tools": tools("f"), "tool_choice": {"mode": f"MODE_{mode.upper()}"}},
            {"tools": tools_sent("f"), "tool_choice": mode},
        )
        for mode in ("auto", "none", "required")
    ),
    *(
        Row(
            f"one tool is forced ({target.provider})",
            {
                "tools": tools("f", "g"),
                "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"]},
            },
            {"tools": tools_sent("f", "g"), "tool_choice": named("g")},
            {},
            target,
        )
        for target in (OWN, ALIKE)
    ),
    *(
        Row(
            f"some tools, {mode}",
            {
                "tools": tools("f", "g", "h"),
                "tool_choice": {"mode": f"MODE_{mode.upper()}", "allowed": ["h", "f"]},
            },
            {
                "tools": tools_sent("f", "g", "h"),
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": mode, "tools": [named("h"), named("f")]},
                },
            },
        )
        for mode in ("auto", "required")
    ),
    Row(
        "some tools, none of them now",
        {"tools": tools("f", "g"), "tool_choice": {"mode": "MODE_NONE", "allowed": ["f"]}},
        {"tools": tools_sent("f", "g"), "tool_choice": "none"},
    ),
    Row(
        "some tools elsewhere",
        {
            "tools": [*tools("f", "g"), {"name": "h", "cache": {}}],
            "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["h", "f"]},
        },
        {"tools": tools_sent("f", "h"), "tool_choice": "required"},
        {"tool_choice.allowed": TRANSLATED, "tools[2].cache": DROPPED},
        ALIKE,
    ),
]
