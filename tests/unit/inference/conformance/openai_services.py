"""Streams as each service says them that speaks Chat Completions, from its first byte on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import chat_pb2, failure_pb2, result_pb2
from unit.inference.conformance.openai_streams import (
    CALLED,
    END,
    HELLO,
    LENGTH,
    SILENT,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.openai_wire import (
    DONE,
    call,
    calls,
    chunk,
    frame,
    text,
    usage,
    whole,
)
from unit.inference.conformance.suite import Answered, Block, Case, Failed

THOUGHT = Block("reasoning", "Hm.")
REPORTED = result_pb2.USAGE_SOURCE_REPORTED

PARTIAL = json_format.ParseDict(
    {
        "messages": [
            {"role": "ROLE_USER", "content": [{"text": "Hello"}]},
            {"role": "ROLE_ASSISTANT", "content": [{"text": "Hello, "}]},
        ]
    },
    chat_pb2.ChatRequest(),
)


def _at(kind: str) -> Target:
    """Return a model of a service."""
    return Target(kind, "m", "https://acme.example/v1", type=kind)


def _case(
    kind: str,
    body: bytes,
    *blocks: Block,
    what: str = "an answer",
    used: result_pb2.Usage = USED,
    raw: str = "stop",
    reason: result_pb2.FinishReason.ValueType = STOP,
    **more: Any,
) -> Case:
    """Return a case of a service; it ends with `stop` unless it is said otherwise."""
    answered = Answered(blocks, reason, raw, used)
    return Case(f"{kind}: {what}", body, answered, target=_at(kind), **more)


def _tokens(**numbers: int) -> result_pb2.Usage:
    """Return a usage that was reported."""
    return result_pb2.Usage(source=REPORTED, **numbers)


SPOKEN = (
    _case(
        "deepseek",
        b": keep-alive\n\n"
        + chunk({"role": "assistant", "content": None, "reasoning_content": ""})
        + chunk({"content": None, "reasoning_content": "Hm."})
        + b": keep-alive\n\n"
        + chunk({"content": "Hello", "reasoning_content": None})
        + chunk(
            {"content": "", "reasoning_content": None},
            "stop",
            usage={
                "prompt_tokens": 90,
                "completion_tokens": 17,
                "total_tokens": 107,
                "prompt_cache_hit_tokens": 60,
                "prompt_cache_miss_tokens": 30,
                "completion_tokens_details": {"reasoning_tokens": 9},
            },
        )
        + DONE,
        THOUGHT,
        *HELLO,
        used=_tokens(input_tokens=30, cache_read_tokens=60, output_tokens=17, reasoning_tokens=9),
    ),
    _case(
        "fireworks",
        chunk({"role": "assistant", "reasoning_content": "Hm."})
        + text("Hello")
        + chunk(finish_reason="stop", usage={"prompt_tokens": 90, "completion_tokens": 17})
        + DONE,
        THOUGHT,
        *HELLO,
    ),
    _case(
        "groq",
        chunk({"role": "assistant", "content": ""}, x_groq={"id": "req_1", "seed": 7})
        + chunk({"reasoning": "Hm.", "channel": "analysis"})
        + text("Hello")
        + chunk(
            finish_reason="stop",
            x_groq={"id": "req_1", "usage": {"prompt_tokens": 90, "completion_tokens": 17}},
        )
        + DONE,
        THOUGHT,
        *HELLO,
    ),
    _case(
        "litellm",
        chunk({"role": "assistant", "content": "Hello", "provider_specific_fields": None})
        + END
        + usage()
        + DONE,
        *HELLO,
    ),
    _case(
        "llama-cpp",
        frame({"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}],
               "prompt_progress": {"total": 90, "cache": 0, "processed": 64, "time_ms": 5}})
        + chunk({"reasoning_content": "Hm."})
        + text("Hello")
        + chunk(finish_reason="stop", timings={"cache_n": 60, "prompt_n": 30, "predicted_n": 17})
        + usage(prompt_tokens_details={"cached_tokens": 60})
        + DONE,
        THOUGHT,
        *HELLO,
        used=_tokens(input_tokens=30, cache_read_tokens=60, output_tokens=17),
    ),
    _case(
        "lm-studio",
        chunk({"role": "assistant", "reasoning": "Hm."}) + text("Hello") + END + usage() + DONE,
        THOUGHT,
        *HELLO,
    ),
    _case(
        "mistral",
        chunk({"role": "assistant", "content": ""})
        + chunk(
            {
                "content": [
                    {
                        "type": "thinking",
                        "thinking": [{"type": "text", "text": "Hm."}],
                        "closed": True,
                    }
                ]
            }
        )
        + chunk({"content": [{"type": "text", "text": "Hello"}]})
        + chunk(
            finish_reason="model_length",
            usage={
                "prompt_tokens": 90,
                "completion_tokens": 17,
                "total_tokens": 107,
                "prompt_tokens_details": {"cached_tokens": 64},
            },
        )
        + DONE,
        THOUGHT,
        *HELLO,
        raw="model_length",
        reason=LENGTH,
        used=_tokens(input_tokens=26, cache_read_tokens=64, output_tokens=17),
    ),
    _case(
        "moonshot",
        chunk({"role": "assistant", "reasoning_content": "Hm."})
        + text("Hello")
        + frame(
            {
                "choices": [
                    {
                        "delta": {},
                        "finish_reason": "stop",
                        "usage": {
                            "prompt_tokens": 90,
                            "completion_tokens": 17,
                            "total_tokens": 107,
                            "cached_tokens": 64,
                        },
                    }
                ]
            }
        )
        + DONE,
        THOUGHT,
        *HELLO,
        used=_tokens(input_tokens=26, cache_read_tokens=64, output_tokens=17),
    ),
    _case(
        "openrouter",
        b": OPENROUTER PROCESSING\n\n" * 2
        + chunk({"role": "assistant", "content": "", "reasoning": None}, provider="P")
        + chunk(
            {
                "content": "",
                "reasoning": "Hm.",
                "reasoning_details": [{"type": "reasoning.text", "text": "Hm.", "index": 0}],
            },
            provider="P",
        )
        + b": OPENROUTER PROCESSING\n\n"
        + text("Hello")
        + frame(
            {
                "choices": [
                    {"delta": {"content": ""}, "finish_reason": "stop",
                     "native_finish_reason": "end_turn"}
                ]
            }
        )
        + usage(
            cost=0.0012,
            is_byok=False,
            prompt_tokens_details={"cached_tokens": 60, "cache_write_tokens": 10},
            completion_tokens_details={"reasoning_tokens": 9},
        )
        + DONE,
        THOUGHT,
        *HELLO,
        used=_tokens(
            input_tokens=20,
            cache_read_tokens=60,
            cache_write_tokens=10,
            output_tokens=17,
            reasoning_tokens=9,
        ),
    ),
    _case(
        "perplexity",
        chunk(
            {"role": "assistant", "content": "Hel"},
            usage={"prompt_tokens": 90, "completion_tokens": 1},
            citations=["https://a.example"],
        )
        + chunk(
            {"role": "assistant", "content": "lo"},
            "stop",
            usage={
                "prompt_tokens": 90,
                "completion_tokens": 17,
                "total_tokens": 107,
                "search_context_size": "low",
                "cost": {"total_cost": 0.006},
            },
            search_results=[{"title": "A", "url": "https://a.example", "date": None}],
        ),
        *HELLO,
    ),
    _case(
        "together",
        chunk({"role": "assistant", "content": "", "reasoning": "Hm."})
        + text("Hello")
        + chunk(finish_reason="eos", usage={"prompt_tokens": 90, "completion_tokens": 17})
        + DONE,
        THOUGHT,
        *HELLO,
        raw="eos",
    ),
    _case(
        "vercel",
        chunk({"role": "assistant", "reasoning": "Hm.", "reasoning_details": []})
        + text("Hello")
        + END
        + usage(cost=0.0012)
        + DONE,
        THOUGHT,
        *HELLO,
    ),
    _case(
        "vllm",
        chunk({"role": "assistant", "content": ""})
        + chunk({"reasoning": "Hm."})
        + text("Hello")
        + frame({"choices": [{"delta": {}, "finish_reason": "stop", "stop_reason": None}]})
        + usage()
        + DONE,
        THOUGHT,
        *HELLO,
    ),
    _case(
        "xai",
        chunk({"role": "assistant", "reasoning_content": "Hm."}, "")
        + calls(call("{}", call_id="x", name="f"))
        + chunk({}, "")
        + CALLED
        + usage(
            prompt_tokens=12,
            completion_tokens=2,
            total_tokens=354,
            completion_tokens_details={"reasoning_tokens": 340},
        )
        + DONE,
        THOUGHT,
        Block("completed", "{}", "x", "f"),
        raw="tool_calls",
        reason=TOOL_CALLS,
        used=_tokens(input_tokens=12, output_tokens=342, reasoning_tokens=340),
    ),
)  # fmt: skip

LAST = END + usage() + DONE

TAGGED = (
    _case(
        "minimax",
        text("<think>Hm.</think>\n\nHello") + LAST,
        THOUGHT,
        *HELLO,
        what="a thought between tags",
    ),
    _case(
        "minimax",
        b"".join(map(text, ("\n<th", "ink", ">H", "m.</", "think>\n", "\nHel", "lo"))) + LAST,
        THOUGHT,
        *HELLO,
        what="tags in pieces",
    ),
    _case(
        "minimax",
        text("<think>a</b></thin") + text("</think>Hello") + LAST,
        Block("reasoning", "a</b></thin"),
        *HELLO,
        what="what is nearly the end of a thought",
    ),
    _case("minimax", text("Hello") + LAST, *HELLO, what="no thought"),
    _case(
        "minimax",
        text("<thin") + text("g>") + LAST,
        Block("text", "<thing>"),
        what="what is nearly a tag",
    ),
    _case("minimax", text("<th") + LAST, Block("text", "<th"), what="half a tag"),
    _case(
        "minimax",
        text("Hi <think>Hm.</think>") + LAST,
        Block("text", "Hi <think>Hm.</think>"),
        what="tags that the answer is about",
    ),
    _case(
        "minimax",
        text("<think></think>") + text("Hello <think>") + LAST,
        Block("text", "Hello <think>"),
        what="an empty thought",
    ),
    _case(
        "minimax",
        text("<think>Hm.</th") + chunk(finish_reason="length") + usage() + DONE,
        Block("reasoning", "Hm.</th"),
        raw="length",
        reason=LENGTH,
        what="a thought that is cut by the limit",
    ),
    _case(
        "minimax",
        text("<think>Hm.</think>\n\n")
        + calls(call("{}", call_id="x", name="f"))
        + CALLED
        + usage()
        + DONE,
        THOUGHT,
        Block("completed", "{}", "x", "f"),
        raw="tool_calls",
        reason=TOOL_CALLS,
        what="a thought before a call",
    ),
    _case(
        "minimax",
        text("<think>Hm.</th") + calls(call("{}", call_id="x", name="f")) + CALLED + usage() + DONE,
        Block("reasoning", "Hm.</th"),
        Block("completed", "{}", "x", "f"),
        raw="tool_calls",
        reason=TOOL_CALLS,
        what="a call within a thought",
    ),
    _case(
        "minimax",
        text("<think>Hm.</think>\n\nHello") + LAST,
        *HELLO,
        request=SILENT,
        what="a thought between tags that nobody asked for",
    ),
    _case(
        "minimax",
        whole({"content": "<think>Hm.</think>\n\nHello"}),
        THOUGHT,
        *HELLO,
        stream=False,
        what="a thought between tags in a document",
    ),
    _case(
        "openai",
        text("<think>Hm.</think>") + LAST,
        Block("text", "<think>Hm.</think>"),
        what="tags of others",
    ),
)

REPEATED = (
    _case(
        "mistral",
        text("Hel") + text("lo, I") + text(" am.") + LAST,
        Block("text", " I am."),
        request=PARTIAL,
        what="the text that it goes on from, in pieces",
    ),
    _case(
        "mistral",
        text("Hello, I am.") + LAST,
        Block("text", " I am."),
        request=PARTIAL,
        what="the text that it goes on from",
    ),
    _case(
        "mistral",
        whole({"content": "Hello, I am."}),
        Block("text", " I am."),
        stream=False,
        request=PARTIAL,
        what="the text that it goes on from, in a document",
    ),
    _case(
        "mistral",
        text("Hell") + text("o, Hello, ") + text("Hello, you.") + LAST,
        Block("text", " Hello, Hello, you."),
        request=PARTIAL,
        what="the text that it goes on from, and once more as its own",
    ),
    _case(
        "mistral",
        text("Hel") + text("p is near.") + LAST,
        Block("text", "Help is near."),
        request=PARTIAL,
        what="words that begin like those that it goes on from",
    ),
    _case(
        "mistral",
        text("Hel") + LAST,
        Block("text", "Hel"),
        request=PARTIAL,
        what="an end that is like the beginning",
    ),
    _case(
        "mistral",
        text("Hello,") + LAST,
        request=PARTIAL,
        what="the text that it goes on from, and nothing more",
    ),
    _case("mistral", text("Hello, I am.") + LAST, Block("text", "Hello, I am."), what="no echo"),
    replace(
        _case("mistral", b"", what="a stream that dies within the text that it goes on from"),
        body=text("Hel"),
        request=PARTIAL,
        expected=Failed((), failure_pb2.ERROR_KIND_BROKEN_STREAM, "broke off"),
    ),
    _case(
        "deepseek",
        text("Hello, I am.") + LAST,
        Block("text", "Hello, I am."),
        request=PARTIAL,
        what="a service that repeats nothing",
    ),
)


def _failed(
    kind: str,
    what: str,
    body: bytes,
    error: failure_pb2.ErrorKind.ValueType,
    code: str,
    **more: Any,
) -> Case:
    """Return a case of a reply that fails."""
    heard = HELLO if body.startswith(b"data") else ()
    return Case(f"{kind}: {what}", body, Failed(heard, error, "", code), target=_at(kind), **more)


MINIMAX_ERROR = {"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}

FAILED = (
    _failed(
        "openrouter",
        "an error in mid-stream",
        text("Hello")
        + b": OPENROUTER PROCESSING\n\n"
        + frame(
            {
                "provider": "P",
                "error": {
                    "code": 502,
                    "message": "upstream dropped",
                    "metadata": {"error_type": "provider_unavailable"},
                },
                "choices": [{"delta": {"content": ""}, "finish_reason": "error"}],
            }
        ),
        failure_pb2.ERROR_KIND_SERVER_ERROR,
        "provider_unavailable",
    ),
    _failed(
        "minimax",
        "an error with status 200, in a stream",
        text("Hello") + frame(MINIMAX_ERROR),
        failure_pb2.ERROR_KIND_QUOTA,
        "base_resp_1008",
    ),
    _failed(
        "minimax",
        "an error with status 200",
        b'{"base_resp": {"status_code": 1002, "status_msg": "rate limit"}, "choices": null}',
        failure_pb2.ERROR_KIND_RATE_LIMITED,
        "base_resp_1002",
        stream=False,
    ),
    _failed(
        "deepseek",
        "an overload in mid-stream",
        text("Hello") + chunk(finish_reason="insufficient_system_resource"),
        failure_pb2.ERROR_KIND_SERVER_ERROR,
        "insufficient_system_resource",
    ),
    _failed(
        "vllm",
        "an error in mid-stream",
        text("Hello")
        + frame({"error": {"message": "Oh.", "type": "InternalServerError", "code": 500}})
        + DONE,
        failure_pb2.ERROR_KIND_SERVER_ERROR,
        "InternalServerError",
    ),
    _failed(
        "groq",
        "a call that the model wrote wrong, in mid-stream",
        text("Hello") + frame({"error": {"message": "Failed to call.", "code": "tool_use_failed"}}),
        failure_pb2.ERROR_KIND_BROKEN_STREAM,
        "tool_use_failed",
    ),
    _case(
        "minimax",
        frame({"base_resp": {"status_code": 0, "status_msg": ""}, "choices": []})
        + text("Hello")
        + LAST,
        *HELLO,
        what="no error",
    ),
)

SERVICES = SPOKEN + TAGGED + REPEATED + FAILED
