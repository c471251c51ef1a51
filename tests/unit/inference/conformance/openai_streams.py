"""Streams of Chat Completions that end well, in the dialects in which they are spoken."""

from __future__ import annotations

from google.protobuf import json_format

from trunkline.inference.v1 import chat_pb2, result_pb2
from unit.inference.conformance.openai_wire import DONE, call, calls, chunk, frame, text, usage
from unit.inference.conformance.suite import HELLO as ASKED
from unit.inference.conformance.suite import MINTED, SHAPED, Answered, Block, Case

STOP = result_pb2.FINISH_REASON_STOP
LENGTH = result_pb2.FINISH_REASON_LENGTH
TOOL_CALLS = result_pb2.FINISH_REASON_TOOL_CALLS
CONTENT_FILTER = result_pb2.FINISH_REASON_CONTENT_FILTER
UNSPECIFIED = result_pb2.FINISH_REASON_UNSPECIFIED

USED = result_pb2.Usage(input_tokens=90, output_tokens=17, source=result_pb2.USAGE_SOURCE_REPORTED)

ROLE = chunk({"role": "assistant", "content": ""})
END = chunk(finish_reason="stop")
CALLED = chunk(finish_reason="tool_calls")
SILENT = json_format.ParseDict({"reasoning": {"include": False}}, chat_pb2.ChatRequest())

HELLO = (Block("text", "Hello"),)


def _case(
    name: str,
    body: bytes,
    *blocks: Block,
    losses: tuple[str, ...] = (),
    request: chat_pb2.ChatRequest = ASKED,
) -> Case:
    """Return a case that ends with `stop`, usage and the end marker."""
    answered = Answered(blocks, STOP, "stop", USED, losses)
    return Case(name, ROLE + body + END + usage() + DONE, answered, request=request)


def _called(name: str, body: bytes, *blocks: Block) -> Case:
    """Return a case that ends with `tool_calls`."""
    return Case(
        name,
        ROLE + body + CALLED + usage() + DONE,
        Answered(blocks, TOOL_CALLS, "tool_calls", USED),
    )


def _ended(name: str, raw: str, reason: result_pb2.FinishReason.ValueType) -> Case:
    """Return a case of one word and a finish reason."""
    body = text("Hello") + chunk(finish_reason=raw) + DONE
    return Case(name, body, Answered(HELLO, reason, raw))


