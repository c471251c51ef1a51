"""What is read of an answer on the wire, and no more.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html
and …/API_runtime_ConverseResponse.html. Every payload of a stream has a `p` too, which is padding.
Types are loose where another value must not make the rest of its event undecodable.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trunkline.inference.adapters.values import Json

NOTHING: Final = msgspec.Raw()
"""Stands where a value did not come."""


class Thought(msgspec.Struct, gc=False, rename="camel"):
    """More of a thought.

    Attributes:
        text: of it.
        signature: of it, or more of that.
        redacted_content: the thought itself when it is withheld, in base64.
    """

    text: str | None = None
    signature: str | None = None
    redacted_content: str | None = None


class ToolUse(msgspec.Struct, gc=False, rename="camel"):
    """A call of a tool, or more of what it is called with.

    Attributes:
        tool_use_id: of the call.
        name: of the tool.
        input: in a stream a fragment of JSON text; in a document the value itself.
    """

    tool_use_id: str | None = None
    name: str | None = None
    input: msgspec.Raw = NOTHING


class Delta(msgspec.Struct, gc=False, rename="camel"):
    """More of a block."""

    text: str | None = None
    reasoning_content: Thought | None = None
    tool_use: ToolUse | None = None


class Start(msgspec.Struct, gc=False, rename="camel"):
    """How a block begins; one of text or thought does without."""

    tool_use: ToolUse | None = None


class Event(msgspec.Struct, gc=False, rename="camel"):
    """The payload of one message of a stream, whatever its type.

    Attributes:
        content_block_index: which block.
        delta: with `contentBlockDelta`.
        start: with `contentBlockStart`, as it came.
        stop_reason: with `messageStop`.
        usage: with `metadata`.
    """

    content_block_index: int = 0
    delta: Delta | None = None
    start: msgspec.Raw = NOTHING
    stop_reason: str | None = None
    usage: Json | None = None


class WholeThought(msgspec.Struct, gc=False, rename="camel"):
    """A thought in a document, which nests deeper than in a stream."""

    reasoning_text: Thought | None = None
    redacted_content: str | None = None


class Cited(msgspec.Struct, gc=False):
    """Text that leans on documents."""

    content: list[Delta] | None = None


class Block(msgspec.Struct, gc=False, rename="camel"):
    """A block of a document."""

    text: str | None = None
    reasoning_content: WholeThought | None = None
    tool_use: ToolUse | None = None
    citations_content: Cited | None = None


class Message(msgspec.Struct, gc=False):
    """What a document says."""

    content: list[msgspec.Raw] | None = None


class Output(msgspec.Struct, gc=False):
    """Where it says it."""

    message: Message | None = None


class Document(msgspec.Struct, gc=False, rename="camel"):
    """An answer in one piece.

    Attributes:
        output: what was said.
        stop_reason: how it ended.
        usage: what it took; anything may stand there.
    """

    output: Output | None = None
    stop_reason: str | None = None
    usage: Any = None


decode = msgspec.json.Decoder(Event).decode
"""Decode an event; raises ValueError or, when it nests too deep, RecursionError."""

decode_start = msgspec.json.Decoder(Start | None).decode
"""Decode how a block begins, where anything is said of it; raises as `decode`."""

decode_block = msgspec.json.Decoder(Block).decode
"""Decode a block of a document; raises as `decode`."""

decode_document = msgspec.json.Decoder(Document).decode
"""Decode a document; raises as `decode`."""

decode_text = msgspec.json.Decoder(str).decode
"""Decode a fragment of JSON text; raises as `decode`."""
