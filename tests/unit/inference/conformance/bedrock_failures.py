"""Replies of Bedrock with status 200 that are no whole answer."""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, failure_pb2
from unit.inference.conformance.bedrock_documents import call as called
from unit.inference.conformance.bedrock_streams import HELLO, HM
from unit.inference.conformance.bedrock_wire import (
    START,
    argument,
    begin,
    call,
    end,
    error,
    exception,
    message,
    metadata,
    raw_event,
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
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST

GARBLED = raw_event("contentBlockDelta", b'{"delta":')
WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_object": {}}}, chat_pb2.ChatRequest()
)


def flip(frame: bytes, place: int) -> bytes:
    """Return bytes of which one bit is another."""
    place %= len(frame)
    return frame[:place] + bytes([frame[place] ^ 1]) + frame[place + 1 :]


def prelude(length: int, headers: int) -> bytes:
    """Write how a message begins, whatever its lengths."""
    said = struct.pack(">II", length, headers)
    return said + struct.pack(">I", zlib.crc32(said))


def sealed(headers: bytes) -> bytes:
    """Write a message of headers that are given, with the right checksums."""
    body = prelude(16 + len(headers), len(headers)) + headers
    return body + struct.pack(">I", zlib.crc32(body))


def _error(
    name: str, body: bytes, kind: failure_pb2.ErrorKind.ValueType, code: str, says: str = ""
) -> Case:
    """Return a case with a failure after a word."""
    return Case(name, START + text("Hello") + body, Failed(HELLO, kind, says, code))


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is broken."""
    return Case(name, body, Failed(blocks, BROKEN, says))


def _damaged(name: str, frame: bytes, says: str = "damaged") -> Case:
    """Return a case of a message that makes no sense, after a word; what follows does not help."""
    return _broken(name, START + text("Hello") + frame + end() + metadata(), says, *HELLO)


ERRORS = (
    _error("throttled", exception("throttlingException", "Too many requests."), RATE_LIMITED,
           "throttlingException"),
    _error("a quota of the day", exception("throttlingException", "Too many tokens per day."),
           QUOTA, "throttlingException"),
    _error("an exception of the server", exception("internalServerException"), SERVER_ERROR,
           "internalServerException"),
    _error("an exception of the model",
           exception("modelStreamErrorException", originalStatusCode=400, originalMessage="No."),
           SERVER_ERROR, "modelStreamErrorException"),
    _error("overloaded", exception("serviceUnavailableException"), SERVER_ERROR,
           "serviceUnavailableException"),
    _error("refused for what was asked", exception("validationException"), INVALID_REQUEST,
           "validationException"),
    _error("too long", exception("validationException", "Input is too long for this model."),
           CONTEXT_TOO_LONG, "validationException"),
    _error("a key that has come to its end", exception("ExpiredTokenException"), NOT_AUTHORIZED,
           "ExpiredTokenException"),
    _error("an exception without words",
           message({":message-type": "exception", ":exception-type": "newException"}, b""),
           SERVER_ERROR, "newException"),
    _error("an exception that has no name", message({":message-type": "exception"}, b"<"),
           SERVER_ERROR, ""),
    _error("an error", error("InternalFailure", "Oh."), SERVER_ERROR, "InternalFailure"),
    _error("an error with a namespace", error("aws#InternalFailure:http://a", "Oh."), SERVER_ERROR,
           "InternalFailure"),
    _error("a payload that is an error", raw_event("contentBlockDelta", b'["message"]')
           + raw_event("contentBlockDelta", b'{"message": "Oh.", "delta": 7}'), SERVER_ERROR, ""),
    _error("output of the model that makes no sense", end("malformed_model_output"), SERVER_ERROR,
           "malformed_model_output"),
    _error("a call that makes no sense", end("malformed_tool_use"), SERVER_ERROR,
           "malformed_tool_use"),
    Case("an exception at once", exception("throttlingException"),
         Failed((), RATE_LIMITED, "too many", "throttlingException")),
    Case("an error in place of a stream", json.dumps({"message": "Oh."}).encode(),
         Failed((), SERVER_ERROR)),
)  # fmt: skip

DAMAGE = (
    _damaged("a wrong checksum of a message", flip(text("!"), -1)),
    _damaged("a wrong checksum of a prelude", flip(text("!"), 8)),
    _damaged("a wrong length", flip(text("!"), 3)),
    _damaged("another payload", flip(text("!"), -6)),
    _damaged("another header", flip(text("!"), 14)),
    _damaged("a length that holds nothing", prelude(0, 0)),
    _damaged("a length that does not hold its headers", prelude(40, 100) + bytes(28)),
    _damaged("headers that are longer than any", prelude(300_000, 200_000)),
    _damaged("a length that is longer than any", prelude(2**31, 0), "too long"),
    _damaged("a length that is longer than what is read", prelude(2**24 + 1, 0), "too long"),
    _damaged("a header without a value", sealed(b"\x01a")),
    _damaged("a header of a type that there is not", sealed(b"\x01a\x63")),
    _damaged("a header that is no UTF-8", sealed(b"\x01\xff\x00")),
    _damaged("a header that comes twice", sealed(b"\x01a\x00\x01a\x00")),
    _damaged("a header whose value is cut", sealed(b"\x01a\x05\x00")),
)  # fmt: skip

BROKEN_STREAMS = (
    _broken("nothing at all", b"", "is empty"),
    _broken("blank lines", b"\n\n\r\n", "is empty"),
    _broken("zeros", bytes(40), "damaged"),
    _broken("a page",
            b"<!DOCTYPE html>\n<html>\n\n<body>Hello</body></html>\n", "no stream of events"),
    _broken("another document", b'{"hello": "world"}', "no stream of events"),
    _broken("an answer that is no stream", whole({"text": "Hello"}), "no stream of events"),
    _broken("server-sent events", b'data: {"a": 1}\n\n', "broke off"),
    _broken("an end after the start", START, "broke off"),
    _broken("an end without a stop reason", START + text("Hello"), "broke off", *HELLO),
    _broken("an end within the first message", START[:-1], "broke off"),
    _broken("an end within a prelude", START + text("Hello") + end()[:7], "broke off", *HELLO),
    _broken("an end within the terminator", START + text("Hello") + end()[:-1], "broke off",
            *HELLO),
    _broken("usage and no terminator", START + text("Hello") + metadata(), "broke off", *HELLO),
    _broken("a terminator without a reason",
            START + text("Hello") + raw_event("messageStop", b"{}"), "without a stop reason",
            *HELLO),
    _broken("two payloads that cannot be decoded", text("Hello") + GARBLED + GARBLED + end(),
            "cannot be decoded", *HELLO),
    _broken("a payload that nests too deep, twice",
            raw_event("contentBlockStart", b'{"start":' + b"[" * 2000 + b"]" * 2000 + b"}") * 2,
            "cannot be decoded"),
    _broken("payloads that are no UTF-8",
            raw_event("contentBlockDelta", b'{"delta":{"text":"\xff"}}') * 2, "cannot be decoded"),
    _broken("a payload that cannot be decoded within a thought",
            thought(text="Hm.") + GARBLED + end(), "cannot be decoded", HM),
    _broken("a payload that cannot be decoded within a call", call(0) + GARBLED + end(),
            "cannot be decoded", Block("open", "", "x", "f")),
    _broken("a payload that cannot be decoded, and the end of a block that never began",
            text("Hello") + stop() + GARBLED + stop(1) + end(), "never began", *HELLO),
    Case("a payload that cannot be decoded within a schema", text("Hello") + GARBLED + end(),
         Failed(HELLO, BROKEN, "cannot be decoded"), request=WITH_SCHEMA),
    _broken("a call without a name", call(0, "x", ""), "usable name"),
    _broken("a call with a name that no transcript holds", call(0, "x", "f" * 129), "usable name"),
    _broken("arguments that are no object", call(0) + argument(0, "[1]") + stop() + end("tool_use"),
            "no JSON object", Block("aborted", "[1]", "x", "f")),
    _broken("arguments that are no text", call(0) + argument(0, {"a": 1}), "are no text",
            Block("open", "", "x", "f")),
    _broken("arguments of a call that never began", argument(0, "{}"), "never began"),
    _broken("text in a call", call(0) + text("Hello"), "mixes blocks", Block("open", "", "x", "f")),
    _broken("a start that cannot be read", begin(0, toolUse=7), "cannot be read"),
    _broken("tool calls announced and none made", text("Hello") + end("tool_use"), "has none",
            *HELLO),
    _broken("an end after a call", call(0) + argument(0, "{}") + stop(), "broke off",
            Block("completed", "{}", "x", "f")),
    _broken("more blocks than a message holds",
            b"".join(text("a", index) for index in range(1001)), "more parts",
            *(Block("text", "a"),) * 1000),
)  # fmt: skip


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


def _refused(name: str, said: Any, kind: failure_pb2.ErrorKind.ValueType, code: str) -> Case:
    """Return a case of an error for a document."""
    return Case(name, json.dumps(said).encode(), Failed((), kind, "", code), stream=False)


BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("a page for a document", b"<html></html>", "is no message"),
    _document("half a document", whole({"text": "Hello"})[:-1], "is no message"),
    _document("a document that says nothing", b'{"output": {}}', "is no message"),
    _document("a document that nests too deep", b"[" * 2000 + b"]" * 2000, "is no message"),
    _document("a document without a stop reason", whole({"text": "Hello"}, reason=None),
              "without a stop reason"),
    _document("a block that cannot be read", whole({"toolUse": 7}), "cannot be read"),
    _document("a call of a document without an object", whole(called("x", "f", [1])),
              "no JSON object", Block("aborted", "[1]", "x", "f")),
    _refused("an error for a document", {"message": "Oh."}, SERVER_ERROR, ""),
    _refused("an error with a type", {"__type": "com.amazon#ThrottlingException"}, RATE_LIMITED,
             "ThrottlingException"),
    Case("a document that ends with a failure",
         whole({"text": "Hello"}, reason="malformed_tool_use"),
         Failed(HELLO, SERVER_ERROR, "", "malformed_tool_use"), stream=False),
)  # fmt: skip

FAILURES = ERRORS + DAMAGE + BROKEN_STREAMS + BROKEN_DOCUMENTS
