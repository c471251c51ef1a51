"""What is read of an answer on the wire, and no more.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. Types are loose where
another value must not make the rest of its event undecodable.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trunkline.inference.adapters.values import Json

NOTHING: Final = msgspec.Raw()
"""Stands where a value did not come."""


class Delta(msgspec.Struct, gc=False):
    """More of a block, or how the answer ends.

    Attributes:
        text: of a block of text.
        thinking: of a thought.
        signature: of a thought, or more of it.
        partial_json: a fragment of JSON text: what a tool is called with.
        citation: a source of a block of text.
        stop_reason: how the answer ends.
        stop_sequence: the one that was met.
        type: such as `text_delta`.
    """

    text: str | None = None
    thinking: str | None = None
    signature: str | None = None
    partial_json: str | None = None
    citation: Any = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    type: str = ""


class Event(msgspec.Struct, gc=False):
    """One event of a stream.

    Attributes:
        type: such as `content_block_delta`.
        index: which block.
        delta: with `content_block_delta` and `message_delta`.
        content_block: with `content_block_start`, as it came.
        message: with `message_start`, as it came.
        usage: with `message_delta`.
        error: with `error`.
    """

    type: str = ""
    index: int | None = None
    delta: Delta | None = None
    content_block: msgspec.Raw = NOTHING
    message: msgspec.Raw = NOTHING
    usage: Json | None = None
    error: Any = None


class Block(msgspec.Struct, gc=False):
    """A block: as it begins in a stream, or all of it.

    Attributes:
        type: such as `text` or `tool_use`.
        text: of text.
        citations: of text.
        thinking: of a thought.
        signature: of a thought.
        data: of a thought that is withheld.
        id: of a tool call.
        name: of the tool that is called.
        input: what it is called with, as it came; empty at the start of a stream.
    """

    type: str
    text: str | None = None
    citations: list[Any] | None = None
    thinking: str | None = None
    signature: str | None = None
    data: str | None = None
    id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING


class Message(msgspec.Struct, gc=False):
    """An answer: as it begins in a stream, or all of it.

    Attributes:
        type: `message`, or `error`.
        content: blocks, as they came.
        stop_reason: how it ended.
        stop_sequence: the one that was met.
        usage: what it took.
        error: with status 200 too.
    """

    type: str = ""
    content: list[msgspec.Raw] | None = None
    stop_reason: str | None = None
    stop_sequence: str | None = None
    usage: Json | None = None
    error: Any = None


decode = msgspec.json.Decoder(Event).decode
"""Decode an event; raises ValueError or, when it nests too deep, RecursionError."""

decode_block = msgspec.json.Decoder(Block).decode
"""Decode a block; raises as `decode`."""

decode_message = msgspec.json.Decoder(Message).decode
"""Decode an answer; raises as `decode`."""

decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode
"""Take an object apart, its values as they came; raises as `decode`."""
