"""Streams of Anthropic Messages that end well."""

from __future__ import annotations

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.anthropic_wire import (
    GARBLED,
    PING,
    STOP,
    call,
    delta,
    end,
    error,
    frame,
    message_delta,
    message_start,
    start,
    stop,
    text,
)
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import SHAPED, Answered, Block, Case, Citation

STOPPED = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(
    input_tokens=12,
    output_tokens=71,
    cache_read_tokens=2048,
    source=result_pb2.USAGE_SOURCE_REPORTED,
)

SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())
BEGIN = message_start()
HELLO = (Block("text", "Hello"),)


def answered(
    name: str,
    body: bytes,
    *blocks: Block,
    losses: tuple[str, ...] = (),
    request: chat_pb2.ChatRequest = ASKED,
) -> Case:
    """Return a case that ends with `end_turn`."""
    whole = Answered(blocks, STOPPED, "end_turn", USED, losses)
    return Case(name, BEGIN + PING + body + end(), whole, request=request)


def _ended(name: str, raw: str, reason: result_pb2.FinishReason.ValueType) -> Case:
    """Return a case of one word and a stop reason."""
    return Case(name, BEGIN + text("Hello") + end(raw), Answered(HELLO, reason, raw, USED))


TEXTS = (
    answered("text", text("Hel", "lo"), *HELLO),
    answered("nothing said", b""),
    answered("an empty block", text() + text("", index=1)),
    answered(
        "any character",
        text("a\u2028b\u2029c\x85d", "日本語", "e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    answered("escaped characters", text('\\u00e9 \n\t"\\'), Block("text", '\\u00e9 \n\t"\\')),
    answered(
        "pings between",
        PING + text("Hel") + PING + text("lo", index=1) + PING,
        Block("text", "Hel"),
        Block("text", "lo"),
    ),
    answered("comments and other fields", b": hello\n\nid: 7\nretry: 10\n" + text("Hello"), *HELLO),
    Case(
        "no names of events",
        b"".join(
            b"data: " + each.partition(b"\ndata: ")[2] + b"\n\n"
            for each in (BEGIN + text("Hel", "lo") + end()).split(b"\n\n")[:-1]
        ),
        Answered(HELLO, STOPPED, "end_turn", USED),
    ),
    Case(
        "line ends of HTTP",
        (BEGIN + text("Hel", "lo") + end()).replace(b"\n", b"\r\n"),
        Answered(HELLO, STOPPED, "end_turn", USED),
    ),
    Case(
        "byte order mark and no space after the colon",
        b"\xef\xbb\xbf" + (BEGIN + text("Hello") + end()).replace(b"data: ", b"data:"),
        Answered(HELLO, STOPPED, "end_turn", USED),
    ),
    answered(
        "events and deltas that nobody knows",
        frame({"type": "content_block_peek", "index": 0})
        + delta(0, "shimmer_delta", shimmer=7)
        + start(0, {"type": "text", "text": ""})
        + delta(0, "text_delta", text="Hel")
        + delta(0, "shimmer_delta", shimmer=7)
        + delta(0, "text_delta", text="lo")
        + stop(0),
        *HELLO,
    ),
    answered(
        "text at the start of its block",
        start(0, {"type": "text", "text": "Hel"}) + delta(0, "text_delta", text="lo") + stop(0),
        *HELLO,
    ),
    answered("a block that nobody began", delta(0, "text_delta", text="Hello"), *HELLO),
    answered(
        "thought and text under one index",
        delta(0, "thinking_delta", thinking="Hm.") + delta(0, "text_delta", text="Hello"),
        Block("reasoning", "Hm."),
        *HELLO,
    ),
    answered(
        "blocks whose ends do not come",
        text("Hel").removesuffix(stop(0)) + text("lo", index=1),
        Block("text", "Hel"),
        Block("text", "lo"),
    ),
    answered(
        "an index twice",
        text("Hel").removesuffix(stop(0)) + text("lo"),
        Block("text", "Hel"),
        Block("text", "lo"),
    ),
    answered(
        "one frame that cannot be decoded",
        start(0, {"type": "text", "text": ""})
        + delta(0, "text_delta", text="Hel")
        + GARBLED
        + delta(0, "text_delta", text="lo")
        + stop(0),
        *HELLO,
        losses=("answer.frame",),
    ),
    answered("an empty frame", b"data:\n\n" + text("Hello"), *HELLO),
    Case(
        "what follows the end",
        BEGIN + text("Hello") + end() + text(" again") + error("api_error") + b"data: {\n\n" * 2,
        Answered(HELLO, STOPPED, "end_turn", USED),
    ),
    answered(
        "citations",
        start(0, {"type": "text", "text": "", "citations": []})
        + delta(0, "text_delta", text="Hel")
        + delta(
            0,
            "citations_delta",
            citation={
                "type": "web_search_result_location",
                "url": "https://acme.example/a",
                "title": "A",
                "cited_text": "Hel",
                "encrypted_index": "E…",
            },
        )
        + delta(0, "text_delta", text="lo")
        + delta(
            0,
            "citations_delta",
            citation={
                "type": "page_location",
                "document_index": 0,
                "document_title": "D",
                "cited_text": "lo",
                "start_page_number": 1,
            },
        )
        + delta(0, "citations_delta", citation={"type": "blank_location"})
        + delta(0, "citations_delta", citation=7)
        + stop(0),
        Block(
            "text",
            "Hello",
            citations=(
                Citation("https://acme.example/a", "A", "Hel"),
                Citation("", "D", "lo"),
            ),
        ),
    ),
)

ENDS = (
    _ended("the token limit", "max_tokens", LENGTH),
    _ended("the window", "model_context_window_exceeded", LENGTH),
    _ended("a refusal", "refusal", CONTENT_FILTER),
    _ended("a pause", "pause_turn", UNSPECIFIED),
    _ended("a word that nobody knows", "wind_down", UNSPECIFIED),
    Case(
        "a stop sequence",
        BEGIN + text("Hello") + end("stop_sequence", stop_sequence="###"),
        Answered(HELLO, STOPPED, "stop_sequence", USED),
    ),
    Case(
        "usage at the end replaces usage at the start",
        BEGIN
        + text("Hello")
        + frame(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {
                    "input_tokens": 0,
                    "output_tokens": 71,
                    "cache_read_input_tokens": 2048,
                },
            }
        )
        + STOP,
        Answered(HELLO, STOPPED, "end_turn", USED),
    ),
    Case(
        "no usage",
        message_start(usage=None)
        + text("Hello")
        + frame({"type": "message_delta", "delta": {"stop_reason": "end_turn"}})
        + STOP,
        Answered(HELLO, STOPPED, "end_turn"),
    ),
    Case(
        "no start",
        text("Hello") + end(),
        Answered(
            HELLO,
            STOPPED,
            "end_turn",
            result_pb2.Usage(output_tokens=71, source=result_pb2.USAGE_SOURCE_REPORTED),
        ),
    ),
    Case(
        "a second start, as when the provider falls back by itself",
        message_start(usage={"input_tokens": 9, "output_tokens": 9})
        + text("Hel")
        + call('{"a":', index=1).removesuffix(stop(1))
        + message_delta("pause_turn")
        + BEGIN
        + text("Hello")
        + end(),
        Answered(
            (Block("text", "Hel"), Block("aborted", '{"a":', "toolu_1", "f"), *HELLO),
            STOPPED,
            "end_turn",
            USED,
        ),
    ),
)

SHAPES = (
    Case(
        "JSON by a schema, with every number of tokens",
        message_start(
            usage={
                "input_tokens": 12,
                "cache_read_input_tokens": 2048,
                "cache_creation_input_tokens": 300,
                "cache_creation": {
                    "ephemeral_5m_input_tokens": 100,
                    "ephemeral_1h_input_tokens": 200,
                },
                "output_tokens": 1,
            }
        )
        + text('{"a":', "1}")
        + frame(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {
                    "output_tokens": 71,
                    "output_tokens_details": {"thinking_tokens": 40},
                },
            }
        )
        + STOP,
        Answered(
            (Block("text", '{"a":1}'),),
            STOPPED,
            "end_turn",
            result_pb2.Usage(
                input_tokens=12,
                output_tokens=71,
                cache_read_tokens=2048,
                cache_write_tokens=300,
                cache_write_long_tokens=200,
                reasoning_tokens=40,
                source=result_pb2.USAGE_SOURCE_REPORTED,
            ),
        ),
        request=SHAPED,
    ),
)

STREAMS = TEXTS + ENDS + SHAPES
