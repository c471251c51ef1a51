"""Streams of OpenAI Responses that end well."""

from __future__ import annotations

import json

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.responses_wire import (
    DONE,
    GARBLED,
    START,
    added,
    argued,
    begun,
    call,
    cut_short,
    delta,
    done,
    end,
    ended,
    event,
    frame,
    function,
    output_text,
    said,
    text,
    thinking,
    thought,
)
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, Answered, Block, Case, Citation

STOP = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(
    input_tokens=56,
    output_tokens=44,
    cache_read_tokens=64,
    reasoning_tokens=30,
    source=result_pb2.USAGE_SOURCE_REPORTED,
)

END = end()
SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())

HELLO = (Block("text", "Hello"),)
THOUGHT = Block("reasoning", "Hm.", signature="gAAA")


def _case(
    name: str,
    body: bytes,
    *blocks: Block,
    losses: tuple[str, ...] = (),
    request: chat_pb2.ChatRequest = ASKED,
) -> Case:
    """Return a case that ends by itself."""
    answered = Answered(blocks, STOP, "completed", USED, losses)
    return Case(name, START + body + END, answered, request=request)


def _called(name: str, body: bytes, *blocks: Block) -> Case:
    """Return a case that ends with calls."""
    return Case(name, START + body + END, Answered(blocks, TOOL_CALLS, "completed", USED))


def _cut(name: str, reason: str, neutral: result_pb2.FinishReason.ValueType) -> Case:
    """Return a case of one word that is cut short."""
    body = START + begun() + delta("Hello") + cut_short(reason)
    return Case(name, body, Answered(HELLO, neutral, reason, USED))


