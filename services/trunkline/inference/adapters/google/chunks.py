"""What is read of an answer on the wire, and no more.

Source: https://ai.google.dev/api/generate-content#GenerateContentResponse. A stream's frame and
a whole answer have the same shape; a frame holds only what is new.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

import msgspec

Json: TypeAlias = dict[str, Any]

NOTHING: Final = msgspec.Raw()


class FunctionCall(msgspec.Struct, gc=False, rename="camel"):
    """A tool call, which comes whole.

    Attributes:
        id: absent with most models.
        name: of the tool.
        args: its arguments, whose text is kept as it came.
        will_continue: they come in pieces, which is done only when asked for.
    """

    id: str | None = None
    name: str | None = None
    args: msgspec.Raw = NOTHING
    will_continue: bool | None = None


class Part(msgspec.Struct, gc=False, rename="camel"):
    """A piece of the answer; of what is neither text nor a call only the signature is read.

    Attributes:
        text: may be empty beside a signature.
        thought: the text is a thought.
        thought_signature: base64, kept as it came.
        function_call: whole.
    """

    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    function_call: FunctionCall | None = None


def is_plain(part: Part) -> bool:
    """Tell whether a part is text of the answer and nothing else."""
    return part.text is not None and not (
        part.thought or part.thought_signature or part.function_call is not None
    )


class Content(msgspec.Struct, gc=False):
    """What is said.

    Attributes:
        parts: absent when all tokens were spent on thinking.
    """

    parts: list[Part] | None = None


class Candidate(msgspec.Struct, gc=False, rename="camel"):
    """One of the answers; we ask for one.

    Attributes:
        content: what is new of it.
        finish_reason: with the last piece.
        finish_message: explains some reasons.
    """

    content: Content | None = None
    finish_reason: str | None = None
    finish_message: str | None = None


class PromptFeedback(msgspec.Struct, gc=False, rename="camel"):
    """What the filter says of the prompt.

    Attributes:
        block_reason: absent when it let the prompt pass.
        block_reason_message: explains it, rarely.
    """

    block_reason: str | None = None
    block_reason_message: str | None = None


class Chunk(msgspec.Struct, gc=False, rename="camel"):
    """One frame of a stream, or the whole body without one.

    Attributes:
        candidates: absent when the prompt was blocked.
        usage_metadata: in every frame, from the start of the answer; only the last is read.
        prompt_feedback: with the first frame.
        error: with status 200 too.
    """

    candidates: list[Candidate] | None = None
    usage_metadata: msgspec.Raw = NOTHING
    prompt_feedback: PromptFeedback | None = None
    error: msgspec.Raw = NOTHING


class _RawContent(msgspec.Struct, gc=False):
    """What is said, part by part as it came."""

    parts: list[msgspec.Raw] | None = None


class _RawCandidate(msgspec.Struct, gc=False):
    """One of the answers, as far as its parts."""

    content: _RawContent | None = None


class _RawChunk(msgspec.Struct, gc=False):
    """A frame, as far as its parts."""

    candidates: list[_RawCandidate]


decode = msgspec.json.Decoder(Chunk).decode
"""Decode a chunk; raises ValueError or, when it nests too deep, RecursionError."""

_decode_raw = msgspec.json.Decoder(_RawChunk).decode


def raw_part(frame: bytes, index: int) -> bytes:
    """Return the text of a part of the first answer, exactly as it came.

    Args:
        frame: was decoded before, and holds the part.
        index: of the part.
    """
    content = _decode_raw(frame).candidates[0].content
    assert content is not None
    assert content.parts is not None
    return bytes(content.parts[index])
