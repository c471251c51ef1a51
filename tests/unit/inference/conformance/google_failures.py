"""Replies of the Gemini API with status 200 that are no whole answer."""

from __future__ import annotations

import json
from typing import Any

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, failure_pb2
from unit.inference.conformance.google_streams import END, HELLO, HM, raw
from unit.inference.conformance.google_wire import (
    answer,
    call,
    chunk,
    end,
    error,
    frame,
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
CONTENT_FILTERED = failure_pb2.ERROR_KIND_CONTENT_FILTERED
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST

GARBLED = b'data: {"candidates":[{"content":\n\n'
OVERLOADED = error("UNAVAILABLE", "The model is overloaded.", 503)
WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_object": {}}}, chat_pb2.ChatRequest()
)


def _error(
    name: str, body: bytes, kind: failure_pb2.ErrorKind.ValueType, code: str = "UNAVAILABLE"
) -> Case:
    """Return a case with an error after a word."""
    return Case(name, text("Hello") + body, Failed(HELLO, kind, "", code))


def _reason(reason: str, kind: failure_pb2.ErrorKind.ValueType) -> Case:
    """Return a case with a finish reason that is a failure."""
    return _error(f"the end {reason}", end(reason=reason), kind, reason)


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is broken."""
    return Case(name, body, Failed(blocks, BROKEN, says))


ERRORS = (
    _error("an error in an event", frame(OVERLOADED), SERVER_ERROR),
    _error("an error in a list in an event", frame([OVERLOADED]), SERVER_ERROR),
    _error("an error that is no event", json.dumps(OVERLOADED, indent=2).encode(), SERVER_ERROR),
    _error(
        "an error in a list that is no event, with line ends of HTTP and a blank line",
        json.dumps([OVERLOADED], indent=2).encode().replace(b"\n", b"\r\n") + b"\r\n\r\n",
        SERVER_ERROR,
    ),
    _error(
        "an error that is no event, after a comment and before one",
        b": hello\n\n" + json.dumps(OVERLOADED).encode() + b"\n\n: hello\n\n",
        SERVER_ERROR,
    ),
    _error("an error without a number", frame(error("RESOURCE_EXHAUSTED")), RATE_LIMITED,
           "RESOURCE_EXHAUSTED"),
    _error("an error with a reason of its own",
           frame(error("INVALID_ARGUMENT", "No.", 400, ("ErrorInfo", {
               "reason": "API_KEY_INVALID", "domain": "googleapis.com"}))),
           NOT_AUTHORIZED, "API_KEY_INVALID"),
    _error("a quota of the day",
           frame(error("RESOURCE_EXHAUSTED", "No.", 429, ("QuotaFailure", {"violations": [
               {"quotaId": "GenerateRequestsPerDayPerProjectPerModel-FreeTier"}]}))),
           QUOTA, "RESOURCE_EXHAUSTED"),
    _error("an error beside a candidate", frame({**answer({"text": "?"}), **OVERLOADED}),
           SERVER_ERROR),
    _error("an error that is a text", frame({"error": "Oh."}), SERVER_ERROR, ""),
    _reason("OTHER", SERVER_ERROR),
    _reason("MALFORMED_FUNCTION_CALL", SERVER_ERROR),
    _reason("UNEXPECTED_TOOL_CALL", SERVER_ERROR),
    _reason("MISSING_THOUGHT_SIGNATURE", INVALID_REQUEST),
    _reason("PUP_LIMITED_DISABLED", NOT_AUTHORIZED),
    Case(
        "an error in place of a stream",
        json.dumps([error("RESOURCE_EXHAUSTED", "Slow.", 429)], indent=2).encode(),
        Failed((), RATE_LIMITED, "too many", "RESOURCE_EXHAUSTED"),
    ),
)  # fmt: skip

BLOCKED = (
    Case(
        "a prompt that is blocked",
        frame({"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}, "usageMetadata": {}}),
        Failed((), CONTENT_FILTERED, "filter", "PROHIBITED_CONTENT"),
    ),
    Case(
        "a prompt that is blocked for another reason",
        frame({"promptFeedback": {"blockReason": "OTHER", "blockReasonMessage": "No."}}),
        Failed((), CONTENT_FILTERED, "filter", "OTHER"),
    ),
    Case(
        "a prompt that is blocked, without a stream",
        json.dumps({"promptFeedback": {"blockReason": "SAFETY"}}).encode(),
        Failed((), CONTENT_FILTERED, "filter", "SAFETY"),
        stream=False,
    ),
)

BROKEN_STREAMS = (
    _broken("nothing at all", b"", "is empty"),
    _broken("blank lines", b"\n\n\r\n", "is empty"),
    _broken("keep-alives", b": keep-alive\n\n: keep-alive\n\n", "broke off"),
    _broken(
        "a page", b"<!DOCTYPE html>\n<html>\n\n<body>Hello</body></html>\n", "no stream of events"
    ),
    _broken("another document", b'{"hello": "world"}', "no stream of events"),
    _broken(
        "the list that comes without `alt=sse`",
        json.dumps([answer({"text": "Hello"}, finish_reason="STOP")]).encode(),
        "no stream of events",
    ),
    _broken("an end without a finish reason", text("Hello"), "broke off", *HELLO),
    _broken("an end within a frame", text("Hello") + END[:-4], "broke off", *HELLO),
    _broken("an end within the first frame", text("Hello")[:-4], "broke off"),
    _broken("something that is no error after a word", text("Hello") + b'{"a": 1}\n', "broke off",
            *HELLO),
    _broken("half an error after a word", text("Hello") + b'{"error": {"code": 5', "broke off",
            *HELLO),
    _broken("two frames that cannot be decoded", text("Hello") + GARBLED + GARBLED + END,
            "cannot be decoded", *HELLO),
    _broken("two frames that are no chunks",
            text("Hello") + b"data: 7\n\n" + frame({"candidates": 7}) + END,
            "cannot be decoded", *HELLO),
    _broken("a frame that nests too deep, twice",
            (b"data: " + b"[" * 2000 + b"]" * 2000 + b"\n\n") * 2, "cannot be decoded"),
    _broken("a frame that is no UTF-8, twice", text("Hello").replace(b"Hello", b"\xff\xfe") * 2,
            "cannot be decoded"),
    _broken("a frame that cannot be decoded within a thought", thought("Hm.") + GARBLED + END,
            "cannot be decoded", HM),
    _broken("a frame that cannot be decoded among calls",
            chunk(call("f", {}, id="x")) + GARBLED + END,
            "cannot be decoded", Block("completed", "{}", "x", "f")),
    Case(
        "a frame that cannot be decoded within a schema",
        text("Hello") + GARBLED + END,
        Failed(HELLO, BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    _broken("a call without a name", raw('{"functionCall": {"args": {}}}') + END, "usable name"),
    _broken("a call with a name that no transcript holds", chunk(call("f" * 129)) + END,
            "usable name"),
    _broken("arguments that are no object", chunk(call("f", [1], id="x")) + END, "no JSON object",
            Block("aborted", "[1]", "x", "f")),
    _broken("arguments that are no UTF-8",
            raw('{"functionCall": {"name": "f", "args": {"a": "?"}}}').replace(b"?", b"\xff") + END,
            "are no text"),
    _broken("a call in pieces", chunk(call("f", {}, id="x", willContinue=True)), "in pieces"),
    _broken("a part that is no UTF-8", raw('{"own": "?"}').replace(b"?", b"\xff"),
            "a part that cannot be decoded"),
    _broken("an end after a call", chunk(call("f", {}, id="x")), "broke off",
            Block("completed", "{}", "x", "f")),
    _broken("more blocks than a message holds",
            (text("a") + thought("b")) * 500 + text("c"), "more parts",
            *(Block("text", "a"), Block("reasoning", "b")) * 500),
)  # fmt: skip


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


def _refused(name: str, said: Any, kind: failure_pb2.ErrorKind.ValueType, code: str) -> Case:
    """Return a case of an error for a document."""
    return Case(name, json.dumps(said).encode(), Failed((), kind, "", code), stream=False)


BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("blank lines for a document", b"\n \n", "is empty"),
    _document("a page for a document", b"<html></html>", "is no generated content"),
    _document("half a document", whole({"text": "Hello"})[:-1], "is no generated content"),
    _document("a document without candidates", b'{"candidates": []}', "is no generated content"),
    _document(
        "a document that nests too deep", b"[" * 2000 + b"]" * 2000, "is no generated content"
    ),
    _document(
        "a document without a finish reason",
        whole({"text": "Hello"}, reason=None),
        "without a finish reason",
    ),
    _document(
        "a document whose call has no object",
        whole(call("f", 7, id="x")),
        "no JSON object",
        Block("aborted", "7", "x", "f"),
    ),
    _refused("an error for a document", OVERLOADED, SERVER_ERROR, "UNAVAILABLE"),
    _refused("an error in a list for a document", [OVERLOADED], SERVER_ERROR, "UNAVAILABLE"),
    _refused(
        "a document that ends with a failure",
        answer({"text": "Hello"}, finish_reason="MALFORMED_RESPONSE"),
        SERVER_ERROR,
        "MALFORMED_RESPONSE",
    ),
)

FAILURES = ERRORS + BLOCKED + BROKEN_STREAMS + BROKEN_DOCUMENTS