TEXTS = (
    _case("text", text("Hel", "lo"), *HELLO),
    _case("nothing said", b""),
    _case("an empty text", text("")),
    _case(
        "any character",
        text("a\u2028b\u2029c\x85d", "日本語", "e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    _case("comments", b": keep-alive\n\n" + text("Hello"), *HELLO),
    Case(
        "line ends of HTTP",
        (START + text("Hello") + END).replace(b"\n", b"\r\n"),
        Answered(HELLO, STOP, "completed", USED),
    ),
    Case(
        "a byte order mark and the end marker",
        b"\xef\xbb\xbf" + START + text("Hello") + END + DONE,
        Answered(HELLO, STOP, "completed", USED),
    ),
    _case(
        "two parts and two messages",
        begun()
        + delta("Hello")
        + delta("there", part=1)
        + done(said(output_text("Hello"), output_text("there")))
        + text("Bye", index=1),
        *HELLO,
        Block("text", "there"),
        Block("text", "Bye"),
    ),
    _case(
        "parts whose pieces come in turn",
        begun() + delta("Hel") + delta("th", part=1) + delta("lo") + delta("ere", part=1),
        *HELLO,
        Block("text", "there"),
    ),
    _case("a text that comes with its end only", begun() + ended("Hello"), *HELLO),
    _case("an item that comes with its end only", done(said(output_text("Hello"))), *HELLO),
    _case("a text whose item was not begun", delta("Hel") + delta("lo"), *HELLO),
    _case(
        "no index anywhere",
        frame({"type": "response.output_item.added", "item": said()})
        + frame({"type": "response.output_text.delta", "delta": "Hello"})
        + frame({"type": "response.output_item.done", "item": said(output_text("Hello"))}),
        *HELLO,
    ),
    _case("an end without its items begun or ended", begun() + delta("Hello"), *HELLO),
    _case(
        "events of yet unknown kinds",
        event("queued")
        + event("web_search_call.searching", output_index=0, message="x", error="y")
        + text("Hello")
        + event("rate_limits", detail="z"),
        *HELLO,
    ),
    _case(
        "a source, told as it is met and again at the end",
        begun()
        + delta("Hello")
        + event(
            "output_text.annotation.added",
            output_index=0,
            content_index=0,
            annotation={"type": "url_citation", "url": "https://a.example", "title": "A"},
        )
        + done(
            said(
                output_text(
                    "Hello", {"type": "url_citation", "url": "https://a.example", "title": "A"}
                )
            )
        ),
        Block("text", "Hello", citations=(Citation("https://a.example", "A"),)),
    ),
    _case(
        "a source that comes at the end only, and one that is no page",
        begun()
        + delta("Hello")
        + done(
            said(
                output_text(
                    "Hello",
                    {"type": "file_citation", "file_id": "file_1"},
                    {"type": "url_citation", "url": "https://a.example"},
                )
            )
        ),
        Block("text", "Hello", citations=(Citation("https://a.example"),)),
    ),
    _case(
        "one frame that cannot be decoded",
        begun() + delta("Hel") + GARBLED + delta("lo"),
        *HELLO,
        losses=("answer.frame",),
    ),
    _case("what follows the end", text("Hello") + END + text(" again", index=1), *HELLO),
    _case(
        "an error after the end",
        text("Hello") + END + frame({"type": "error", "message": "too late"}) + b"data: {\n\n",
        *HELLO,
    ),
)

THOUGHTS = (
    _case("a thought, then text", thinking("Hm.") + text("Hello", index=1), THOUGHT, *HELLO),
    _case(
        "a summary of two parts",
        thinking("Hm.", "So.") + text("Hello", index=1),
        Block("reasoning", "Hm.\n\nSo.", signature="gAAA"),
        *HELLO,
    ),
    _case(
        "a thought without a summary",
        thinking() + text("Hello", index=1),
        Block("reasoning", "", signature="gAAA", redacted=True),
        *HELLO,
    ),
    _case(
        "a thought without anything",
        thinking(encrypted=None) + text("Hello", index=1),
        *HELLO,
    ),
    _case(
        "a thought that nobody asked for keeps what proves it",
        thinking("Hm.") + text("Hello", index=1),
        Block("reasoning", "", signature="gAAA"),
        *HELLO,
        request=SILENT,
    ),
    _case(
        "a thought that is shown whole (open models)",
        added({"type": "reasoning"})
        + event("reasoning_text.delta", output_index=0, content_index=0, delta="Hm.")
        + done({"type": "reasoning", "content": [{"type": "reasoning_text", "text": "Hm."}]})
        + text("Hello", index=1),
        Block("reasoning", "Hm."),
        *HELLO,
    ),
    _case(
        "a thought that comes with its end only",
        done(thought("Hm.")) + text("Hello", index=1),
        THOUGHT,
        *HELLO,
    ),
)

CALLS = (
    _called(
        "a call in pieces",
        call('{"tz":', '"UTC"}', call_id="call_9", name="time"),
        Block("completed", '{"tz":"UTC"}', "call_9", "time"),
    ),
    _called(
        "a thought, text and two calls",
        thinking("Hm.")
        + text("Hello", index=1)
        + call('{"a":1}', index=2)
        + call("{}", index=3, call_id="y", name="g"),
        THOUGHT,
        *HELLO,
        Block("completed", '{"a":1}', "x", "f"),
        Block("completed", "{}", "y", "g"),
    ),
    _called(
        "calls whose pieces come in turn",
        added(function("", "x", "f"))
        + added(function("", "y", "g"), 1)
        + argued('{"a"')
        + argued('{"b"', 1)
        + argued(":1}")
        + argued(":2}", 1)
        + done(function('{"b":2}', "y", "g"), 1)
        + done(function('{"a":1}', "x", "f")),
        Block("completed", '{"a":1}', "x", "f"),
        Block("completed", '{"b":2}', "y", "g"),
    ),
    _called(
        "arguments that come with the end only",
        added(function("")) + done(function('{"a":1}')),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "a call that comes with its end only",
        done(function('{"a":1}')),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "a call that never ends before the answer does",
        added(function("")) + argued("{}"),
        Block("completed", "{}", "x", "f"),
    ),
    _called(
        "arguments as an object",
        done(function({"z": 1, "a": [True, None]})),
        Block("completed", '{"z":1,"a":[true,null]}', "x", "f"),
    ),
    _called("no arguments", call(""), Block("completed", "", "x", "f")),
    _called(
        "an id twice",
        call("{}") + call("{}", index=1, name="g"),
        Block("completed", "{}", "x", "f"),
        Block("completed", "{}", MINTED, "g"),
    ),
    _called(
        "an id that no transcript holds",
        call("{}", call_id="y" * 257),
        Block("completed", "{}", MINTED, "f"),
    ),
    _called(
        "no id",
        done({"type": "function_call", "name": "f", "arguments": "{}"}),
        Block("completed", "{}", MINTED, "f"),
    ),
)


SEARCH = {"type": "web_search_call", "status": "completed", "action": {"query": "\u2028 ö"}}
OWN = (
    _case(
        "an item of the provider's own",
        added({"type": "web_search_call", "status": "in_progress"})
        + event("web_search_call.completed", output_index=0)
        + done(SEARCH)
        + text("Hello", index=1),
        Block(
            "provider",
            json.dumps({"id": "item_0", **SEARCH}, ensure_ascii=False, separators=(",", ":")),
            name="web_search_call",
        ),
        *HELLO,
    ),
)

ENDS = (
    _cut("the token limit", "max_output_tokens", LENGTH),
    _cut("a filter", "content_filter", CONTENT_FILTER),
    _cut("a reason that nobody knows", "steered", UNSPECIFIED),
    Case(
        "cut short without a reason",
        text("Hello") + end("incomplete"),
        Answered(HELLO, UNSPECIFIED, "incomplete", USED),
    ),
    Case(
        "no usage",
        text("Hello") + end(usage=None),
        Answered(HELLO, STOP, "completed"),
    ),
    Case(
        "an end that says nothing but its name",
        text("Hello") + frame({"type": "response.completed"}),
        Answered(HELLO, STOP, "completed"),
    ),
    _case(
        "thoughts that the provider took out of the question",
        text("Hello")
        + end(
            input_transformations=[
                {"id": "rs_1", "action": "removed", "type": "reasoning", "reason": reason}
                for reason in ("prefix_mismatch", "prefix_mismatch", "model_mismatch")
            ]
        ),
        *HELLO,
        losses=("messages", "messages"),
    ),
    Case(
        "a refusal",
        added(said())
        + event("refusal.delta", output_index=0, content_index=0, delta="I can't ")
        + event("refusal.delta", output_index=0, content_index=0, delta="do that.")
        + done(said({"type": "refusal", "refusal": "I can't do that."}))
        + END,
        Answered((Block("refusal", "I can't do that."),), CONTENT_FILTER, "completed", USED),
    ),
    Case(
        "the token limit within a call",
        call('{"a":1}')
        + added(function("", "y", "g"), 1)
        + argued('{"b":', 1)
        + done(function('{"b":', "y", "g", status="incomplete"), 1)
        + cut_short("max_output_tokens"),
        Answered(
            (Block("completed", '{"a":1}', "x", "f"), Block("aborted", '{"b":', "y", "g")),
            LENGTH,
            "max_output_tokens",
            USED,
        ),
    ),
    Case(
        "the token limit within a call that is not ended",
        added(function("")) + argued('{"a":1}') + cut_short("max_output_tokens"),
        Answered((Block("aborted", '{"a":1}', "x", "f"),), LENGTH, "max_output_tokens", USED),
    ),
    Case(
        "the token limit within a call that is said to be whole",
        added(function(""))
        + argued('{"a":')
        + done(function('{"a":'))
        + cut_short("content_filter"),
        Answered((Block("aborted", '{"a":', "x", "f"),), CONTENT_FILTER, "content_filter", USED),
    ),
)

STREAMS = TEXTS + THOUGHTS + CALLS + OWN + ENDS
