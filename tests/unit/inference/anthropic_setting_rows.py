"""How settings go out to Anthropic: sampling, shapes, cache marks."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.adapter import Target
from unit.inference.anthropic_rows import (
    ADAPTIVE,
    ALIKE,
    BASE,
    CALL,
    CALL_SENT,
    COUNTING,
    DROPPED,
    NO_ARGUMENTS,
    PLAIN,
    SAID,
    TRANSLATED,
    USER,
    Row,
    answer,
    assistant,
    messages,
    parts,
    result,
    text,
    tools_sent,
    user,
)
from unit.inference.anthropic_thinking_rows import adaptive, think

SAMPLED = {"temperature": 0.5, "top_p": 0.75, "top_k": 5}


SAMPLING = [
    Row("the token limit", {"max_output_tokens": 9}, {"max_tokens": 9}),
    Row("the token limit of who imitates the format", {}, {"max_tokens": 8192}, {}, ALIKE),
    Row("sampling", {"sampling": SAMPLED}, SAMPLED, {}, ALIKE),
    Row(
        "sampling of a model that takes one of two",
        {"sampling": SAMPLED},
        {"temperature": 0.5, "top_k": 5},
        {"sampling.top_p": DROPPED},
    ),
    Row("the other of two", {"sampling": {"top_p": 0.5}}, {"top_p": 0.5}),
    Row(
        "sampling of a model that takes none",
        {"sampling": {**SAMPLED, "stop": ["###"]}},
        {"stop_sequences": ["###"]},
        {f"sampling.{name}": DROPPED for name in SAMPLED},
        ADAPTIVE,
    ),
    Row(
        "sampling by the newer contract, which takes none",
        {"sampling": {"temperature": 1}},
        {},
        {"sampling.temperature": DROPPED},
        Target("anthropic", COUNTING.model, BASE, {"Anthropic-Version": "2026-10-21"}),
    ),
    Row(
        "sampling that is not there, or too hot",
        {
            "sampling": {
                "temperature": 1.5,
                "presence_penalty": 1,
                "frequency_penalty": 1,
                "seed": "7",
                "stop": ["a", "\n", "b c"],
            }
        },
        {"temperature": 1, "stop_sequences": ["a", "b c"]},
        {
            "sampling.presence_penalty": DROPPED,
            "sampling.frequency_penalty": DROPPED,
            "sampling.seed": DROPPED,
            "sampling.temperature": TRANSLATED,
            "sampling.stop[1]": DROPPED,
        },
    ),
]

SCHEMA = {
    "type": "object",
    "properties": {"a": {"type": "string"}},
    "required": ["a"],
    "additionalProperties": False,
}
WIDE_SCHEMA = {
    **SCHEMA,
    "properties": {"a": {"type": "string", "description": "{maxLength: 5}"}},
}
OPEN_SCHEMA = {**SCHEMA, "properties": {"a": {"type": "string", "maxLength": 5}}}
OPEN_SCHEMA.pop("additionalProperties")
MAP_SCHEMA = {"additionalProperties": {"type": "string"}, "type": "object"}
BY_SCHEMA = "Answer with one JSON document that follows this JSON Schema, and with nothing else:\n"
MAP_WORDS = '{"additionalProperties":{"type":"string"},"type":"object"}'


def shaped(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return a request for an answer that follows a schema."""
    return {"response_format": {"json_schema": {"name": "s", "schema": schema, **more}}}


