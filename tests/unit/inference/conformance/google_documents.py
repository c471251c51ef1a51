"""Answers of the Gemini API that come as one document."""

from __future__ import annotations

from unit.inference.conformance.google_streams import (
    CONTENT_FILTER,
    HELLO,
    HM,
    LENGTH,
    SILENT,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.google_wire import call, whole
from unit.inference.conformance.suite import MINTED, Answered, Block, Case

_CALLS = (
    Block("completed", '{\n                "a": 1\n              }', "x", "f", signature="s1"),
    Block("completed", "", MINTED, "g"),
)

DOCUMENTS = (
    Case(
        "text",
        whole({"text": "Hel"}, {"text": "lo"}),
        Answered(HELLO, STOP, "STOP", USED),
        stream=False,
    ),
    Case(
        "thought and signed text",
        whole({"text": "Hm.", "thought": True}, {"text": "Hello", "thoughtSignature": "s1"}),
        Answered((HM, Block("text", "Hello", signature="s1")), STOP, "STOP", USED),
        stream=False,
    ),
    Case(
        "thought that nobody asked for",
        whole({"text": "Hm.", "thought": True}, {"text": "Hello"}),
        Answered(HELLO, STOP, "STOP", USED),
        stream=False,
        request=SILENT,
    ),
    Case(
        "calls",
        whole({**call("f", {"a": 1}, id="x"), "thoughtSignature": "s1"}, call("g")),
        Answered(_CALLS, TOOL_CALLS, "STOP", USED),
        stream=False,
    ),
    Case(
        "the token limit before any text, as with hidden thoughts",
        whole(reason="MAX_TOKENS"),
        Answered((), LENGTH, "MAX_TOKENS", USED),
        stream=False,
    ),
    Case(
        "a filter that ends the answer",
        whole({"text": "Hello"}, reason="SAFETY"),
        Answered(HELLO, CONTENT_FILTER, "SAFETY", USED),
        stream=False,
    ),
    Case(
        "no usage, and null for an error",
        whole({"text": "Hello"}, usageMetadata=None, error=None),
        Answered(HELLO, STOP, "STOP"),
        stream=False,
    ),
)
