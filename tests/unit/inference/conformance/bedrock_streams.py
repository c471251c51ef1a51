"""Streams of Bedrock that end well."""

from __future__ import annotations

from typing import Any

from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.bedrock_wire import (
    START,
    USAGE,
    argument,
    begin,
    call,
    delta,
    end,
    error,
    event,
    exception,
    message,
    metadata,
    raw_event,
    stop,
    text,
    thought,
)
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, Answered, Block, Case

STOP = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(input_tokens=90, output_tokens=17, source=result_pb2.USAGE_SOURCE_REPORTED)
SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())
HYPHENS = json_format.ParseDict({"tools": [{"name": "get-time"}]}, chat_pb2.ChatRequest())
NOVA = Target("acme", "amazon.nova-pro-v1:0", "https://acme.example")

HELLO = (Block("text", "Hello"),)
HM = Block("reasoning", "Hm.")


def _case(name: str, body: bytes, *blocks: Block, reason: str = "end_turn", **more: Any) -> Case:
    """Return a case that ends well, with usage."""
    finish = TOOL_CALLS if any(block.call_id for block in blocks) else STOP
    losses = more.pop("losses", ())
    last = more.pop("last", end(reason) + metadata())
    expected = Answered(blocks, finish, reason, USED, losses)
    return Case(name, START + body + last, expected, **{"request": ASKED, **more})


def _ended(raw: str, reason: result_pb2.FinishReason.ValueType) -> Case:
    """Return a case of one word and a stop reason."""
    body = START + text("Hello") + stop() + end(raw) + metadata()
    return Case(f"the end {raw}", body, Answered(HELLO, reason, raw, USED))


