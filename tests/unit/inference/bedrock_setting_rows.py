"""How settings go out to Bedrock: a table."""

from __future__ import annotations

from typing import Any

from unit.inference.bedrock_call_rows import ASKED, FIRST_SENT, answered, result, spec, tools
from unit.inference.bedrock_rows import (
    DROPPED,
    GPT_OSS,
    LLAMA,
    MARK,
    NEW_CLAUDE,
    NOVA,
    NOVA_2,
    OLD_CLAUDE,
    QWEN,
    SAID,
    TRANSLATED,
    USER,
    Row,
    messages,
    model,
    user,
)

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False}
SCHEMA_SENT = '{"additionalProperties":false,"properties":{"a":{"type":"integer"}},"type":"object"}'
SHAPE = {"response_format": {"json_schema": {"name": "s", "schema": SCHEMA}}}
IN_WORDS = (
    "Answer with one JSON document that follows this JSON Schema, and with nothing else:\n"
    + SCHEMA_SENT
)


def config(**given: Any) -> dict[str, Any]:
    """Return a body with an inference config."""
    return {"inferenceConfig": given}


def further(**given: Any) -> dict[str, Any]:
    """Return a body with fields of the model's own."""
    return {"additionalModelRequestFields": given}


def think(**given: Any) -> dict[str, Any]:
    """Return a request that says how much to think."""
    return {"reasoning": given}


def draw(**given: Any) -> dict[str, Any]:
    """Return a request that says how tokens are drawn."""
    return {"sampling": given}


LIMITS = [
    Row("a limit", {"max_output_tokens": 9}, config(maxTokens=9)),
    Row("a limit to another family", {"max_output_tokens": 9}, config(maxTokens=9), {}, NOVA),
]

THINKING = [
    Row("a budget", {"max_output_tokens": 9000, **think(budget_tokens=2000)},
        {**config(maxTokens=9000), **further(thinking={"type": "enabled", "budget_tokens": 2000})}),
    Row("an effort in tokens", {"max_output_tokens": 9000, **think(effort="low")},
        {**config(maxTokens=9000), **further(thinking={"type": "enabled", "budget_tokens": 4096})}),
    Row("an effort", think(effort="xhigh"),
        further(thinking={"type": "adaptive", "display": "summarized"},
                output_config={"effort": "xhigh"}), {}, NEW_CLAUDE),
    Row("no thoughts", think(effort="none"), further(thinking={"type": "disabled"})),
    Row("thoughts of one that has none", think(effort="high", budget_tokens=9), {},
        {"reasoning.effort": DROPPED, "reasoning.budget_tokens": DROPPED}, OLD_CLAUDE),
    Row("when a tool is forced",
        {"tools": [{"name": "f"}], "tool_choice": {"mode": "MODE_REQUIRED"}, **think(effort="low")},
        tools(spec("f"), MARK, toolChoice={"any": {}}), {"reasoning": DROPPED}),
    Row("over calls without thoughts",
        {**messages(USER, ASKED, result({"text": "a"})), "tools": [{"name": "f"}],
         **think(effort="low")},
        {**messages(SAID, model(FIRST_SENT), user(answered({"text": "a"}))),
         **tools(spec("f"), MARK)},
        {"reasoning": DROPPED}),
    Row("Nova 2", think(effort="medium"),
        further(reasoningConfig={"type": "enabled", "maxReasoningEffort": "medium"}), {}, NOVA_2),
    Row("Nova 2 without thoughts", think(effort="none"), {}, {}, NOVA_2),
    Row("gpt-oss", think(effort="max", budget_tokens=5), further(reasoning_effort="high"),
        {"reasoning.effort": TRANSLATED, "reasoning.budget_tokens": DROPPED}, GPT_OSS),
    Row("gpt-oss, which always thinks", think(effort="none"), further(reasoning_effort="low"),
        {"reasoning.effort": TRANSLATED}, GPT_OSS),
    Row("Qwen", think(effort="none"), further(reasoning_config="none"), {}, QWEN),
    Row("an effort that nobody knows", think(effort="wild"), {},
        {"reasoning.effort": DROPPED}, QWEN),
    Row("Llama", think(effort="high", budget_tokens=5), {},
        {"reasoning.effort": DROPPED, "reasoning.budget_tokens": DROPPED}, LLAMA),
    Row("Llama without thoughts", think(effort="none"), {}, {}, LLAMA),
]  # fmt: skip

SAMPLING = [
    Row("all that there is", draw(temperature=0.5, top_p=0.5, top_k=5, stop=["a", " "]),
        {**config(maxTokens=8192, temperature=0.5, topP=0.5, stopSequences=["a"]),
         **further(top_k=5)}, {"sampling.stop[1]": DROPPED}, OLD_CLAUDE),
    Row("not both", draw(temperature=1.5, top_p=0.5), config(maxTokens=64000, temperature=1),
        {"sampling.top_p": DROPPED, "sampling.temperature": TRANSLATED}),
    Row("a newer Claude", draw(temperature=0.5, top_k=5), {},
        {"sampling.temperature": DROPPED, "sampling.top_k": DROPPED}, NEW_CLAUDE),
    Row("sampling when it thinks", {"max_output_tokens": 9000, **think(budget_tokens=2000),
                           **draw(temperature=0.5)},
        {**config(maxTokens=9000), **further(thinking={"type": "enabled", "budget_tokens": 2000})},
        {"sampling.temperature": DROPPED}),
    Row("sampling of Nova", draw(top_k=5, stop=list("abcde")),
        {**config(stopSequences=list("abcd")), **further(inferenceConfig={"topK": 5})},
        {"sampling.stop[4]": DROPPED}, NOVA),
    Row("sampling of Llama", draw(top_p=0.5, top_k=5), config(topP=0.5),
        {"sampling.top_k": DROPPED}, LLAMA),
    Row("what nobody takes", draw(seed=5, presence_penalty=1, frequency_penalty=1), {},
        {"sampling.seed": DROPPED, "sampling.presence_penalty": DROPPED,
         "sampling.frequency_penalty": DROPPED}),
]  # fmt: skip

SHAPES = [
    Row("a schema of the answer", SHAPE, {"outputConfig": {"textFormat": {
        "type": "json_schema",
        "structure": {"jsonSchema": {"name": "s", "schema": SCHEMA_SENT}}}}}),
    Row("a schema in words", SHAPE, {"system": [{"text": IN_WORDS}, MARK]},
        {"response_format.json_schema": TRANSLATED}, NOVA),
    Row("any object", {"response_format": {"json_object": {}}},
        {"system": [{"text": "Answer with one JSON object and with nothing else."}, MARK]},
        {"response_format.json_object": TRANSLATED}),
    Row("constraints that are not taken",
        {"response_format": {"json_schema": {"name": "s", "schema": {"type": "integer",
                                                                     "minimum": 1}}}},
        {"outputConfig": {"textFormat": {"type": "json_schema", "structure": {"jsonSchema": {
            "name": "s", "schema": '{"type":"integer","description":"{minimum: 1}"}'}}}}},
        {"response_format.json_schema": TRANSLATED}),
]  # fmt: skip

SETTING_ROWS = LIMITS + THINKING + SAMPLING + SHAPES
