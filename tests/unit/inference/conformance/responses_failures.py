"""Replies with status 200 that are no whole answer, as streams and as documents."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, failure_pb2
from unit.inference.conformance.responses_streams import END, HELLO
from unit.inference.conformance.responses_wire import (
    DONE,
    GARBLED,
    START,
    added,
    argued,
    begun,
    call,
    delta,
    done,
    event,
    frame,
    function,
    output_text,
    response,
    said,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import Block, Case, Failed

BROKEN = failure_pb2.ERROR_KIND_BROKEN_STREAM
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
CONTENT_FILTERED = failure_pb2.ERROR_KIND_CONTENT_FILTERED
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST

WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_object": {}}}, chat_pb2.ChatRequest()
)
OPEN = Block("open", '{"a":', "x", "f")


def _failed(name: str, error: Any, kind: failure_pb2.ErrorKind.ValueType, code: str = "") -> Case:
    """Return a case of an answer that fails after a word."""
    body = text("Hello") + event("failed", response=response("failed", error=error))
    return Case(name, body, Failed(HELLO, kind, "", code))


def _error(
    name: str, error: dict[str, Any], kind: failure_pb2.ErrorKind.ValueType, code: str = ""
) -> Case:
    """Return a case with an error event after a word."""
    return Case(name, text("Hello") + frame(error) + DONE, Failed(HELLO, kind, "", code))


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is broken."""
    return Case(name, body, Failed(blocks, BROKEN, says))