TEXTS = (
    _case("text", text("Hel") + text("lo") + stop(), *HELLO),
    _case("text whose start is told", begin(0) + text("Hel") + text("lo") + stop(), *HELLO),
    _case("text whose start is null",
          raw_event("contentBlockStart", b'{"contentBlockIndex":0,"start":null}') + text("Hello"),
          *HELLO),
    _case("text that nothing ends", text("Hello"), *HELLO),
    _case("two texts", text("a") + stop() + text("b", 1) + stop(1), Block("text", "a"),
          Block("text", "b")),
    _case("nothing said", b""),
    _case("empty text", text("") + stop() + text("Hello", 1) + stop(1), *HELLO),
    _case(
        "any character",
        text("a\u2028b\u2029c\x85d") + text("日本語") + text("e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    _case("no start of the message", text("Hello"), *HELLO),
    _case("events and messages that are yet to be invented",
          event("weather", sky="blue") + text("Hel") + message({":message-type": "gossip"}, b"{")
          + message({}, b"") + text("lo"), *HELLO),
    _case("headers of every type", text("Hel") + message(
        {":event-type": "ping", ":content-type": "é", ":message-type": "event"}, b"{}")
        + text("lo"), *HELLO),
    _case("one payload that cannot be decoded",
          text("Hel") + raw_event("contentBlockDelta", b"{") + text("lo"), *HELLO,
          losses=("answer.frame",)),
    _case("what follows the end", text("Hello"), *HELLO,
          last=end() + text(" again") + stop() + metadata() + text(" and again") + end("tool_use")),
    _case("a failure after the end", text("Hello"), *HELLO,
          last=end() + exception("throttlingException") + error("Oh", "no") + metadata()),
    _case("a payload after the end that cannot be decoded", text("Hello"), *HELLO,
          last=end() + raw_event("gossip", b"{") + metadata() + b"\0\0\0"),
)  # fmt: skip

USAGES = (
    Case("usage before the end", START + text("Hello") + metadata() + end(),
         Answered(HELLO, STOP, "end_turn", USED)),
    Case("no usage", START + text("Hello") + end(), Answered(HELLO, STOP, "end_turn")),
    Case("usage that is null", START + text("Hello") + end() + metadata(None),
         Answered(HELLO, STOP, "end_turn")),
    Case("an end of the bytes within the usage", START + text("Hello") + end() + metadata()[:-1],
         Answered(HELLO, STOP, "end_turn")),
    Case("damage after the end", START + text("Hello") + end() + metadata()[:-1] + b"?" + START,
         Answered(HELLO, STOP, "end_turn")),
    Case(
        "usage of the cache",
        START + text("Hello") + end() + metadata({
            **USAGE, "cacheReadInputTokens": 5, "cacheWriteInputTokens": 9, "serverToolUsage": {},
            "cacheDetails": [{"ttl": "1h", "inputTokens": 7}, {"ttl": "5m", "inputTokens": 2}]}),
        Answered(HELLO, STOP, "end_turn", result_pb2.Usage(
            input_tokens=90, output_tokens=17, cache_read_tokens=5, cache_write_tokens=9,
            cache_write_long_tokens=7, source=result_pb2.USAGE_SOURCE_REPORTED)),
    ),
)  # fmt: skip

THOUGHTS = (
    _case("a thought that is signed, then text",
          thought(text="H") + thought(text="m.") + thought(signature="s1") + stop()
          + text("Hello", 1) + stop(1),
          Block("reasoning", "Hm.", signature="s1"), *HELLO),
    _case("a signature in pieces", thought(text="Hm.") + thought(signature="s")
          + thought(signature="1") + stop(), Block("reasoning", "Hm.", signature="s1")),
    _case("a signature alone",
          thought(text="") + thought(signature="s1") + stop() + text("Hello", 1),
          Block("reasoning", "", signature="s1"), *HELLO),
    _case("a thought without a signature", thought(text="Hm.") + stop() + text("Hello", 1), HM,
          *HELLO),
    _case("a thought that is withheld", thought(redactedContent="c2VjcmV0") + stop(),
          Block("reasoning", "", signature="c2VjcmV0", redacted=True)),
    _case("a thought that nobody asked for", thought(text="Hm.") + thought(signature="s1") + stop()
          + text("Hello", 1), Block("reasoning", "", signature="s1"), *HELLO, request=SILENT),
    _case("a thought and text in one block", thought(text="Hm.") + text("Hello"), HM, *HELLO),
)  # fmt: skip

CALLS = (
    _case("a call in pieces", call(0) + argument(0, '{"a"') + argument(0, ": 1}") + stop(),
          Block("completed", '{"a": 1}', "x", "f"), reason="tool_use"),
    _case("text, then two calls",
          text("Hello") + stop() + call(1) + argument(1, '{"a": 1}') + stop(1) + call(2, "y", "g")
          + argument(2, "{}") + stop(2),
          *HELLO, Block("completed", '{"a": 1}', "x", "f"), Block("completed", "{}", "y", "g"),
          reason="tool_use"),
    _case("a call without arguments", call(0) + stop(), Block("completed", "", "x", "f"),
          reason="tool_use"),
    _case("a call with an empty fragment", call(0) + argument(0, "") + stop() + text("Hello", 1),
          Block("completed", "", "x", "f"), *HELLO, reason="tool_use"),
    _case("a call without an id", call(0, None) + argument(0, "{}") + stop(),
          Block("completed", "{}", MINTED, "f"), reason="tool_use"),
    _case("calls with one id", call(0) + stop() + call(1) + stop(1),
          Block("completed", "", "x", "f"), Block("completed", "", MINTED, "f"),
          reason="tool_use"),
    _case("calls, and an end that speaks of none", call(0) + argument(0, "{}") + stop(),
          Block("completed", "{}", "x", "f")),
    _case("a call that nothing ends", call(0) + argument(0, "{}"),
          Block("completed", "{}", "x", "f"), reason="tool_use"),
    _case("two calls that are made at once",
          call(0) + call(1, "y", "g") + argument(1, "{}") + argument(0, '{"a":1}') + stop(1)
          + stop(), Block("completed", '{"a":1}', "x", "f"), Block("completed", "{}", "y", "g"),
          reason="tool_use"),
    _case("a name that the model takes in another form", call(0, "x", "get_time") + stop(),
          Block("completed", "", "x", "get-time"), reason="tool_use", request=HYPHENS, target=NOVA),
    Case("a call that the token limit has cut",
         START + text("Hello") + stop() + call(1) + argument(1, '{"a"') + stop(1)
         + end("max_tokens") + metadata(),
         Answered((*HELLO, Block("aborted", '{"a"', "x", "f")), LENGTH, "max_tokens", USED)),
)  # fmt: skip

OTHERS = (
    _case("a block that is not known",
          begin(0, toolResult={"toolUseId": "x"}) + delta(0, toolResult=[{"text": "1"}])
          + delta(0, text="?") + stop() + text("Hello", 1), *HELLO, losses=("answer.content[0]",)),
    _case("a delta that is not known", delta(0, image={"format": "png"}) + stop()
          + text("Hello", 1), *HELLO, losses=("answer.content[0]",)),
    _case("a source, which is not asked for", text("Hel") + delta(0, citation={"title": "a"})
          + text("lo"), *HELLO),
)  # fmt: skip

ENDS = (
    _ended("stop_sequence", STOP),
    _ended("max_tokens", LENGTH),
    _ended("model_context_window_exceeded", LENGTH),
    _ended("content_filtered", CONTENT_FILTER),
    _ended("guardrail_intervened", CONTENT_FILTER),
    _ended("news", UNSPECIFIED),
)

STREAMS = TEXTS + USAGES + THOUGHTS + CALLS + OTHERS + ENDS
