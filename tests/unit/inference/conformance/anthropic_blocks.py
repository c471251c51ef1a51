"""Streams of Anthropic Messages of all that is no text: thoughts, calls, its own blocks."""

from __future__ import annotations

import json

from unit.inference.conformance.anthropic_streams import (
    BEGIN,
    HELLO,
    LENGTH,
    SILENT,
    TOOL_CALLS,
    USED,
    answered,
)
from unit.inference.conformance.anthropic_wire import call, delta, end, start, stop, text, thought
from unit.inference.conformance.suite import MINTED, Answered, Block, Case


def _called(name: str, body: bytes, *blocks: Block) -> Case:
    """Return a case that ends with `tool_use`."""
    return Case(
        name, BEGIN + body + end("tool_use"), Answered(blocks, TOOL_CALLS, "tool_use", USED)
    )


def _cut(name: str, body: bytes, *blocks: Block) -> Case:
    """Return a case that the token limit has cut."""
    return Case(
        name, BEGIN + body + end("max_tokens"), Answered(blocks, LENGTH, "max_tokens", USED)
    )


THOUGHTS = (
    answered(
        "a thought that is signed",
        thought("Let me ", "see.", signature="Eq1") + text("Hello", index=1),
        Block("reasoning", "Let me see.", signature="Eq1"),
        *HELLO,
    ),
    answered(
        "a signature alone",
        thought(signature="Eq1") + text("Hello", index=1),
        Block("reasoning", "", signature="Eq1"),
        *HELLO,
    ),
    answered(
        "a signature in pieces",
        start(0, {"type": "thinking", "thinking": "H", "signature": "E"})
        + delta(0, "thinking_delta", thinking="m.")
        + delta(0, "signature_delta", signature="q")
        + delta(0, "signature_delta", signature="")
        + delta(0, "signature_delta", signature="1")
        + stop(0),
        Block("reasoning", "Hm.", signature="Eq1"),
    ),
    answered(
        "a thought that is withheld",
        start(0, {"type": "redacted_thinking", "data": "Em9"}) + stop(0) + text("Hello", index=1),
        Block("reasoning", "", signature="Em9", redacted=True),
        *HELLO,
    ),
    answered("an empty thought", thought() + text("Hello", index=1), *HELLO),
    answered(
        "thoughts that nobody asked for",
        thought("Hm.", signature="Eq1") + text("Hello", index=1) + thought("So.", index=2),
        Block("reasoning", "", signature="Eq1"),
        *HELLO,
        request=SILENT,
    ),
)

CALLS = (
    _called(
        "a call in pieces",
        call("", '{"tz":', '"UTC"}', name="time"),
        Block("completed", '{"tz":"UTC"}', "toolu_1", "time"),
    ),
    _called(
        "thought, text, calls",
        thought("Hm.", signature="Eq1")
        + text("Hello", index=1)
        + call('{"a":1}', index=2)
        + call("{}", index=3, call_id="toolu_2", name="g"),
        Block("reasoning", "Hm.", signature="Eq1"),
        *HELLO,
        Block("completed", '{"a":1}', "toolu_1", "f"),
        Block("completed", "{}", "toolu_2", "g"),
    ),
    _called(
        "no arguments, once in the middle and once at the end",
        call("") + call(index=1, call_id="toolu_2", name="g"),
        Block("completed", "", "toolu_1", "f"),
        Block("completed", "", "toolu_2", "g"),
    ),
    _called(
        "arguments at the start of the call",
        start(0, {"type": "tool_use", "id": "x", "name": "f", "input": {"z": 1, "a": [None]}})
        + stop(0),
        Block("completed", '{"z":1,"a":[null]}', "x", "f"),
    ),
    _called(
        "calls that come in turn",
        start(0, {"type": "tool_use", "id": "x", "name": "f", "input": {}})
        + start(1, {"type": "tool_use", "id": "y", "name": "g", "input": {}})
        + delta(0, "input_json_delta", partial_json='{"a"')
        + delta(1, "input_json_delta", partial_json='{"b"')
        + delta(0, "input_json_delta", partial_json=":1}")
        + delta(1, "input_json_delta", partial_json=":2}")
        + stop(0)
        + stop(1),
        Block("completed", '{"a":1}', "x", "f"),
        Block("completed", '{"b":2}', "y", "g"),
    ),
    _called(
        "a call whose end does not come",
        call('{"a":1}').removesuffix(stop(0)),
        Block("completed", '{"a":1}', "toolu_1", "f"),
    ),
    _called(
        "an id twice, and none",
        call("{}") + call("{}", index=1) + call("{}", index=2, call_id=""),
        Block("completed", "{}", "toolu_1", "f"),
        Block("completed", "{}", MINTED, "f"),
        Block("completed", "{}", MINTED, "f"),
    ),
    _called(
        "an id that no transcript holds",
        call("{}", call_id="x" * 257),
        Block("completed", "{}", MINTED, "f"),
    ),
    Case(
        "calls and a word that knows of none",
        BEGIN + call("{}") + end("end_turn"),
        Answered((Block("completed", "{}", "toolu_1", "f"),), TOOL_CALLS, "end_turn", USED),
    ),
    _cut(
        "the token limit within a call",
        call('{"a":1}') + call('{"b":', index=1, call_id="toolu_2", name="g"),
        Block("completed", '{"a":1}', "toolu_1", "f"),
        Block("aborted", '{"b":', "toolu_2", "g"),
    ),
    _cut(
        "the token limit after a call without arguments",
        call() + delta(1, "text_delta", text="Hello"),
        Block("completed", "", "toolu_1", "f"),
        *HELLO,
    ),
    _cut(
        "the token limit before a call's arguments",
        call("") + call("", index=1, call_id="toolu_2", name="g"),
        Block("completed", "", "toolu_1", "f"),
        Block("aborted", "", "toolu_2", "g"),
    ),
)

SEARCHED = {
    "type": "web_search_tool_result",
    "tool_use_id": "srvtoolu_1",
    "content": [{"type": "web_search_result", "url": "https://acme.example", "title": "é"}],
}

OWN = (
    answered(
        "a tool that the provider runs itself",
        start(0, {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}})
        + delta(0, "input_json_delta", partial_json='{"query":')
        + delta(0, "input_json_delta", partial_json=' "acme"}')
        + stop(0)
        + start(1, SEARCHED)
        + stop(1)
        + text("Hello", index=2),
        Block(
            "provider",
            '{"type":"server_tool_use","id":"srvtoolu_1","name":"web_search",'
            '"input":{"query": "acme"}}',
            name="server_tool_use",
        ),
        Block(
            "provider",
            json.dumps(SEARCHED, ensure_ascii=False, separators=(",", ":")),
            name="web_search_tool_result",
        ),
        *HELLO,
    ),
    answered(
        "own blocks that cannot be put together",
        start(0, {"type": "painting", "strokes": ""})
        + delta(0, "stroke_delta", stroke="/")
        + stop(0)
        + start(1, {"type": "server_tool_use", "id": "s", "name": "n", "input": {}})
        + delta(1, "input_json_delta", partial_json='{"query":')
        + stop(1)
        + text("Hello", index=2),
        *HELLO,
        losses=("answer.content[0]", "answer.content[1]"),
    ),
)


BLOCKS = THOUGHTS + CALLS + OWN
