"""Replies with status 200 that are no whole answer, as streams and as documents."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, failure_pb2
from unit.inference.conformance.openai_streams import CALLED, END, HELLO
from unit.inference.conformance.openai_wire import DONE, call, calls, chunk, frame, text, whole
from unit.inference.conformance.suite import Block, Case, Failed

BROKEN = failure_pb2.ERROR_KIND_BROKEN_STREAM
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST

GARBLED = b'data: {"choices":[{"delta":\n\n'
WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_object": {}}}, chat_pb2.ChatRequest()
)


def _error(
    name: str, error: dict[str, Any], kind: failure_pb2.ErrorKind.ValueType, code: str = ""
) -> Case:
    """Return a case with an error frame after a word."""
    return Case(name, text("Hello") + frame(error) + DONE, Failed(HELLO, kind, "", code))


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is broken."""
    return Case(name, body, Failed(blocks, BROKEN, says))


ERRORS = (
    _error(
        "an error object (OpenAI)",
        {"error": {"message": "Oh.", "type": "server_error", "param": None, "code": None}},
        SERVER_ERROR,
        "server_error",
    ),
    _error(
        "an error with a code",
        {"error": {"message": "Slow.", "type": "tokens", "code": "rate_limit_exceeded"}},
        RATE_LIMITED,
        "rate_limit_exceeded",
    ),
    _error(
        "an error that names a status (vLLM)",
        {"error": {"message": "No.", "type": "BadRequestError", "code": 400}},
        INVALID_REQUEST,
        "BadRequestError",
    ),
    _error(
        "an error object without a wrapper (older vLLM, Mistral)",
        {"object": "error", "message": "maximum context length is 8", "code": 400},
        CONTEXT_TOO_LONG,
        "400",
    ),
    _error(
        "an error beside a choice (OpenRouter)",
        {
            "error": {
                "code": 502,
                "message": "upstream dropped",
                "metadata": {"error_type": "provider_unavailable"},
            },
            "choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": "error"}],
        },
        SERVER_ERROR,
        "provider_unavailable",
    ),
    _error(
        "an error in the choice",
        {
            "choices": [
                {"delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "Slow."}}
            ]
        },
        RATE_LIMITED,
        "429",
    ),
    _error(
        "an error of Groq", {"choices": [{"delta": {}}], "x_groq": {"error": "Oh."}}, SERVER_ERROR
    ),
    _error(
        "a code and a text (xAI)",
        {"code": "Internal error", "error": "Oh."},
        SERVER_ERROR,
        "Internal error",
    ),
    _error(
        "the reason `error`",
        {"choices": [{"delta": {}, "finish_reason": "error"}]},
        SERVER_ERROR,
        "error",
    ),
    _error(
        "the reason of DeepSeek",
        {"choices": [{"delta": {}, "finish_reason": "insufficient_system_resource"}]},
        SERVER_ERROR,
        "insufficient_system_resource",
    ),
    Case(
        "an error in place of a stream (llama.cpp)",
        json.dumps(
            {"error": {"code": 400, "type": "exceed_context_size_error", "message": "Too long."}},
            indent=1,
        ).encode(),
        Failed((), CONTEXT_TOO_LONG, "window", "exceed_context_size_error"),
    ),
)