def held(schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return an answer held to a schema on the wire."""
    return {"output_config": {**more, "format": {"type": "json_schema", "schema": schema}}}


SHAPES = [
    Row("a schema", shaped(SCHEMA, strict=True), held(SCHEMA)),
    Row("a schema and an effort", {**shaped(SCHEMA), **think(effort="low")},
        {**adaptive(), **held(SCHEMA, effort="low")}, {}, ADAPTIVE),
    Row("a schema that is open and has other constraints", shaped(OPEN_SCHEMA), held(WIDE_SCHEMA),
        {"response_format.json_schema": TRANSLATED}),
    Row("a schema that cannot be held", shaped(MAP_SCHEMA),
        {"system": BY_SCHEMA + MAP_WORDS}, {"response_format.json_schema": TRANSLATED}),
    Row("a schema of a model that holds none", shaped(MAP_SCHEMA),
        {"system": BY_SCHEMA + MAP_WORDS}, {"response_format.json_schema": TRANSLATED}, PLAIN),
    Row(
        "a schema and a text to be continued",
        {
            **shaped(MAP_SCHEMA),
            **messages(
                parts("ROLE_SYSTEM", {"text": "Be brief."}),
                USER,
                parts("ROLE_ASSISTANT", {"text": "{"}),
            ),
        },
        {
            "system": [text("Be brief."), text(BY_SCHEMA + MAP_WORDS)],
            **messages(SAID, {"role": "assistant", "content": "{"}),
        },
        {"response_format.json_schema": TRANSLATED},
    ),
    Row("any JSON", {"response_format": {"json_object": {}}},
        {"system": "Answer with one JSON object and with nothing else."},
        {"response_format.json_object": TRANSLATED}),
]  # fmt: skip

SHORT = {"cache_control": {"type": "ephemeral"}}
FIVE = {"cache_control": {"type": "ephemeral", "ttl": "5m"}}
HOUR = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}

MARKS = [
    Row(
        "cache marks",
        {
            "tools": [{"name": "f", "cache": {"ttl": "3600s"}}],
            **messages(
                parts("ROLE_SYSTEM", {"text": "Be brief.", "cache": {"ttl": "3600s"}}),
                parts("ROLE_USER", {"text": "Hello", "cache": {}}),
                parts("ROLE_ASSISTANT", {**CALL, "cache": {"ttl": "300s"}}),
                result({"text": "a"}),
            ),
        },
        {
            "tools": [{"name": "f", "input_schema": NO_ARGUMENTS, **HOUR}],
            "system": [text("Be brief.", **HOUR)],
            **messages(
                user(text("Hello", **SHORT)),
                assistant({**CALL_SENT, **FIVE}),
                user(answer("a")),
            ),
        },
    ),
    Row(
        "more cache marks than the provider takes, and times in the wrong order",
        {
            "tools": [{"name": "f", "cache": {}}],
            **messages(
                parts("ROLE_SYSTEM", {"text": "Be brief.", "cache": {"ttl": "600s"}}),
                parts("ROLE_USER", {"text": "Hello", "cache": {"ttl": "60s"}}),
                parts("ROLE_ASSISTANT", {"text": "Hi.", "cache": {"ttl": "3600s"}}, CALL),
                parts(
                    "ROLE_TOOL",
                    {
                        "tool_result": {
                            "call_id": "call_1",
                            "content": [{"text": "a", "cache": {"ttl": "300s"}}],
                        }
                    },
                ),
            ),
        },
        {
            "tools": tools_sent("f"),
            "system": [text("Be brief.", **HOUR)],
            **messages(
                user(text("Hello", **FIVE)),
                assistant(text("Hi.", **FIVE), CALL_SENT),
                user(answer("a", **FIVE)),
            ),
        },
        {
            "tools[0].cache": DROPPED,
            "messages[0].content[0].cache.ttl": TRANSLATED,
            "messages[1].content[0].cache.ttl": TRANSLATED,
            "messages[2].content[0].cache.ttl": TRANSLATED,
            "messages[3].content[0].tool_result.content[0].cache": TRANSLATED,
        },
    ),
    Row(
        "cache marks where the provider takes none",
        messages(
            parts("ROLE_USER", {"text": "Hello"}, {"text": "", "cache": {}}),
            parts(
                "ROLE_ASSISTANT",
                {"reasoning": {"text": "Hm."}, "cache": {}},
                {"provider_part": {"issuer": {}, "data_json": "{}"}, "cache": {}},
                {"text": "Hi."},
            ),
            USER,
        ),
        messages(SAID, {"role": "assistant", "content": "Hi."}, SAID),
        {
            "messages[0].content[1].cache": DROPPED,
            "messages[1].content[0].cache": DROPPED,
            "messages[1].content[0].reasoning": DROPPED,
            "messages[1].content[1].cache": DROPPED,
            "messages[1].content[1].provider_part": DROPPED,
        },
    ),
]

SETTINGS = SAMPLING + SHAPES + MARKS