ERRORS = (
    *(
        _failed(f"failed: {code}", {"code": code, "message": "Oh."}, kind, code)
        for code, kind in (
            ("server_error", SERVER_ERROR),
            ("rate_limit_exceeded", RATE_LIMITED),
            ("insufficient_quota", QUOTA),
            ("usage_limit_reached", QUOTA),
            ("usage_not_included", NOT_AUTHORIZED),
            ("context_length_exceeded", CONTEXT_TOO_LONG),
            ("bio_policy", CONTENT_FILTERED),
            ("invalid_image", INVALID_REQUEST),
            ("invalid_prompt", INVALID_REQUEST),
            ("a code that nobody knows", SERVER_ERROR),
        )
    ),
    _failed(
        "failed: a flagged prompt",
        {"code": "invalid_prompt", "message": "Invalid prompt: your prompt was flagged as …"},
        CONTENT_FILTERED,
        "invalid_prompt",
    ),
    _failed("failed without an error", None, SERVER_ERROR),
    _failed("failed with an error that is none", "Oh.", SERVER_ERROR),
    _error(
        "an error event",
        {"type": "error", "code": "rate_limit_exceeded", "message": "Slow.", "param": None},
        RATE_LIMITED,
        "rate_limit_exceeded",
    ),
    _error("an error event without a code", {"type": "error", "message": "Oh."}, SERVER_ERROR),
    _error(
        "an error event with an object",
        {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}},
        INVALID_REQUEST,
        "invalid_request_error",
    ),
    _error(
        "an error without a type, as a proxy sends it",
        {"error": {"message": "Slow.", "code": 429}},
        RATE_LIMITED,
        "429",
    ),
    _error(
        "a code and a text (xAI)",
        {"code": "Internal error", "error": "Oh."},
        SERVER_ERROR,
        "Internal error",
    ),
    Case(
        "an error in place of a stream",
        json.dumps({"error": {"code": "invalid_api_key", "message": "No."}}, indent=1).encode(),
        Failed((), NOT_AUTHORIZED, "key", "invalid_api_key"),
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
    _broken("an end without the last event", START + text("Hello"), "broke off", *HELLO),
    _broken("an end within a frame", text("Hello") + END[:-1], "broke off", *HELLO),
    _broken("an end within the first frame", START[:20], "broke off"),
    _broken(
        "the end marker without the last event",
        text("Hello") + DONE,
        "without its last event",
        *HELLO,
    ),
    _broken(
        "two frames that cannot be decoded",
        begun() + delta("Hello") + GARBLED + GARBLED + END,
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
        delta("Hello").replace(b"Hello", b"\xff\xfe") * 2,
        "cannot be decoded",
    ),
    _broken(
        "a frame that cannot be decoded within a call",
        added(function("")) + argued('{"a":') + GARBLED + argued("1}") + END,
        "cannot be decoded",
        OPEN,
    ),
    _broken(
        "a frame that cannot be decoded within a thought",
        added(thought()) + GARBLED + done(thought("Hm.")) + END,
        "cannot be decoded",
    ),
    Case(
        "a frame that cannot be decoded within a schema",
        begun() + delta("Hello") + GARBLED + END,
        Failed(HELLO, BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    _broken("a call without a name", added(function("{}", name="")) + END, "usable name"),
    _broken(
        "a call with a name that no transcript holds",
        added(function("{}", name="f" * 129)) + END,
        "usable name",
    ),
    _broken("arguments of no call", argued("{}") + END, "never began"),
    _broken(
        "arguments that are no object",
        call("[1]") + END,
        "no JSON object",
        Block("aborted", "[1]", "x", "f"),
    ),
    _broken(
        "arguments that nest too deep",
        call('{"a":' + "[" * 2000 + "]" * 2000 + "}") + END,
        "no JSON object",
        Block("aborted", '{"a":' + "[" * 2000 + "]" * 2000 + "}", "x", "f"),
    ),
    _broken(
        "more of a call that was whole",
        call("{}") + argued("{}") + END,
        "never began",
        Block("completed", "{}", "x", "f"),
    ),
    _broken("an item twice", begun() + begun() + END, "begins an item twice"),
    _broken(
        "text of a call",
        added(function("")) + delta("Hello") + END,
        "mixes items",
        Block("open", "", "x", "f"),
    ),
    _broken(
        "an item that ends as another",
        begun() + delta("Hello") + done(function("{}")) + END,
        "mixes items",
        *HELLO,
    ),
    _broken(
        "a text that becomes a refusal",
        begun()
        + delta("Hello")
        + event("refusal.delta", output_index=0, content_index=0, delta="No.")
        + END,
        "mixes parts",
        *HELLO,
    ),
    _broken(
        "an item that cannot be read",
        event("output_item.added", output_index=0, item=7) + END,
        "cannot be read",
    ),
    _broken("an item that did not come", event("output_item.done") + END, "cannot be read"),
    _broken(
        "an end within a call",
        call("{}", call_id="y", name="g") + added(function(""), 1) + argued('{"a":', 1),
        "broke off",
        Block("completed", "{}", "y", "g"),
        OPEN,
    ),
    _broken(
        "an end after a call that merely parses",
        added(function("")) + argued("{}"),
        "broke off",
        Block("open", "{}", "x", "f"),
    ),
    _broken(
        "more blocks than a message holds",
        b"".join(delta("a", part=part) for part in range(1001)) + END,
        "more parts",
        *(Block("text", "a"),) * 1000,
    ),
)


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


HELLO_ITEM = said(output_text("Hello"))

BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("blank lines for a document", b"\n \n", "is empty"),
    _document("a page for a document", b"<html></html>", "is no response"),
    _document("half a document", whole(HELLO_ITEM)[:-1], "is no response"),
    _document("a document without items", b'{"object": "response"}', "is no response"),
    _document("a document that nests too deep", b"[" * 2000 + b"]" * 2000, "is no response"),
    _document("a document without a status", whole(HELLO_ITEM, status=None), "without a status"),
    _document(
        "a document that is not done", whole(HELLO_ITEM, status="in_progress"), "without a status"
    ),
    _document(
        "a document that was cancelled", whole(HELLO_ITEM, status="cancelled"), "without a status"
    ),
    _document(
        "a document whose call has no object",
        whole(function("{")),
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
        "a document that failed",
        whole(status="failed", error={"code": "bio_policy", "message": "No."}),
        Failed((), CONTENT_FILTERED, "", "bio_policy"),
        stream=False,
    ),
    Case(
        "a document that failed without an error",
        whole(status="failed"),
        Failed((), SERVER_ERROR, "", "failed"),
        stream=False,
    ),
)

FAILURES = ERRORS + BROKEN_STREAMS + BROKEN_DOCUMENTS