BROKEN_STREAMS = (
    _broken("nothing at all", b"", "is empty"),
    _broken("blank lines", b"\n\n\r\n", "is empty"),
    _broken("keep-alives", b": keep-alive\n\n: keep-alive\n\n", "broke off"),
    _broken(
        "a page",
        b"<!DOCTYPE html>\n<html>\n\n<body>Hello</body></html>\n",
        "is no stream of events",
    ),
    _broken("another document", b'{"hello": "world"}', "is no stream of events"),
    _broken("an end without a finish reason", text("Hello"), "broke off", *HELLO),
    _broken("an end within a frame", text("Hello") + END[:-1], "broke off", *HELLO),
    _broken("an end within the first frame", text("Hello")[:-2], "broke off"),
    _broken(
        "the end marker without a finish reason",
        text("Hello") + DONE,
        "without a finish reason",
        *HELLO,
    ),
    _broken("the end marker alone", DONE, "without a finish reason"),
    _broken(
        "two frames that cannot be decoded",
        text("Hello") + GARBLED + GARBLED + END,
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "two frames that are no chunks",
        text("Hello") + b"data: 7\n\n" + frame({"choices": 7}) + END,
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
        text("Hello").replace(b"Hello", b"\xff\xfe") * 2,
        "cannot be decoded",
    ),
    _broken(
        "a frame that cannot be decoded within a call",
        calls(call('{"a":', call_id="x", name="f")) + GARBLED + calls(call("1}")) + CALLED,
        "cannot be decoded",
        Block("open", '{"a":', "x", "f"),
    ),
    Case(
        "a frame that cannot be decoded within a schema",
        text("Hello") + GARBLED + END,
        Failed(HELLO, BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    _broken("a call without a name", calls(call("{}", call_id="x")) + CALLED, "usable name"),
    _broken(
        "a call with a name that no transcript holds",
        calls(call("{}", call_id="x", name="f" * 129)) + CALLED,
        "usable name",
    ),
    _broken(
        "arguments that are no object",
        calls(call("[1]", call_id="x", name="f")) + CALLED,
        "no JSON object",
        Block("aborted", "[1]", "x", "f"),
    ),
    _broken(
        "arguments that nest too deep",
        calls(call('{"a":' + "[" * 2000 + "]" * 2000 + "}", call_id="x", name="f")) + CALLED,
        "no JSON object",
        Block("aborted", '{"a":' + "[" * 2000 + "]" * 2000 + "}", "x", "f"),
    ),
    _broken(
        "more of a call that was whole",
        calls(call("{}", call_id="x", name="f")) + text("Hello") + calls(call("{}")) + CALLED,
        "was whole",
        Block("completed", "{}", "x", "f"),
        *HELLO,
    ),
    _broken("calls that did not come", text("Hello") + CALLED, "has none", *HELLO),
    _broken(
        "an end within a call",
        calls(call("{}", call_id="x", name="f"), call('{"b":', index=1, call_id="y", name="g")),
        "broke off",
        Block("completed", "{}", "x", "f"),
        Block("open", '{"b":', "y", "g"),
    ),
    _broken(
        "an end after a call that merely parses",
        calls(call("{}", call_id="x", name="f")),
        "broke off",
        Block("open", "{}", "x", "f"),
    ),
    _broken(
        "more blocks than a message holds",
        (text("a") + chunk({"reasoning": "b"})) * 500 + text("c"),
        "more parts",
        *(Block("text", "a"), Block("reasoning", "b")) * 500,
    ),
)


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("blank lines for a document", b"\n \n", "is empty"),
    _document("a page for a document", b"<html></html>", "is no chat completion"),
    _document("half a document", whole({"content": "Hello"})[:-1], "is no chat completion"),
    _document("a document without choices", b'{"choices": []}', "is no chat completion"),
    _document("a document that nests too deep", b"[" * 2000 + b"]" * 2000, "is no chat completion"),
    _document(
        "a document without a finish reason",
        whole({"content": "Hello"}, None),
        "without a finish reason",
    ),
    _document(
        "a document with an empty finish reason",
        whole({"content": "Hello"}, ""),
        "without a finish reason",
    ),
    _document(
        "a document whose call has no object",
        whole({"tool_calls": [call("{", call_id="x", name="f")]}, "tool_calls"),
        "no JSON object",
        Block("aborted", "{", "x", "f"),
    ),
    Case(
        "an error for a document",
        b'{"error": {"message": "Slow.", "code": "rate_limit_exceeded"}}',
        Failed((), RATE_LIMITED, "", "rate_limit_exceeded"),
        stream=False,
    ),
    Case(
        "an error in the choice of a document (OpenRouter)",
        json.dumps(
            {"choices": [{"error": {"code": 502, "message": "Oh."}, "message": {}}]}
        ).encode(),
        Failed((), SERVER_ERROR, "", "502"),
        stream=False,
    ),
    Case(
        "a document that ends with `error`",
        whole({"content": "Hello"}, "error"),
        Failed((), SERVER_ERROR, "", "error"),
        stream=False,
    ),
)

FAILURES = ERRORS + BROKEN_STREAMS + BROKEN_DOCUMENTS