TEXTS = (
    _case("text", text("Hel") + text("lo"), Block("text", "Hello")),
    _case("nothing said", b""),
    _case(
        "any character",
        text("a\u2028b\u2029c\x85d") + text("日本語") + text("e\u0301 👩‍👩‍👧 \U0001f3fd"),
        Block("text", "a\u2028b\u2029c\x85d日本語e\u0301 👩‍👩‍👧 \U0001f3fd"),
    ),
    _case("escaped characters", text('\\u00e9 \n\t"\\'), Block("text", '\\u00e9 \n\t"\\')),
    _case(
        "comments and other fields",
        b": OPENROUTER PROCESSING\n\nevent: message\nid: 7\nretry: 10\n" + text("Hello"),
        *HELLO,
    ),
    Case(
        "line ends of HTTP",
        (text("Hello") + END + usage() + DONE).replace(b"\n", b"\r\n"),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "line ends of old",
        (text("Hello") + END + usage() + DONE).replace(b"\n", b"\r"),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "byte order mark and no space after the colon",
        b"\xef\xbb\xbf" + (text("Hello") + END + DONE).replace(b"data: ", b"data:"),
        Answered(HELLO, STOP, "stop"),
    ),
    Case(
        "a frame over several lines",
        b'data: {"choices":\ndata: [{"delta":{"content":"Hello"},\ndata: "finish_reason":"stop"}]}'
        b"\n\n" + DONE,
        Answered(HELLO, STOP, "stop"),
    ),
    _case(
        "empty frames and chunks without choices",
        b"data:\n\n"
        + frame({"choices": [], "prompt_filter_results": []})
        + text("Hello")
        + frame({"id": "1"}),
        *HELLO,
    ),
    _case(
        "one frame that cannot be decoded",
        text("Hel") + b'data: {"choices":[{"delta":{"content":"?\n\n' + text("lo"),
        *HELLO,
        losses=("answer.frame",),
    ),
    _case("what follows the finish reason", text("Hello") + END + text(" again"), *HELLO),
    _case(
        "an error after the finish reason",
        text("Hello") + END + frame({"error": {"message": "too late"}}) + b"data: {\n\n",
        *HELLO,
    ),
)
USAGES = (
    Case(
        "usage with the finish reason, no end marker (DeepSeek)",
        text("Hello") + chunk(finish_reason="stop", usage={"prompt_tokens": 5}),
        Answered(
            HELLO,
            STOP,
            "stop",
            result_pb2.Usage(input_tokens=5, source=result_pb2.USAGE_SOURCE_REPORTED),
        ),
    ),
    Case(
        "usage in every chunk (Perplexity)",
        chunk({"content": "Hel"}, usage={"prompt_tokens": 90, "completion_tokens": 1})
        + chunk({"content": "lo"}, usage={"prompt_tokens": 90, "completion_tokens": 2})
        + chunk(finish_reason="stop", usage={"prompt_tokens": 90, "completion_tokens": 17}),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "usage before and after the finish reason",
        chunk({"content": "Hello"}, usage={"prompt_tokens": 1, "completion_tokens": 1})
        + END
        + usage(),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "usage of Groq",
        chunk({"role": "assistant"}, x_groq={"id": "req_1"})
        + text("Hello")
        + chunk(
            finish_reason="stop", x_groq={"usage": {"prompt_tokens": 90, "completion_tokens": 17}}
        ),
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "usage in the choice (Moonshot)",
        text("Hello")
        + frame(
            {
                "choices": [
                    {
                        "delta": {},
                        "finish_reason": "stop",
                        "usage": {"prompt_tokens": 90, "completion_tokens": 17},
                    }
                ]
            }
        )
        + DONE,
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case("no usage", text("Hello") + END + DONE, Answered(HELLO, STOP, "stop")),
    Case("no usage and no end marker", text("Hello") + END, Answered(HELLO, STOP, "stop")),
)

THOUGHTS = (
    _case(
        "reasoning_content, then text (DeepSeek)",
        chunk({"reasoning_content": "Let me ", "content": None})
        + chunk({"reasoning_content": "see.", "content": None})
        + chunk({"content": "Hello", "reasoning_content": None}),
        Block("reasoning", "Let me see."),
        *HELLO,
    ),
    _case(
        "reasoning (OpenRouter), also in one delta with text",
        chunk({"reasoning": "Hm", "content": ""}) + chunk({"reasoning": "m.", "content": "Hello"}),
        Block("reasoning", "Hmm."),
        *HELLO,
    ),
    _case(
        "both names for the same thought",
        chunk({"reasoning": "Hm.", "reasoning_content": "Hm."}) + text("Hello"),
        Block("reasoning", "Hm."),
        *HELLO,
    ),
    _case(
        "reasoning_text (Copilot), and thought again after text",
        chunk({"reasoning_text": "Hm."}) + text("Hello") + chunk({"reasoning_text": "So."}),
        Block("reasoning", "Hm."),
        *HELLO,
        Block("reasoning", "So."),
    ),
    _case(
        "blocks (Mistral)",
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}]})
        + chunk(
            {
                "content": [
                    {"type": "thinking", "thinking": "m."},
                    {"type": "text", "text": "Hel"},
                    {"type": "reference", "ids": [1]},
                ]
            }
        )
        + text("lo"),
        Block("reasoning", "Hmm."),
        *HELLO,
    ),
    _case(
        "thoughts that nobody asked for",
        text("Hel") + chunk({"reasoning": "Hm."}) + text("lo"),
        *HELLO,
        request=SILENT,
    ),
)

