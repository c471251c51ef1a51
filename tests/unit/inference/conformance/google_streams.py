"""Streams of the Gemini API that end well."""

from __future__ import annotations

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.google_wire import answer, call, chunk, end, frame, text, thought
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, SHAPED, Answered, Block, Case

STOP = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(input_tokens=90, output_tokens=17, source=result_pb2.USAGE_SOURCE_REPORTED)
EARLY = result_pb2.Usage(input_tokens=90, source=result_pb2.USAGE_SOURCE_REPORTED)

END = end()
SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())

HELLO = (Block("text", "Hello"),)
HM = Block("reasoning", "Hm.")

PICTURE = '{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}'
SIGNED_PICTURE = (
    '{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}, "thoughtSignature": "s=="}'
)
CODE = '{"executableCode": {"language": "PYTHON", "code": "print(1)"}}'


def raw(*parts: str) -> bytes:
    """Write a chunk of parts whose text is given."""
    said = '{"candidates": [{"content": {"parts": [' + ", ".join(parts) + "]}}]}"
    return b"data: " + said.encode() + b"\r\n\r\n"


def _case(
    name: str,
    body: bytes,
    *blocks: Block,
    losses: tuple[str, ...] = (),
    request: chat_pb2.ChatRequest = ASKED,
    last: bytes = END,
) -> Case:
    """Return a case that ends with `STOP` and usage."""
    reason = TOOL_CALLS if any(block.name and block.call_id for block in blocks) else STOP
    return Case(name, body + last, Answered(blocks, reason, "STOP", USED, losses), request=request)


def _ended(raw_reason: str, reason: result_pb2.FinishReason.ValueType) -> Case:
    """Return a case of one word and a finish reason."""
    body = text("Hello") + end(reason=raw_reason)
    return Case(f"the end {raw_reason}", body, Answered(HELLO, reason, raw_reason, USED))


