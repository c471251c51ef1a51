"""Answers of Bedrock that come as one document."""

from __future__ import annotations

from typing import Any

from unit.inference.conformance.bedrock_streams import (
    HELLO,
    HM,
    LENGTH,
    SILENT,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.bedrock_wire import whole
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, Answered, Block, Case


def _case(name: str, body: bytes, *blocks: Block, **more: Any) -> Case:
    """Return a case that ends well, with usage."""
    losses = more.pop("losses", ())
    expected = Answered(blocks, STOP, "end_turn", USED, losses)
    return Case(name, body, expected, stream=False, **{"request": ASKED, **more})


def thought(**said: Any) -> dict[str, Any]:
    """Return a thought of a document."""
    return {"reasoningContent": {"reasoningText": said}}


def call(call_id: Any, name: Any, given: Any) -> dict[str, Any]:
    """Return a call of a document."""
    return {"toolUse": {"toolUseId": call_id, "name": name, "input": given}}


DOCUMENTS = (
    _case("text", whole({"text": "Hello"}), *HELLO),
    _case("nothing said", whole()),
    _case(
        "a signed thought and text",
        whole(thought(text="Hm.", signature="s1"), {"text": "Hello"}),
        Block("reasoning", "Hm.", signature="s1"),
        *HELLO,
    ),
    _case(
        "a thought without a signature", whole(thought(text="Hm."), {"text": "Hello"}), HM, *HELLO
    ),
    _case(
        "a thought that nobody asked for",
        whole(thought(text="Hm.", signature="s1"), {"text": "Hello"}),
        Block("reasoning", "", signature="s1"),
        *HELLO,
        request=SILENT,
    ),
    _case(
        "a thought that is withheld",
        whole({"reasoningContent": {"redactedContent": "c2VjcmV0"}}, {"text": "Hello"}),
        Block("reasoning", "", signature="c2VjcmV0", redacted=True),
        *HELLO,
    ),
    _case(
        "text with sources",
        whole(
            {"citationsContent": {"content": [{"text": "Hel"}, {"text": "lo"}], "citations": []}}
        ),
        *HELLO,
    ),
    _case(
        "a block that is not known",
        whole({"image": {"format": "png"}}, {"text": "Hello"}),
        *HELLO,
        losses=("answer.content[0]",),
    ),
    Case(
        "calls",
        whole({"text": "Hello"}, call("x", "f", {"a": 1}), call(None, "g", {}), reason="tool_use"),
        Answered(
            (*HELLO, Block("completed", '{"a": 1}', "x", "f"), Block("completed", "", MINTED, "g")),
            TOOL_CALLS,
            "tool_use",
            USED,
        ),
        stream=False,
    ),
    Case(
        "the token limit",
        whole({"text": "Hello"}, reason="max_tokens"),
        Answered(HELLO, LENGTH, "max_tokens", USED),
        stream=False,
    ),
    Case(
        "no usage",
        whole({"text": "Hello"}, usage=None),
        Answered(HELLO, STOP, "end_turn"),
        stream=False,
    ),
    Case(
        "usage that is none",
        whole({"text": "Hello"}, usage=[7]),
        Answered(HELLO, STOP, "end_turn"),
        stream=False,
    ),
)
