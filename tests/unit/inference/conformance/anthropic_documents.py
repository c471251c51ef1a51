"""Answers of Anthropic Messages that come as one document."""

from __future__ import annotations

import json

from unit.inference.conformance.anthropic_blocks import SEARCHED
from unit.inference.conformance.anthropic_streams import (
    CONTENT_FILTER,
    HELLO,
    LENGTH,
    SILENT,
    STOPPED,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.anthropic_wire import whole
from unit.inference.conformance.suite import MINTED, Answered, Block, Case, Citation

TEXT = {"type": "text", "text": "Hello"}
THOUGHT = {"type": "thinking", "thinking": "Hm.", "signature": "Eq1"}

DOCUMENTS = (
    Case("text", whole(TEXT), Answered(HELLO, STOPPED, "end_turn", USED), stream=False),
    Case(
        "blank lines around the document",
        b"\n\r\n" + whole(TEXT) + b"\n",
        Answered(HELLO, STOPPED, "end_turn", USED),
        stream=False,
    ),
    Case(
        "thoughts and text",
        whole(THOUGHT, {"type": "redacted_thinking", "data": "Em9"}, TEXT),
        Answered(
            (
                Block("reasoning", "Hm.", signature="Eq1"),
                Block("reasoning", "", signature="Em9", redacted=True),
                *HELLO,
            ),
            STOPPED,
            "end_turn",
            USED,
        ),
        stream=False,
    ),
    Case(
        "thought that nobody asked for",
        whole(THOUGHT, TEXT),
        Answered((Block("reasoning", "", signature="Eq1"), *HELLO), STOPPED, "end_turn", USED),
        stream=False,
        request=SILENT,
    ),
    Case(
        "calls",
        whole(
            {"type": "tool_use", "id": "x", "name": "f", "input": {"a": 1}},
            {"type": "tool_use", "id": "", "name": "g", "input": {}},
            stop_reason="tool_use",
        ),
        Answered(
            (Block("completed", '{"a": 1}', "x", "f"), Block("completed", "", MINTED, "g")),
            TOOL_CALLS,
            "tool_use",
            USED,
        ),
        stream=False,
    ),
    Case(
        "citations",
        whole(
            {
                **TEXT,
                "citations": [
                    {"type": "search_result_location", "source": "https://a", "title": "A"}
                ],
            }
        ),
        Answered(
            (Block("text", "Hello", citations=(Citation("https://a", "A"),)),),
            STOPPED,
            "end_turn",
            USED,
        ),
        stream=False,
    ),
    Case(
        "blocks of the provider's own",
        whole(SEARCHED, TEXT),
        Answered(
            (
                Block("provider", json.dumps(SEARCHED), name="web_search_tool_result"),
                *HELLO,
            ),
            STOPPED,
            "end_turn",
            USED,
        ),
        stream=False,
    ),
    Case(
        "a refusal",
        whole(TEXT, stop_reason="refusal", stop_details={"type": "refusal", "category": "cyber"}),
        Answered(HELLO, CONTENT_FILTER, "refusal", USED),
        stream=False,
    ),
    Case(
        "the token limit before any text, as with hidden thoughts",
        whole(stop_reason="max_tokens"),
        Answered((), LENGTH, "max_tokens", USED),
        stream=False,
    ),
    Case(
        "no usage",
        whole(TEXT, usage=None),
        Answered(HELLO, STOPPED, "end_turn"),
        stream=False,
    ),
)
