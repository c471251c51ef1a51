"""What is asked beside the transcript: tools, choice, shape, stop sequences, caching."""

from __future__ import annotations

from typing import Final

from fidelity.features.feature import Feature
from fidelity.features.parts import (
    BOUNDED,
    HELLO,
    REFERRING,
    SCHEMA,
    STRUCT,
    TOOLS,
    choice,
    shape,
    tool,
)

FEATURES: Final = (
    Feature("tools", "schemas", r"tools\[\d\]\.parameters.*", HELLO, choice()),
    Feature(
        "schema as an object",
        "schemas",
        r"tools\[0\]\.parameters",
        HELLO,
        {"tools": [{"name": "search", "parameters": STRUCT}]},
    ),
    Feature(
        "schema with references",
        "schemas",
        r"tools\[0\]\.parameters_json",
        HELLO,
        {"tools": [tool(parametersJson=REFERRING)]},
    ),
    Feature(
        "tool without arguments",
        "schemas",
        r"tools\[0\]\.parameters_json",
        HELLO,
        {"tools": [{"name": "now", "description": "The time"}]},
    ),
    Feature("strict tool", "schemas", r"tools\[0\]\.strict", HELLO, {"tools": [tool(strict=True)]}),
    Feature(
        "choice: no tool",
        "tool choice",
        r"tool_choice\.mode",
        HELLO,
        choice(mode="MODE_NONE"),
    ),
    Feature(
        "choice: any tool",
        "tool choice",
        r"tool_choice\.mode",
        HELLO,
        choice(mode="MODE_REQUIRED"),
    ),
    Feature(
        "choice: this tool",
        "tool choice",
        r"tool_choice\..*",
        HELLO,
        choice(mode="MODE_REQUIRED", allowed=["read"]),
    ),
    Feature(
        "choice: some tools",
        "tool choice",
        r"tool_choice\.allowed",
        HELLO,
        choice(mode="MODE_AUTO", allowed=["read"]),
    ),
    Feature(
        "choice: one call at a time",
        "tool choice",
        r"tool_choice\.parallel",
        HELLO,
        choice(parallel=False),
    ),
    Feature(
        "four stop sequences",
        "stop sequences",
        r"sampling\.stop\[\d\]",
        HELLO,
        {"sampling": {"stop": ["END", "\n\nHuman:", "終", "###"]}},
    ),
    Feature(
        "blank stop sequence",
        "stop sequences",
        r"sampling\.stop\[\d\]",
        HELLO,
        {"sampling": {"stop": ["\n\n"]}},
    ),
    Feature(
        "seven stop sequences",
        "stop sequences",
        r"sampling\.stop\[\d\]",
        HELLO,
        {"sampling": {"stop": list("ABCDEFG")}},
    ),
    Feature(
        "answer by a schema",
        "schemas",
        r"response_format\.json_schema",
        HELLO,
        shape({"schemaJson": SCHEMA, "strict": True}),
    ),
    Feature(
        "answer by a schema with bounds",
        "schemas",
        r"response_format\.json_schema",
        HELLO,
        shape({"schemaJson": BOUNDED}),
    ),
    Feature(
        "answer by a schema, with tools",
        "schemas",
        r"response_format\.json_schema",
        HELLO,
        {**TOOLS, **shape({"schema": STRUCT})},
    ),
    Feature(
        "answer that is any JSON object",
        "schemas",
        r"response_format\.json_object",
        HELLO,
        {"responseFormat": {"jsonObject": {}}},
    ),
    Feature(
        "cache marks",
        "cache marks",
        r".*\.cache",
        (
            {"role": "ROLE_SYSTEM", "content": [{"text": "Be brief.", "cache": {"ttl": "3600s"}}]},
            {"role": "ROLE_USER", "content": [{"text": "Hello", "cache": {"ttl": "3600s"}}]},
        ),
        {"tools": [tool(cache={"ttl": "3600s"})]},
    ),
)
