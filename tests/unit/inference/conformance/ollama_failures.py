"""Replies of Ollama with status 200 that fail."""

from __future__ import annotations

import json

from trunkline.inference.v1 import failure_pb2
from unit.inference.conformance.ollama_streams import GARBLED, HELLO, WITH_SCHEMA
from unit.inference.conformance.ollama_wire import call, calls, end, error, line, said, text, whole
from unit.inference.conformance.suite import Block, Case, Failed

SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
BROKEN = failure_pb2.ERROR_KIND_BROKEN_STREAM
QUOTA = failure_pb2.ERROR_KIND_QUOTA
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
MODEL_NOT_FOUND = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

CRASHED = error("an error was encountered while running the model: unexpected EOF")
TOO_LONG = {"code": 400, "message": "Too long.", "type": "exceed_context_size_error"}


def _broken(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a stream that is no whole answer."""
    return Case(name, body, Failed(blocks, BROKEN, says))


ERRORS = (
    Case("an error at once", CRASHED, Failed((), SERVER_ERROR, "overloaded or has failed")),
    Case("an error in the middle", text("Hello") + CRASHED, Failed(HELLO, SERVER_ERROR)),
    Case(
        "an error after a call",
        calls(call("f", {}, "x")) + CRASHED + end(),
        Failed((Block("completed", "{}", "x", "f"),), SERVER_ERROR),
    ),
    Case(
        "an error that nothing ends", text("Hello") + CRASHED.strip(), Failed(HELLO, SERVER_ERROR)
    ),
    Case(
        "a model that was not pulled",
        error("model 'acme-1' not found, try pulling it first"),
        Failed((), MODEL_NOT_FOUND, "no such model"),
    ),
    Case(
        "a used-up limit of the cloud",
        error("you (acme) have reached your weekly usage limit, upgrade for higher limits"),
        Failed((), QUOTA, "quota"),
    ),
    Case(
        "a prompt that is too long, in llama-server's words",
        error(json.dumps({"error": TOO_LONG})),
        Failed((), CONTEXT_TOO_LONG, "window", "exceed_context_size_error"),
    ),
    Case(
        "an error object",
        line({"error": TOO_LONG}),
        Failed((), CONTEXT_TOO_LONG, "window", "exceed_context_size_error"),
    ),
    Case(
        "an error over several lines",
        json.dumps({"error": "model 'acme-1' not found, try pulling it first"}, indent=1).encode(),
        Failed((), MODEL_NOT_FOUND, "no such model"),
    ),
    Case(
        "a model that was loaded and not asked",
        end("load"),
        Failed((), SERVER_ERROR, "", "load"),
    ),
    Case("a model that was unloaded", end("unload"), Failed((), SERVER_ERROR, "", "unload")),
)

BROKEN_STREAMS = (
    _broken("nothing at all", b"", "is empty"),
    _broken("blank lines", b"\n\n \r\n", "is empty"),
    _broken("a page", b"<!DOCTYPE html>\n<html>\n<body>Hello</body></html>\n", "is no stream"),
    _broken("a page that nothing ends", b"Ollama is running", "is no stream"),
    _broken("a page without end", b"<p>Hello</p>\n" * 6_000, "is no stream"),
    _broken("another document", b'{"hello": "world"}', "broke off"),
    _broken("an end without the last line", text("Hello"), "broke off", *HELLO),
    _broken("an end within the last line", text("Hello") + end()[:-2], "broke off", *HELLO),
    _broken("an end within the first line", text("Hello")[:-2], "broke off"),
    _broken(
        "an end that shows nothing",
        text("Hello") + line({"done": True}) + end(),
        "without a reason",
        *HELLO,
    ),
    _broken("words that nothing ends", text("Hello").strip(), "broke off", *HELLO),
    _broken(
        "two lines that cannot be decoded",
        text("Hello") + GARBLED + GARBLED + end(),
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "two first lines that cannot be decoded",
        GARBLED + GARBLED + text("Hello") + end(),
        "cannot be decoded",
    ),
    _broken(
        "two lines that are no answer",
        text("Hello") + b"7\n" + line({"message": "Hello"}) + end(),
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "a line that nests too deep, twice",
        text("Hello") + (b'{"error":' + b"[" * 2000 + b"]" * 2000 + b"}\n") * 2,
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "a line that is no UTF-8, twice",
        text("Hello") + text("Hello").replace(b"Hello", b"\xff\xfe") * 2,
        "cannot be decoded",
        *HELLO,
    ),
    _broken(
        "a line that cannot be decoded after a call, where another may have stood",
        calls(call("f", {}, "x")) + GARBLED + end(),
        "cannot be decoded",
        Block("completed", "{}", "x", "f"),
    ),
    _broken(
        "a last line that cannot be decoded",
        text("Hello") + end().replace(b":", b";"),
        "broke off",
        *HELLO,
    ),
    Case(
        "a line that cannot be decoded within a schema",
        text("Hello") + GARBLED + end(),
        Failed(HELLO, BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    Case(
        "a first line that cannot be decoded within a schema",
        GARBLED + text("Hello") + end(),
        Failed((), BROKEN, "cannot be decoded"),
        request=WITH_SCHEMA,
    ),
    _broken("a call without a name", calls(call("", {})) + end(), "usable name"),
    _broken("a call without a function", said(tool_calls=[{"id": "x"}]) + end(), "usable name"),
    _broken(
        "a call with a name that no transcript holds",
        calls(call("f" * 129, {})) + end(),
        "usable name",
    ),
    _broken(
        "arguments that are no object",
        calls(call("f", [1], "x")) + end(),
        "no JSON object",
        Block("aborted", "[1]", "x", "f"),
    ),
    _broken(
        "arguments that are the text of no object",
        calls(call("f", "{", "x")) + end(),
        "no JSON object",
        Block("aborted", "{", "x", "f"),
    ),
    _broken(
        "arguments that are no UTF-8",
        calls(call("f", {"a": "?"}, "x")).replace(b"?", b"\xff") + end(),
        "no text",
    ),
    _broken(
        "more blocks than a message holds",
        said(thinking="a", content="b") * 500 + said(thinking="c"),
        "more parts",
        *(Block("reasoning", "a"), Block("text", "b")) * 500,
    ),
)


def _document(name: str, body: bytes, says: str, *blocks: Block) -> Case:
    """Return a case of a document that is no answer."""
    return Case(name, body, Failed(blocks, BROKEN, says), stream=False)


BROKEN_DOCUMENTS = (
    _document("no document", b"", "is empty"),
    _document("blank lines for a document", b"\n \n", "is empty"),
    _document("a page for a document", b"<html></html>", "is no answer of a chat"),
    _document("half a document", whole({"content": "Hello"})[:-2], "is no answer of a chat"),
    _document("a document without a message", b'{"done": true}', "is no answer of a chat"),
    _document("a document that nests too deep", b"[" * 2000, "is no answer of a chat"),
    _document("a document that is not the end", text("Hello"), "without `done`"),
    _document(
        "a document whose end shows nothing",
        line({"message": {"content": "Hello"}, "done": True}),
        "without a reason",
        *HELLO,
    ),
    _document("a stream for a document", text("Hello") + end(), "is no answer of a chat"),
    _document(
        "a document whose call has no object",
        whole({"tool_calls": [call("f", "{", "x")]}),
        "no JSON object",
        Block("aborted", "{", "x", "f"),
    ),
    Case("an error for a document", CRASHED, Failed((), SERVER_ERROR), stream=False),
    Case(
        "a model that was only loaded, for a document",
        whole({}, "load"),
        Failed((), SERVER_ERROR, "", "load"),
        stream=False,
    ),
)

FAILURES = ERRORS + BROKEN_STREAMS + BROKEN_DOCUMENTS
