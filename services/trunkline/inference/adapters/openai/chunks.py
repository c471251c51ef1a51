"""What is read of an answer on the wire, and no more.

Types are as loose as the services that imitate the format are: what a field of theirs may hold
instead of what OpenAI's holds must not make the rest of its chunk undecodable.
"""

from __future__ import annotations

from typing import Any

import msgspec

from trunkline.inference.adapters.values import Json


class Function(msgspec.Struct, gc=False):
    """A function that is called, or more of its arguments.

    Attributes:
        name: in the first piece; some repeat it, some send "" later.
        arguments: a fragment of JSON text; a few send the object itself.
    """

    name: str | None = None
    arguments: str | Json | None = None


class CallDelta(msgspec.Struct, gc=False):
    """A tool call, or more of one.

    Attributes:
        index: which call of the answer; absent with some services.
        id: in the first piece; absent with some services.
        function: what is called.
    """

    index: int | None = None
    id: str | None = None
    function: Function | None = None


class Delta(msgspec.Struct, gc=False):
    """What is said: more of an answer in a stream, all of it without.

    Attributes:
        content: text, or blocks of text and thought (Mistral).
        reasoning_content: thought (DeepSeek, Moonshot, xAI, Fireworks, llama.cpp).
        reasoning: thought (Groq, OpenRouter, Together, LM Studio, newer vLLM).
        reasoning_text: thought (GitHub Copilot).
        refusal: the model's words when it declines.
        tool_calls: pieces of tool calls.
    """

    content: str | list[Any] | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    reasoning_text: str | None = None
    refusal: str | None = None
    tool_calls: list[CallDelta] | None = None


def is_plain(delta: Delta) -> bool:
    """Tell whether a delta says text and nothing else."""
    return delta.content.__class__ is str and not (
        delta.reasoning_content
        or delta.reasoning
        or delta.reasoning_text
        or delta.refusal
        or delta.tool_calls
    )


class Choice(msgspec.Struct, gc=False):
    """One of the answers; we ask for one.

    Attributes:
        delta: in a stream.
        message: without a stream.
        finish_reason: null or "" until the answer ends.
        usage: where Moonshot puts it.
        error: where OpenRouter puts it without a stream.
    """

    delta: Delta | None = None
    message: Delta | None = None
    finish_reason: str | None = None
    usage: Json | None = None
    error: Any = None


class Chunk(msgspec.Struct, gc=False):
    """One frame of a stream, or the whole body without one.

    Attributes:
        choices: empty or absent in chunks that bring something else.
        usage: in the last chunk, with the finish reason or in every chunk.
        error: with status 200 too.
        x_groq: where Groq puts usage and errors.
    """

    choices: list[Choice] | None = None
    usage: Json | None = None
    error: Any = None
    x_groq: Json | None = None


decode = msgspec.json.Decoder(Chunk).decode
"""Decode a chunk; raises ValueError or, when it nests too deep, RecursionError."""
