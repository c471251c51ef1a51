"""Replies with status 200 that are no whole answer, as streams and as documents."""

from __future__ import annotations

import json

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, failure_pb2
from unit.inference.conformance.anthropic_streams import BEGIN, HELLO
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
    start,
    stop,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import Block, Case, Failed

BROKEN = failure_pb2.ERROR_KIND_BROKEN_STREAM
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
QUOTA = failure_pb2.ERROR_KIND_QUOTA
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
CONTENT_FILTERED = failure_pb2.ERROR_KIND_CONTENT_FILTERED
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST

WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_object": {}}}, chat_pb2.ChatRequest()
)
OPEN_TEXT = text("Hello").removesuffix(stop(0))
OPEN_CALL = call('{"a":').removesuffix(stop(0))


def _error(name: str, body: bytes, kind: failure_pb2.ErrorKind.ValueType, code: str = "") -> Case:
    """Return a case with an error after a word."""
    return Case(name, BEGIN + text("Hello") + body, Failed(HELLO, kind, "", code))


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is broken."""
    return Case(name, body, Failed(blocks, BROKEN, says))


ERRORS = (
    _error("overloaded", error("overloaded_error", "Overloaded"), SERVER_ERROR, "overloaded_error"),
    _error("an error of the server", error("api_error"), SERVER_ERROR, "api_error"),
    _error("a time limit of the server", error("timeout_error"), SERVER_ERROR, "timeout_error"),
    _error("a rate", error("rate_limit_error"), RATE_LIMITED, "rate_limit_error"),
    _error(
        "a limit of spending",
        error("rate_limit_error", details={"error_code": "enforced_spend_limit_reached"}),
        QUOTA,
        "enforced_spend_limit_reached",
    ),
    _error(
        "a filter",
        error("invalid_request_error", "Output blocked by content filtering policy", details=None),
        CONTENT_FILTERED,
        "invalid_request_error",
    ),
    _error(
        "a wrong request", error("invalid_request_error"), INVALID_REQUEST, "invalid_request_error"
    ),
    _error("an error that nobody knows", error("weather_error"), SERVER_ERROR, "weather_error"),
    _error("an error of a proxy", frame({"error": "Oh."}), SERVER_ERROR),
    _error("words of a proxy", frame({"message": "Oh."}), SERVER_ERROR),
    _error("an error that is no object", frame({"type": "error", "error": "Oh."}), SERVER_ERROR),
    _error(
        "an error without a wrapper",
        frame({"type": "error", "message": "Oh.", "code": 429}),
        RATE_LIMITED,
        "429",
    ),
    _error(
        "an error where events are garbled",
        b'data: {"type":7,"error":{"type":"api_error"}}\n\n',
        SERVER_ERROR,
        "api_error",
    ),
    _error("an error without a word", frame({"type": "error", "error": None}), SERVER_ERROR),
    Case(
        "an error in place of a stream",
        json.dumps(
            {
                "type": "error",
                "error": {
                    "type": "invalid_request_error",
                    "message": "prompt is too long: 9 tokens > 8 maximum",
                },
            },
            indent=1,
        ).encode(),
        Failed((), CONTEXT_TOO_LONG, "window", "invalid_request_error"),
    ),
)

BROKEN_STREAMS = (
    _broken("nothing at all", b"", "is empty"),
    _broken("blank lines", b"\n\n\r\n", "is empty"),
    _broken("keep-alives", b": keep-alive\n\n: keep-alive\n\n", "broke off"),
    _broken("pings", PING * 3, "broke off"),
    _broken(
        "a page",
        b"<!DOCTYPE html>\n<html>\n\n<body>Hello</body></html>\n",
        "is no stream of events",
    ),
    _broken("another document", b'{"hello": "world"}', "is no stream of events"),
    _broken("another stream of events", b'data: {"choices": []}\n\n' * 3, "broke off"),
    _broken("a start alone", BEGIN, "broke off"),
    _broken("an end after the text", BEGIN + text("Hello"), "broke off", *HELLO),
    _broken(
        "an end after the stop reason", BEGIN + text("Hello") + message_delta(), "broke off", *HELLO
    ),
    _broken(
        "an end within the last frame", BEGIN + text("Hello") + end()[:-1], "broke off", *HELLO
    ),
    _broken("an end within the first frame", BEGIN[:-2], "broke off"),
    _broken(
        "an end without a stop reason",
        BEGIN + text("Hello") + STOP,
        "without a stop reason",
        *HELLO,
    ),
    _broken(
        "an end with an empty stop reason",
        BEGIN + text("Hello") + end(""),
        "without a stop reason",
        *HELLO,
    ),
    _broken(
        "two frames that cannot be decoded",
        BEGIN + OPEN_TEXT + GARBLED + GARBLED + end(),
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "two frames that are no events",
        BEGIN + OPEN_TEXT + b"data: 7\n\n" + frame({"type": 7}) + end(),
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "a frame that nests too deep, twice",
        (b"data: " + b"[" * 2000 + b"]" * 2000 + b"\n\n") * 2,
        "cannot be decoded",
    ),
    _broken(
        "a frame that is no UTF-8, twice",
        delta(0, "text_delta", text="Hello").replace(b"Hello", b"\xff\xfe") * 2,
        "cannot be decoded",
    ),
    _broken(
        "a frame that cannot be decoded within a call",
        BEGIN + OPEN_CALL + GARBLED + delta(0, "input_json_delta", partial_json="1}") + end(),
        "cannot be decoded",
        Block("open", '{"a":', "toolu_1", "f"),
    ),
    _broken(
        "a frame that cannot be decoded after a call without arguments",
        BEGIN + call() + GARBLED + end("tool_use"),
        "cannot be decoded",
        Block("open", "", "toolu_1", "f"),
    ),
    _broken(
        "a frame that cannot be decoded within a thought",
        BEGIN + thought("Hm.").removesuffix(stop(0)) + GARBLED + stop(0) + end(),
        "cannot be decoded",
        Block("reasoning", "Hm."),
    ),
    _broken(
        "a frame that cannot be decoded within a block of the provider's own",
        BEGIN + start(0, {"type": "painting"}) + GARBLED + stop(0) + end(),
        "cannot be decoded",
    ),
    Case(
        "a frame that cannot be decoded within a schema",
        BEGIN + OPEN_TEXT + GARBLED + end(),
        Failed(HELLO, BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    _broken(
        "a frame that cannot be decoded and began a call",
        BEGIN + text("Hello") + GARBLED + stop(1) + end("tool_use"),
        "never began",
        *HELLO,
    ),
    _broken(
        "a frame that cannot be decoded and told the stop reason",
        BEGIN + text("Hello") + GARBLED + STOP,
        "without a stop reason",
        *HELLO,
    ),
    _broken("a call without a name", BEGIN + call("{}", name="") + end("tool_use"), "usable name"),
    _broken(
        "a call with a name that no transcript holds",
        BEGIN + call("{}", name="f" * 129) + end("tool_use"),
        "usable name",
    ),
    _broken(
        "arguments that are no object",
        BEGIN + call("[1]") + end("tool_use"),
        "no JSON object",
        Block("aborted", "[1]", "toolu_1", "f"),
    ),
    _broken(
        "arguments that are no object, in the middle",
        BEGIN + call('{"a"') + text("Hello", index=1) + end(),
        "no JSON object",
        Block("aborted", '{"a"', "toolu_1", "f"),
        *HELLO,
    ),
    _broken(
        "arguments that nobody began",
        BEGIN + delta(0, "input_json_delta", partial_json="{}") + end(),
        "never began",
    ),
    _broken(
        "arguments of a call that has ended",
        BEGIN + call("{}") + delta(0, "input_json_delta", partial_json="{}") + end(),
        "never began",
        Block("completed", "{}", "toolu_1", "f"),
    ),
    _broken(
        "text within a call",
        BEGIN + OPEN_CALL + delta(0, "text_delta", text="Hello"),
        "mixes blocks",
        Block("open", '{"a":', "toolu_1", "f"),
    ),
    _broken("calls that did not come", BEGIN + text("Hello") + end("tool_use"), "has none", *HELLO),
    _broken(
        "an end within a call",
        BEGIN + call("{}") + call('{"b":', index=1, call_id="toolu_2", name="g"),
        "broke off",
        Block("completed", "{}", "toolu_1", "f"),
        Block("open", '{"b":', "toolu_2", "g"),
    ),
    _broken(
        "an end after a call that merely parses",
        BEGIN + call("{}").removesuffix(stop(0)),
        "broke off",
        Block("open", "{}", "toolu_1", "f"),
    ),
    _broken("a block without a type", BEGIN + start(0, {"text": "Hello"}), "cannot be read"),
    _broken(
        "a block that is none",
        BEGIN + frame({"type": "content_block_start", "index": 0}),
        "cannot be read",
    ),
    _broken(
        "more blocks than a message holds",
        b"".join(delta(index, "text_delta", text="a") for index in range(1001)),
        "more parts",
        *(Block("text", "a"),) * 1000,
    ),
)


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("blank lines for a document", b"\n \n", "is empty"),
    _document("a page for a document", b"<html></html>", "is no message"),
    _document("half a document", whole({"type": "text", "text": "Hello"})[:-1], "is no message"),
    _document("a document without content", b'{"type": "message"}', "is no message"),
    _document("another document", b'{"choices": []}', "is no message"),
    _document("a document that nests too deep", b"[" * 2000 + b"]" * 2000, "is no message"),
    _document(
        "a document without a stop reason",
        whole({"type": "text", "text": "Hello"}, stop_reason=None),
        "without a stop reason",
    ),
    _document(
        "a document whose call has no object",
        whole({"type": "tool_use", "id": "x", "name": "f", "input": 7}, stop_reason="tool_use"),
        "no JSON object",
        Block("aborted", "7", "x", "f"),
    ),
    _document("a document with a block that is none", whole({"text": "a"}), "cannot be read"),
    Case(
        "an error for a document",
        b'{"type": "error", "error": {"type": "rate_limit_error", "message": "Slow."}}',
        Failed((), RATE_LIMITED, "", "rate_limit_error"),
        stream=False,
    ),
    Case(
        "an error of Z.ai for a document",
        b'{"code": 500, "msg": "Oh.", "success": false}',
        Failed((), SERVER_ERROR, "", "500"),
        stream=False,
    ),
)

FAILURES = ERRORS + BROKEN_STREAMS + BROKEN_DOCUMENTS