TEXTS = (
    _case("text", text("Hel") + text("lo"), *HELLO),
    _case("text in the last chunk", text("Hel"), *HELLO, last=end({"text": "lo"})),
    _case(
        "a second answer, for which nobody asked",
        frame({"candidates": [*answer({"text": "Hello"}, {})["candidates"], {"index": 1}]}),
        *HELLO,
    ),
    _case("two parts of text in one chunk", chunk({"text": "Hel"}, {"text": "lo"}), *HELLO),
    _case("nothing said", b""),
    _case("empty parts", text("") + chunk() + chunk({}) + text("Hello"), *HELLO),
    _case(
        "any character",
        text("a\u2028b\u2029c\x85d") + text("日本語") + text("e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    _case("escaped characters", text('\\u00e9 \n\t"\\'), Block("text", '\\u00e9 \n\t"\\')),
    _case(
        "comments and other fields",
        b": hello\n\nevent: message\nid: 7\nretry: 10\n" + text("Hello"),
        *HELLO,
    ),
    _case(
        "other ends of lines",
        text("Hel").replace(b"\r\n", b"\n") + text("lo").replace(b"\r\n", b"\r"),
        *HELLO,
    ),
    _case(
        "a frame over several lines",
        b'data: {"candidates":\ndata: [{"content":{"parts":\ndata: [{"text":"Hello"}]}}]}\n\n',
        *HELLO,
    ),
    _case(
        "frames without a candidate, and null for what is not there",
        b"data:\n\n"
        + frame({"usageMetadata": {"promptTokenCount": 90}})
        + frame({"candidates": [], "promptFeedback": {"safetyRatings": []}})
        + frame({**answer({"text": "Hel", "thought": None}), "error": None, "usageMetadata": None})
        + frame({"candidates": [{"content": None, "finishReason": None}]})
        + frame({"candidates": [{"content": {"parts": None}, "finishReason": ""}]})
        + text("lo"),
        *HELLO,
    ),
    _case(
        "a reason that is none yet",
        frame(answer({"text": "Hel"}, finish_reason="FINISH_REASON_UNSPECIFIED")) + text("lo"),
        *HELLO,
    ),
    _case(
        "one frame that cannot be decoded",
        text("Hel") + b'data: {"candidates":[{"content":{"parts":[\n\n' + text("lo"),
        *HELLO,
        losses=("answer.frame",),
    ),
    _case(
        "what follows the end", text("Hello"), *HELLO, last=END + text(" again") + end({"text": ""})
    ),
    _case(
        "an error after the end",
        text("Hello"),
        *HELLO,
        last=END + frame({"error": {"message": "too late"}}) + b'{"error": {"code": 503}}',
    ),
)

USAGES = (
    Case(
        "usage after the end",
        text("Hello") + frame(answer(finish_reason="STOP")) + frame({"usageMetadata": {
            "promptTokenCount": 90, "candidatesTokenCount": 17}}),
        Answered(HELLO, STOP, "STOP", USED),
    ),
    Case(
        "usage before the end only",
        text("Hello") + frame(answer(finish_reason="STOP")) + b"data: 7\n\n",
        Answered(HELLO, STOP, "STOP", EARLY),
    ),
    Case(
        "no usage",
        frame(answer({"text": "Hello"}, finish_reason="STOP")),
        Answered(HELLO, STOP, "STOP"),
    ),
    Case(
        "usage that is none",
        frame(answer({"text": "Hello"}, finish_reason="STOP", usageMetadata=[7])),
        Answered(HELLO, STOP, "STOP"),
    ),
)  # fmt: skip

THOUGHTS = (
    _case("thought, then text", thought("H") + thought("m.") + text("Hello"), HM, *HELLO),
    _case("both in one chunk", chunk({"text": "Hm.", "thought": True}, {"text": "Hello"}), HM,
          *HELLO),
    _case("thought after text", text("Hello") + thought("Hm."), *HELLO, HM),
    _case(
        "thoughts that nobody asked for",
        text("Hel") + thought("Hm.") + text("lo"),
        *HELLO,
        request=SILENT,
    ),
)  # fmt: skip

SIGNATURES = (
    _case(
        "a signed thought",
        thought("Hm.", thoughtSignature="s1==") + text("Hello"),
        Block("reasoning", "Hm.", signature="s1=="),
        *HELLO,
    ),
    _case(
        "signed text, after which a block is another",
        text("Hel") + text("lo", thoughtSignature="s1==") + text("Hello"),
        Block("text", "Hello", signature="s1=="),
        *HELLO,
    ),
    _case(
        "signed text whose next part is in the same read",
        chunk({"text": "Hello", "thoughtSignature": "s1"}, {"text": "Hel"}, {"text": "lo"}),
        Block("text", "Hello", signature="s1"),
        *HELLO,
    ),
    _case(
        "a signature alone at the end",
        text("Hello"),
        Block("text", "Hello", signature="s1=="),
        last=end({"text": "", "thoughtSignature": "s1=="}),
    ),
    _case(
        "a signature without even a text",
        thought("Hm.") + chunk({"thoughtSignature": "s1=="}) + text("Hello"),
        Block("reasoning", "Hm.", signature="s1=="),
        *HELLO,
    ),
    _case(
        "signatures with nothing before them",
        chunk({"text": "", "thoughtSignature": "s1"}, {"text": "", "thoughtSignature": "s2"}),
        Block("reasoning", "", signature="s1"),
        Block("reasoning", "", signature="s2"),
    ),
    _case(
        "a signed thought that nobody asked for",
        text("Hello") + thought("Hm.") + thought("So.", thoughtSignature="s1") + text("Hello"),
        Block("text", "Hello", signature="s1"),
        *HELLO,
        request=SILENT,
    ),
    _case(
        "a signed call among two",
        chunk({**call("f", {"a": 1}), "thoughtSignature": "s1"}, call("f", {"a": 2})),
        Block("completed", '{"a": 1}', MINTED, "f", signature="s1"),
        Block("completed", '{"a": 2}', MINTED, "f"),
    ),
    _case(
        "a signature alone after a call",
        chunk(call("f", {})),
        Block("completed", "{}", MINTED, "f"),
        Block("reasoning", "", signature="s1"),
        last=end({"text": "", "thoughtSignature": "s1"}),
    ),
)

CALLS = (
    _case("a call", chunk(call("time", {"tz": "UTC"}, id="x")),
          Block("completed", '{"tz": "UTC"}', "x", "time")),
    _case("a call in the last chunk", b"", Block("completed", "{}", MINTED, "f"),
          last=end(call("f", {}))),
    _case(
        "arguments stay as they were written",
        raw('{"functionCall": {"name": "f", "args": {"z":1e3, "a" : [123456789012345678901]}}}'),
        Block("completed", '{"z":1e3, "a" : [123456789012345678901]}', MINTED, "f"),
    ),
    _case("no arguments", raw('{"functionCall": {"name": "f", "args": null}}') + chunk(call("g")),
          Block("completed", "", MINTED, "f"), Block("completed", "", MINTED, "g")),
    _case(
        "the same tool at once, and an id twice",
        chunk(call("f", {}, id="x"), call("f", {}, id="x")),
        Block("completed", "{}", "x", "f"),
        Block("completed", "{}", MINTED, "f"),
    ),
    _case("an id that no transcript holds", chunk(call("f", {}, id="x" * 257)),
          Block("completed", "{}", MINTED, "f")),
    _case(
        "thought, text, call, text",
        thought("Hm.") + text("Hello") + chunk(call("f", {}, id="x")) + text("Hello"),
        HM,
        *HELLO,
        Block("completed", "{}", "x", "f"),
        *HELLO,
    ),
    Case(
        "the token limit after a call",
        chunk(call("f", {}, id="x")) + end(reason="MAX_TOKENS"),
        Answered((Block("completed", "{}", "x", "f"),), LENGTH, "MAX_TOKENS", USED),
    ),
)  # fmt: skip

OWN = (
    _case(
        "a picture between texts",
        text("Hello") + raw(PICTURE) + text("Hello"),
        *HELLO,
        Block("provider", PICTURE, name="inlineData"),
        *HELLO,
    ),
    _case(
        "a signed picture keeps its signature in itself",
        raw('{"text": "Hello"}', SIGNED_PICTURE),
        *HELLO,
        Block("provider", SIGNED_PICTURE, name="inlineData"),
    ),
    _case("code that the provider runs", raw(CODE), Block("provider", CODE, name="executableCode")),
)

ENDS = (
    _ended("MAX_TOKENS", LENGTH),
    _ended("CONTINUATION", LENGTH),
    *(
        _ended(raw_reason, CONTENT_FILTER)
        for raw_reason in ("SAFETY", "RECITATION", "PROHIBITED_CONTENT", "SPII", "IMAGE_SAFETY")
    ),
    _ended("NO_IMAGE", UNSPECIFIED),
    _ended("A_WORD_THAT_NOBODY_KNOWS", UNSPECIFIED),
    Case(
        "all tokens were spent on thinking",
        frame({"candidates": [{"finishReason": "MAX_TOKENS", "index": 0}], "usageMetadata": {
            "promptTokenCount": 90, "thoughtsTokenCount": 17}}),
        Answered((), LENGTH, "MAX_TOKENS", result_pb2.Usage(
            input_tokens=90, output_tokens=17, reasoning_tokens=17,
            source=result_pb2.USAGE_SOURCE_REPORTED)),
    ),
    Case(
        "a filter that ends the answer before its first word",
        frame({"candidates": [{"finishReason": "SAFETY", "safetyRatings": []}]}),
        Answered((), CONTENT_FILTER, "SAFETY"),
    ),
)  # fmt: skip

SHAPES = (
    Case(
        "JSON by a schema, with every number of tokens",
        text('{"a":')
        + frame(
            answer(
                {"text": "1}"},
                finish_reason="STOP",
                usageMetadata={
                    "promptTokenCount": 90,
                    "cachedContentTokenCount": 60,
                    "candidatesTokenCount": 17,
                    "thoughtsTokenCount": 7,
                    "totalTokenCount": 114,
                },
            )
        ),
        Answered(
            (Block("text", '{"a":1}'),),
            STOP,
            "STOP",
            result_pb2.Usage(
                input_tokens=30,
                output_tokens=24,
                cache_read_tokens=60,
                reasoning_tokens=7,
                source=result_pb2.USAGE_SOURCE_REPORTED,
            ),
        ),
        request=SHAPED,
    ),
)

STREAMS = TEXTS + USAGES + THOUGHTS + SIGNATURES + CALLS + OWN + ENDS + SHAPES
