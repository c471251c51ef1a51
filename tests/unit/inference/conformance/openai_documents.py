"""Answers of Chat Completions that come as one document."""

from __future__ import annotations

from unit.inference.conformance.openai_streams import (
    CONTENT_FILTER,
    HELLO,
    LENGTH,
    SILENT,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.openai_wire import call, whole
from unit.inference.conformance.suite import MINTED, Answered, Block, Case

DOCUMENTS = (
    Case(
        "text",
        whole({"role": "assistant", "content": "Hello", "refusal": None, "annotations": []}),
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "blank lines before the document (DeepSeek)",
        b"\n\n\r\n" + whole({"content": "Hello"}) + b"\n",
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "thought and text",
        whole({"reasoning_content": "Hm.", "content": "Hello"}),
        Answered((Block("reasoning", "Hm."), *HELLO), STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "thought that nobody asked for",
        whole({"reasoning_content": "Hm.", "content": "Hello"}),
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
        request=SILENT,
    ),
    Case(
        "blocks (Mistral)",
        whole(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
                    {"type": "text", "text": "Hello"},
                ]
            }
        ),
        Answered((Block("reasoning", "Hm."), *HELLO), STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "calls",
        whole(
            {
                "content": None,
                "tool_calls": [
                    call('{"a":1}', index=None, call_id="x", name="f"),
                    call("", index=None, name="g"),
                ],
            },
            "tool_calls",
        ),
        Answered(
            (Block("completed", '{"a":1}', "x", "f"), Block("completed", "", MINTED, "g")),
            TOOL_CALLS,
            "tool_calls",
            USED,
        ),
        stream=False,
    ),
    Case(
        "calls without a reason (xAI)",
        whole({"content": "", "tool_calls": [call("{}", call_id="x", name="f")]}, ""),
        Answered((Block("completed", "{}", "x", "f"),), TOOL_CALLS, "", USED),
        stream=False,
    ),
    Case(
        "a refusal",
        whole({"content": None, "refusal": "No."}),
        Answered((Block("refusal", "No."),), CONTENT_FILTER, "stop", USED),
        stream=False,
    ),
    Case(
        "the token limit within a call",
        whole({"tool_calls": [call('{"a":', call_id="x", name="f")]}, "length"),
        Answered((Block("aborted", '{"a":', "x", "f"),), LENGTH, "length", USED),
        stream=False,
    ),
    Case(
        "the token limit before any text, as with hidden thoughts",
        whole({"content": ""}, "length"),
        Answered((), LENGTH, "length", USED),
        stream=False,
    ),
)
