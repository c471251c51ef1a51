"""Answers of Ollama that come as one document."""

from __future__ import annotations

from unit.inference.conformance.ollama_streams import (
    HELLO,
    LENGTH,
    SILENT,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.ollama_wire import call, whole
from unit.inference.conformance.suite import MINTED, Answered, Block, Case

DOCUMENTS = (
    Case("text", whole({"content": "Hello"}), Answered(HELLO, STOP, "stop", USED), stream=False),
    Case(
        "blank lines around the document",
        b"\r\n" + whole({"content": "Hello"}) + b"\n",
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "thought and text",
        whole({"thinking": "Hm.", "content": "Hello"}),
        Answered((Block("reasoning", "Hm."), *HELLO), STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "thought that nobody asked for",
        whole({"thinking": "Hm.", "content": "Hello"}),
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
        request=SILENT,
    ),
    Case(
        "calls",
        whole({"tool_calls": [call("f", {"a": 1}, "x"), call("g", {})]}),
        Answered(
            (Block("completed", '{"a":1}', "x", "f"), Block("completed", "{}", MINTED, "g")),
            TOOL_CALLS,
            "stop",
            USED,
        ),
        stream=False,
    ),
    Case(
        "the token limit",
        whole({"content": "Hello"}, "length"),
        Answered(HELLO, LENGTH, "length", USED),
        stream=False,
    ),
    Case("nothing said", whole({}), Answered((), STOP, "stop", USED), stream=False),
)
