"""Streams of Ollama that end well."""

from __future__ import annotations

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.ollama_wire import (
    HEAD,
    call,
    calls,
    end,
    error,
    line,
    said,
    text,
)
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, SHAPED, Answered, Block, Case

STOP = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(input_tokens=90, output_tokens=17, source=result_pb2.USAGE_SOURCE_REPORTED)

SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())
WITH_SCHEMA = json_format.ParseDict(
    {"response_format": {"json_schema": {"name": "s", "schema": {"type": "object"}}}},
    chat_pb2.ChatRequest(),
)

HELLO = (Block("text", "Hello"),)
GARBLED = b'{"model":"acme-1","message":{"role":"assistant","content":"?\n'


def _case(
    name: str,
    body: bytes,
    *blocks: Block,
    losses: tuple[str, ...] = (),
    request: chat_pb2.ChatRequest = ASKED,
) -> Case:
    """Return a case that ends with `stop` and counts."""
    reason = TOOL_CALLS if any(block.name for block in blocks) else STOP
    return Case(name, body + end(), Answered(blocks, reason, "stop", USED, losses), request=request)


TEXTS = (
    _case("text", text("Hel") + text("lo"), *HELLO),
    _case("nothing said", b""),
    _case(
        "any character",
        text("a\u2028b\u2029c\x85d") + text("日本語") + text("e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    _case("escaped characters", text('\\u00e9 \n\t"\\'), Block("text", '\\u00e9 \n\t"\\')),
    Case(
        "line ends of HTTP",
        (text("Hello") + end()).replace(b"\n", b"\r\n"),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "a last line that nothing ends",
        (text("Hello") + end()).rstrip(b"\n"),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "a last line with words that nothing ends",
        text("Hel") + end(message={"role": "assistant", "content": "lo"}).rstrip(b"\n"),
        Answered(HELLO, STOP, "stop", USED),
    ),
    _case("empty lines, and lines that say nothing", b"\n \n" + line(HEAD) + text("Hello"), *HELLO),
    _case(
        "one line that cannot be decoded",
        text("Hel") + GARBLED + text("lo"),
        *HELLO,
        losses=("answer.frame",),
    ),
    _case(
        "a first line that cannot be decoded",
        GARBLED + text("Hello"),
        *HELLO,
        losses=("answer.frame",),
    ),
    _case(
        "a line that cannot be decoded between thoughts, which nobody signed",
        said(thinking="Hm") + GARBLED + said(thinking="."),
        Block("reasoning", "Hm."),
        losses=("answer.frame",),
    ),
    _case("what follows the last line", text("Hello") + end() + text(" again"), *HELLO),
    _case("an error after the last line", text("Hello") + end() + error("too late"), *HELLO),
    _case("a field that is null", said(content="Hello", thinking=None, tool_calls=None), *HELLO),
)

THOUGHTS = (
    _case(
        "thoughts and text",
        said(thinking="Hm") + said(thinking=".") + text("Hel") + text("lo"),
        Block("reasoning", "Hm."),
        *HELLO,
    ),
    _case(
        "thoughts and text in one line",
        said(thinking="Hm.", content="Hello"),
        Block("reasoning", "Hm."),
        *HELLO,
    ),
    _case(
        "thoughts between texts",
        text("Hello") + said(thinking="Hm.") + text("Bye"),
        *HELLO,
        Block("reasoning", "Hm."),
        Block("text", "Bye"),
    ),
    _case(
        "thoughts that nobody asked for",
        text("Hel") + said(thinking="Hm.") + text("lo"),
        *HELLO,
        request=SILENT,
    ),
)

CALLS = (
    _case(
        "a call with an id",
        calls(call("f", {"tz": "UTC"}, "call_ab12")),
        Block("completed", '{"tz":"UTC"}', "call_ab12", "f"),
    ),
    _case(
        "parallel calls in one line, without ids",
        said(thinking="Hm.") + calls(call("f", {"a": 1}), call("g", {})),
        Block("reasoning", "Hm."),
        Block("completed", '{"a":1}', MINTED, "f"),
        Block("completed", "{}", MINTED, "g"),
    ),
    _case(
        "parallel calls over several lines, after words",
        text("Hello") + calls(call("f", {}, "x")) + calls(call("f", {}, "y")),
        *HELLO,
        Block("completed", "{}", "x", "f"),
        Block("completed", "{}", "y", "f"),
    ),
    _case(
        "an id that comes twice",
        calls(call("f", {}, "x"), call("f", {}, "x")),
        Block("completed", "{}", "x", "f"),
        Block("completed", "{}", MINTED, "f"),
    ),
    _case(
        "an id that no transcript holds",
        calls(call("f", {}, "x" * 257)),
        Block("completed", "{}", MINTED, "f"),
    ),
    _case(
        "a call with the last line",
        end(message={"role": "assistant", "tool_calls": [call("f", {}, "x")]}),
        Block("completed", "{}", "x", "f"),
    ),
    _case(
        "arguments that stay as they were written",
        b'{"message":{"tool_calls":[{"id":"x","function":{"name":"f","arguments":'
        b'{ "z": 1.0,\t"a": 123456789012345678901234567890, "\\u00e9": "\xc3\xa9" } }}]}}\n',
        Block(
            "completed",
            '{ "z": 1.0,\t"a": 123456789012345678901234567890, "\\u00e9": "é" }',
            "x",
            "f",
        ),
    ),
    _case(
        "arguments as text",
        calls(call("f", '{"a": 1}', "x")),
        Block("completed", '{"a": 1}', "x", "f"),
    ),
    _case(
        "no arguments",
        calls(call("f", None, "x"))
        + b'{"message":{"tool_calls":[{"id":"y","function":{"name":"g"}}]}}\n',
        Block("completed", "", "x", "f"),
        Block("completed", "", "y", "g"),
    ),
    _case(
        "words after a call",
        calls(call("f", {}, "x")) + text("Hello"),
        Block("completed", "{}", "x", "f"),
        *HELLO,
    ),
)

ENDINGS = (
    Case("length", text("Hello") + end("length"), Answered(HELLO, LENGTH, "length", USED)),
    Case(
        "length within thoughts",
        said(thinking="Hm") + end("length"),
        Answered((Block("reasoning", "Hm"),), LENGTH, "length", USED),
    ),
    Case(
        "length after a call",
        calls(call("f", {}, "x")) + end("length"),
        Answered((Block("completed", "{}", "x", "f"),), LENGTH, "length", USED),
    ),
    Case("no reason (older servers)", text("Hello") + end(None), Answered(HELLO, STOP, "", USED)),
    Case(
        "no reason, with a call",
        calls(call("f", {}, "x")) + end(None),
        Answered((Block("completed", "{}", "x", "f"),), TOOL_CALLS, "", USED),
    ),
    Case(
        "a reason that nobody knows",
        text("Hello") + end("tired"),
        Answered(HELLO, UNSPECIFIED, "tired", USED),
    ),
    Case(
        "unloaded after it spoke",
        text("Hello") + end("unload"),
        Answered(HELLO, UNSPECIFIED, "unload", USED),
    ),
    Case(
        "no counts",
        text("Hello") + line({"done": True, "done_reason": "stop"}),
        Answered(HELLO, STOP, "stop"),
    ),
    Case(
        "no count of the prompt, which was in the cache (older servers)",
        text("Hello") + line({"done": True, "done_reason": "stop", "eval_count": 17}),
        Answered(
            HELLO,
            STOP,
            "stop",
            result_pb2.Usage(output_tokens=17, source=result_pb2.USAGE_SOURCE_REPORTED),
        ),
    ),
)

SHAPES = (
    _case(
        "JSON by a schema",
        text('{"a":') + text("1}"),
        Block("text", '{"a":1}'),
        request=SHAPED,
    ),
)

STREAMS = TEXTS + THOUGHTS + CALLS + ENDINGS + SHAPES
