"""How settings, tools and the choice among them go out to the Gemini API: the other table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from unit.inference.google_rows import (
    DROPPED,
    NEWEST,
    OLDER,
    SECOND,
    THOUGHTS,
    TRANSLATED,
    UNKNOWN,
    Row,
    at,
    config,
)

SAMPLING = {
    "temperature": 0,
    "top_p": 0.5,
    "top_k": 5,
    "presence_penalty": -1,
    "frequency_penalty": 1.5,
    "seed": "7",
    "stop": ["a", "b", "c", "d", "e"],
}
PENALTIES_SENT = {
    "presencePenalty": -1,
    "frequencyPenalty": 1.5,
    "seed": 7,
    "stopSequences": ["a", "b", "c", "d", "e"],
}

SETTINGS = [
    Row("the token limit", {"max_output_tokens": 9}, config(maxOutputTokens=9)),
    Row(
        "sampling",
        {"sampling": SAMPLING},
        config(temperature=0, topP=0.5, topK=5, **PENALTIES_SENT),
        {},
        SECOND,
    ),
    Row(
        "sampling for a model that ignores it",
        {"sampling": SAMPLING},
        config(**PENALTIES_SENT),
        {
            "sampling.temperature": DROPPED,
            "sampling.top_p": DROPPED,
            "sampling.top_k": DROPPED,
        },
    ),
    Row(
        "more than is taken",
        {"sampling": {"stop": ["a", "b", "c", "d", "e", "f", "g"], "seed": "9007199254740993"}},
        config(stopSequences=["a", "b", "c", "d", "e"], seed=1),
        {
            "sampling.stop[5]": DROPPED,
            "sampling.stop[6]": DROPPED,
            "sampling.seed": TRANSLATED,
        },
    ),
    Row(
        "any JSON",
        {"response_format": {"json_object": {}}},
        config(responseMimeType="application/json"),
        {},
        OLDER,
    ),
    Row(
        "a schema, also with tools",
        {
            "response_format": {
                "json_schema": {"name": "s", "schema": {"type": "object"}, "strict": True}
            },
            "tools": [{"name": "f"}],
        },
        {
            **config(responseMimeType="application/json", responseJsonSchema={"type": "object"}),
            "tools": [{"functionDeclarations": [{"name": "f"}]}],
        },
    ),
    Row(
        "a schema with tools for those who cannot",
        {
            "response_format": {"json_schema": {"name": "s", "schema": {"type": "object"}}},
            "tools": [{"name": "f"}],
        },
        {"tools": [{"functionDeclarations": [{"name": "f"}]}]},
        {"response_format": DROPPED},
        OLDER,
    ),
]


def _thought(
    model: str, asked: dict[str, Any], sent: dict[str, Any], lost: Mapping[str, int] | None = None
) -> Row:
    """Return a row of thinking."""
    words = " ".join(f"{key}={value}" for key, value in asked.items())
    body = {"generationConfig": {"thinkingConfig": sent} if sent else {}}
    return Row(
        f"thinking {words} ({model})", {"reasoning": asked}, body, dict(lost or {}), at(model)
    )


def _level(level: str) -> dict[str, Any]:
    """Return a level with thoughts."""
    return {"thinkingLevel": level, **THOUGHTS}


def _budget(tokens: int) -> dict[str, Any]:
    """Return a budget with thoughts."""
    return {"thinkingBudget": tokens, **THOUGHTS}


EFFORT = {"reasoning.effort": TRANSLATED}
NO_EFFORT = {"reasoning.effort": DROPPED}
TOKENS = {"reasoning.budget_tokens": TRANSLATED}
NO_TOKENS = {"reasoning.budget_tokens": DROPPED}

THINKING = [
    _thought("gemini-3.8-flash", {"include": False}, {}),
    _thought("gemini-3.8-flash", {"include": True}, THOUGHTS),
    _thought("gemini-3.8-flash", {"effort": "low", "include": False}, {"thinkingLevel": "LOW"}),
    _thought("gemini-3.8-flash", {"effort": "medium"}, _level("MEDIUM")),
    _thought("gemini-3.8-flash", {"effort": "high"}, _level("HIGH")),
    _thought("gemini-3.8-flash", {"effort": "max"}, _level("HIGH"), EFFORT),
    _thought("gemini-3.8-flash", {"effort": "none"}, _level("LOW"), EFFORT),
    _thought("gemini-3.8-flash", {"effort": "turbo"}, THOUGHTS, NO_EFFORT),
    _thought("gemini-3.8-flash", {"budget_tokens": 1024}, _level("LOW"), TOKENS),
    _thought("gemini-3.8-flash", {"budget_tokens": 1025}, _level("MEDIUM"), TOKENS),
    _thought("gemini-3.8-flash", {"budget_tokens": 9000}, _level("HIGH"), TOKENS),
    _thought("gemini-3.8-flash", {"effort": "low", "budget_tokens": 9}, _level("LOW"), NO_TOKENS),
    _thought("gemini-3-pro-preview", {"effort": "minimal"}, _level("LOW"), EFFORT),
    _thought("gemini-3-pro-preview", {"effort": "medium"}, _level("HIGH"), EFFORT),
    _thought("gemini-3.1-pro-preview", {"effort": "medium"}, _level("MEDIUM")),
    _thought("gemini-3-flash-preview", {"effort": "minimal"}, _level("MINIMAL")),
    _thought("gemini-3.5-flash-lite", {"effort": "none"}, _level("MINIMAL"), EFFORT),
    _thought("gemini-4-argon", {"effort": "low"}, _level("LOW")),
    _thought("gemini-2.5-flash", {"effort": "none"}, {"thinkingBudget": 0}),
    _thought("gemini-2.5-flash", {"effort": "minimal"}, _budget(1_024)),
    _thought("gemini-2.5-flash", {"effort": "medium"}, _budget(8_192)),
    _thought("gemini-2.5-flash", {"effort": "max"}, _budget(24_576)),
    _thought("gemini-2.5-flash", {"effort": "low", "budget_tokens": 9}, _budget(9)),
    _thought("gemini-2.5-flash", {"budget_tokens": 99_999}, _budget(24_576), TOKENS),
    _thought("gemini-2.5-flash", {"effort": "turbo"}, THOUGHTS, NO_EFFORT),
    _thought("gemini-2.5-flash", {"effort": "low", "include": False}, {"thinkingBudget": 1_024}),
    _thought("gemini-2.5-pro", {"effort": "none"}, _budget(128), EFFORT),
    _thought("gemini-2.5-pro", {"effort": "high"}, _budget(24_576)),
    _thought("gemini-2.5-pro", {"effort": "xhigh"}, _budget(32_768)),
    _thought("gemini-2.5-pro", {"budget_tokens": 1}, _budget(128), TOKENS),
    # This one thinks only when it is told to, and has no thoughts to show before.
    _thought("gemini-2.5-flash-lite", {"include": True}, {}),
    _thought("gemini-2.5-flash-lite", {"budget_tokens": 600}, _budget(600)),
    # These do not think.
    _thought("gemini-2.0-flash", {"effort": "none"}, {}),
    _thought("gemini-2.0-flash", {"effort": "low"}, {}, NO_EFFORT),
    _thought("gemma-4-27b-it", {"budget_tokens": 9, "include": True}, {}, NO_TOKENS),
    _thought("gemini-2.5-flash-image", {"include": True}, {}),
]


def _tools(*names: str, **more: Any) -> dict[str, Any]:
    """Return tools without arguments; `more` stands beside them."""
    return {"tools": [{"name": name} for name in names], **more}


def _sent(*names: str, **calling: Any) -> dict[str, Any]:
    """Return tools without arguments on the wire, and how they may be called."""
    body: dict[str, Any] = {"tools": [{"functionDeclarations": [{"name": n} for n in names]}]}
    if calling:
        body["toolConfig"] = {"functionCallingConfig": calling}
    return body


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
                            "a": {"$ref": "#/$defs/a", "default": None},
                        },
                        "additionalProperties": False,
                    },
                }
            ]
        },
        {
            "tools": [
                {
                    "functionDeclarations": [
                        {
                            "name": "f",
                            "description": "Does it.",
                            "parametersJsonSchema": {
                                "type": "object",
                                "properties": {
                                    "b": {"type": ["string", "null"], "maxLength": 5},
                                    "a": {"$ref": "#/$defs/a", "default": None},
                                },
                                "additionalProperties": False,
                            },
                        }
                    ]
                }
            ]
        },
    ),
    Row("a choice without tools", {"tool_choice": {"mode": "MODE_NONE"}}, {}),
    Row("some tools", _tools("f", "g"), _sent("f", "g")),
    Row("the choice auto", _tools("f", tool_choice={"mode": "MODE_AUTO"}), _sent("f")),
    Row("none now", _tools("f", tool_choice={"mode": "MODE_NONE", "allowed": ["f"]}),
        _sent("f", mode="NONE")),
    Row("one of them", _tools("f", "g", tool_choice={"mode": "MODE_REQUIRED"}),
        _sent("f", "g", mode="ANY")),
    Row("this one", _tools("f", "g", tool_choice={"mode": "MODE_REQUIRED", "allowed": ["g"]}),
        _sent("f", "g", mode="ANY", allowedFunctionNames=["g"])),
    Row("these or none", _tools("f", "g", "h", tool_choice={"allowed": ["h", "f"]}),
        _sent("f", "g", "h", mode="VALIDATED", allowedFunctionNames=["h", "f"])),
    Row("a strict tool", {"tools": [{"name": "f"}, {"name": "g", "strict": True}]},
        _sent("f", "g", mode="VALIDATED")),
    Row("a strict tool that must be called",
        {"tools": [{"name": "f", "strict": True}], "tool_choice": {"mode": "MODE_REQUIRED"}},
        _sent("f", mode="ANY")),
    Row("one call at a time", _tools("f", tool_choice={"parallel": False}), _sent("f"),
        {"tool_choice.parallel": DROPPED}),
    Row("several calls at a time", _tools("f", tool_choice={"parallel": True}), _sent("f")),
]  # fmt: skip

NOTHING = [
    Row(f"nothing is asked ({target.model})", {}, sent, {}, target)
    for target, sent in (
        (NEWEST, config()),
        (OLDER, config()),
        (UNKNOWN, {"generationConfig": {}}),
    )
]

SETTING_ROWS = NOTHING + SETTINGS + THINKING + TOOLS