CALLS = (
    _called(
        "a call in pieces",
        calls(call("", call_id="call_9", name="time"))
        + calls(call('{"tz":'))
        + calls(call('"UTC"}')),
        Block("completed", '{"tz":"UTC"}', "call_9", "time"),
    ),
    _called(
        "calls one after the other",
        calls(call('{"a":1}', call_id="call_1", name="f"))
        + calls(call("", index=1, call_id="call_2", name="g"))
        + calls(call("{}", index=1)),
        Block("completed", '{"a":1}', "call_1", "f"),
        Block("completed", "{}", "call_2", "g"),
    ),
    _called(
        "calls whose pieces come in turn",
        calls(call("", call_id="call_1", name="f"), call("", index=1, call_id="call_2", name="g"))
        + calls(call('{"a"'))
        + calls(call('{"b"', index=1))
        + calls(call(":1}"))
        + calls(call(":2}", index=1)),
        Block("completed", '{"a":1}', "call_1", "f"),
        Block("completed", '{"b":2}', "call_2", "g"),
    ),
    _called(
        "pieces named by id alone",
        calls(call('{"a":', index=None, call_id="x", name="f"))
        + calls(call("1}", index=None, call_id="x"))
        + calls(call("{}", index=None, call_id="y", name="f")),
        Block("completed", '{"a":1}', "x", "f"),
        Block("completed", "{}", "y", "f"),
    ),
    _called(
        "pieces that go on with the last",
        calls(call('{"a":', index=None, call_id="x", name="f")) + calls(call("1}", index=None)),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "calls with neither index nor id",
        calls(call("{}", index=None, name="f"), call("{}", index=None, name="f")),
        Block("completed", "{}", MINTED, "f"),
        Block("completed", "{}", MINTED, "f"),
    ),
    _called(
        "id and name in every piece",
        calls(call('{"a":', call_id="x", name="f")) + calls(call("1}", call_id="x", name="f")),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "an empty name in later pieces",
        calls(call('{"a":', call_id="x", name="f")) + calls(call("1}", call_id="", name="")),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "another id in every piece (older vLLM)",
        calls(call('{"a":', call_id="x", name="f")) + calls(call("1}", call_id="y")),
        Block("completed", '{"a":1}', "x", "f"),
    ),
    _called(
        "whole calls in one delta, all numbered 0 (Gemini's OpenAI face)",
        calls(call('{"a":1}', call_id="x", name="f"), call('{"a":2}', call_id="y", name="f")),
        Block("completed", '{"a":1}', "x", "f"),
        Block("completed", '{"a":2}', "y", "f"),
    ),
    _called(
        "an id twice",
        calls(
            call("{}", index=0, call_id="x", name="f"), call("{}", index=1, call_id="x", name="g")
        ),
        Block("completed", "{}", "x", "f"),
        Block("completed", "{}", MINTED, "g"),
    ),
    _called(
        "an id that no transcript holds",
        calls(call("{}", call_id="x" * 257, name="f")),
        Block("completed", "{}", MINTED, "f"),
    ),
    _called(
        "arguments as an object",
        calls(call({"z": 1, "a": [True, None]}, call_id="x", name="f")),
        Block("completed", '{"z":1,"a":[true,null]}', "x", "f"),
    ),
    _called(
        "no arguments",
        calls(call(call_id="x", name="f")) + calls(call("", index=1, call_id="y", name="g")),
        Block("completed", "", "x", "f"),
        Block("completed", "", "y", "g"),
    ),
    _called(
        "blanks after a whole call",
        calls(call("{}", call_id="x", name="f")) + text("Hello") + calls(call("\n ")),
        Block("completed", "{}", "x", "f"),
        *HELLO,
    ),
    _called(
        "thought, text, call",
        chunk({"reasoning": "Hm."}) + text("Hello") + calls(call("{}", call_id="x", name="f")),
        Block("reasoning", "Hm."),
        *HELLO,
        Block("completed", "{}", "x", "f"),
    ),
)

ENDS = (
    _ended("the token limit", "length", LENGTH),
    _ended("the window (Mistral)", "model_length", LENGTH),
    _ended("end of sequence (Together)", "eos", STOP),
    _ended("a filter", "content_filter", CONTENT_FILTER),
    _ended("a word that nobody knows", "wind_down", UNSPECIFIED),
    Case(
        "a refusal",
        chunk({"refusal": "I can't "}) + chunk({"refusal": "do that."}) + END + DONE,
        Answered((Block("refusal", "I can't do that."),), CONTENT_FILTER, "stop"),
    ),
    Case(
        "stop with calls (Ollama)",
        calls(call("{}", call_id="x", name="f")) + END + DONE,
        Answered((Block("completed", "{}", "x", "f"),), TOOL_CALLS, "stop"),
    ),
    Case(
        "an empty reason until the end (xAI)",
        chunk({"tool_calls": [call("{}", call_id="x", name="f")]}, "")
        + chunk({}, "")
        + CALLED
        + DONE,
        Answered((Block("completed", "{}", "x", "f"),), TOOL_CALLS, "tool_calls"),
    ),
    Case(
        "the token limit within a call",
        calls(call('{"a":1}', call_id="x", name="f"))
        + calls(call('{"b":', index=1, call_id="y", name="g"))
        + chunk(finish_reason="length")
        + DONE,
        Answered(
            (Block("completed", '{"a":1}', "x", "f"), Block("aborted", '{"b":', "y", "g")),
            LENGTH,
            "length",
        ),
    ),
    Case(
        "the token limit before a call's arguments",
        calls(call("", call_id="x", name="f")) + chunk(finish_reason="length") + DONE,
        Answered((Block("aborted", "", "x", "f"),), LENGTH, "length"),
    ),
)

SHAPES = (
    Case(
        "JSON by a schema, with every number of tokens",
        ROLE
        + text('{"a":')
        + text("1}")
        + END
        + usage(
            prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 10},
            completion_tokens_details={"reasoning_tokens": 7},
        )
        + DONE,
        Answered(
            (Block("text", '{"a":1}'),),
            STOP,
            "stop",
            result_pb2.Usage(
                input_tokens=20,
                output_tokens=17,
                cache_read_tokens=60,
                cache_write_tokens=10,
                reasoning_tokens=7,
                source=result_pb2.USAGE_SOURCE_REPORTED,
            ),
        ),
        request=SHAPED,
    ),
)

STREAMS = TEXTS + USAGES + THOUGHTS + CALLS + ENDS + SHAPES
