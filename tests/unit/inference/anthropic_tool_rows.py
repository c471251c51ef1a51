"""How tools and the choice among them go out to Anthropic."""

from __future__ import annotations

from unit.inference.anthropic_rows import (
    ADAPTIVE,
    ALIKE,
    DROPPED,
    NEWEST,
    NO_ARGUMENTS,
    TRANSLATED,
    Row,
    tools,
    tools_sent,
)

LOOSE = {"type": "object", "properties": {"a": {"type": "string"}}}
TIGHT = {"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}}}

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
                            "a": {"minimum": 0.5, "default": None},
                        },
                    },
                }
            ]
        },
        {
            "tools": [
                {
                    "name": "f",
                    "description": "Does it.",
                    "input_schema": {
                        "type": "object",
                        "properties": {
                            "b": {"type": ["string", "null"], "maxLength": 5},
                            "a": {"minimum": 0.5, "default": None},
                        },
                    },
                }
            ]
        },
    ),
    Row(
        "strict tools",
        {
            "tools": [
                {"name": "f", "strict": True},
                {"name": "g", "strict": True, "parameters": LOOSE},
                {"name": "h", "strict": True, "parameters": TIGHT},
            ]
        },
        {
            "tools": [
                {"name": "f", "strict": True, "input_schema": NO_ARGUMENTS},
                {
                    "name": "g",
                    "strict": True,
                    "input_schema": {**LOOSE, "additionalProperties": False},
                },
                {"name": "h", "input_schema": TIGHT},
            ]
        },
        {"tools[2].strict": DROPPED},
    ),
    Row(
        "more strict tools than the provider takes",
        {"tools": [{"name": f"f{n}", "strict": True} for n in range(21)]},
        {
            "tools": [
                *({**tool, "strict": True} for tool in tools_sent(*(f"f{n}" for n in range(20)))),
                *tools_sent("f20"),
            ]
        },
        {"tools[20].strict": DROPPED},
    ),
    Row(
        "a strict tool of who imitates the format",
        {"tools": [{"name": "f", "strict": True}]},
        {"tools": tools_sent("f")},
        {"tools[0].strict": DROPPED},
        ALIKE,
    ),
    Row("a choice without tools", {"tool_choice": {"mode": "MODE_NONE", "parallel": True}}, {}),
    Row("no choice", {"tools": tools("f")}, {"tools": tools_sent("f")}),
    *(
        Row(
            f"the choice {mode}",
            {"tools": tools("f"), "tool_choice": {"mode": f"MODE_{mode.upper()}"}},
            {"tools": tools_sent("f"), "tool_choice": {"type": sent}},
        )
        for mode, sent in (("auto", "auto"), ("none", "none"), ("required", "any"))
    ),
    Row(
        "one call at a time",
        {"tools": tools("f"), "tool_choice": {"parallel": False}},
        {
            "tools": tools_sent("f"),
            "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
        },
    ),
    Row(
        "several calls at a time, one at least",
        {"tools": tools("f"), "tool_choice": {"mode": "MODE_REQUIRED", "parallel": True}},
        {
            "tools": tools_sent("f"),
            "tool_choice": {"type": "any", "disable_parallel_tool_use": False},
        },
        {},
        ADAPTIVE,
    ),
    Row(
        "one tool is forced",
        {
            "tools": tools("f", "g"),
            "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"], "parallel": False},
        },
        {
            "tools": tools_sent("f", "g"),
            "tool_choice": {"type": "tool", "name": "g", "disable_parallel_tool_use": True},
        },
    ),
    Row(
        "one tool is forced, and the model cannot be",
        {"tools": tools("f", "g"), "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["g"]}},
        {"tools": tools_sent("g"), "tool_choice": {"type": "auto"}},
        {"tool_choice.mode": TRANSLATED, "tool_choice.allowed": TRANSLATED},
        NEWEST,
    ),
    Row(
        "some tools",
        {
            "tools": tools("f", "g", "h"),
            "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["h", "f"]},
        },
        {"tools": tools_sent("f", "h"), "tool_choice": {"type": "any"}},
        {"tool_choice.allowed": TRANSLATED},
    ),
    Row(
        "some tools, none of them now",
        {"tools": tools("f", "g"), "tool_choice": {"mode": "MODE_NONE", "allowed": ["f"]}},
        {"tools": tools_sent("f", "g"), "tool_choice": {"type": "none"}},
    ),
]
