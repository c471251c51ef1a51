"""What is read of an answer on the wire, and no more.

Source: https://platform.openai.com/docs/api-reference/responses-streaming. Types are loose where
another value must not make the rest of its event undecodable.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from trunkline.inference.adapters.values import Json

NOTHING: Final = msgspec.Raw()
"""Stands where a value did not come."""


class Event(msgspec.Struct, gc=False):
    """One event of a stream.

    Attributes:
        type: such as `response.output_text.delta`.
        output_index: which item; some services leave it out.
        content_index: which part of a message.
        summary_index: which part of the summary of a thought.
        delta: more of a part: text, or a fragment of JSON text.
        item: with `response.output_item.added` and `.done`, as it came.
        annotation: a source of a text.
        response: with the events that begin and end the answer, as it came.
    """

    type: str = ""
    output_index: int | None = None
    content_index: int | None = None
    summary_index: int | None = None
    delta: Any = None
    item: msgspec.Raw = NOTHING
    annotation: Any = None
    response: msgspec.Raw = NOTHING


class Part(msgspec.Struct, gc=False):
    """A part of a message, of a thought or of its summary.

    Attributes:
        type: such as `output_text`.
        text: of a text.
        refusal: the model's words when it declines.
        annotations: sources of a text.
    """

    type: str = ""
    text: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None


class Item(msgspec.Struct, gc=False):
    """An item of an answer: as it begins in a stream, or all of it.

    Attributes:
        type: such as `message`, `reasoning` or `function_call`.
        status: `incomplete` when the answer was cut short in it.
        content: of a message, or of a thought that is shown whole.
        summary: of a thought.
        encrypted_content: the thought itself, for its issuer only.
        call_id: of a call; what its result names.
        name: of the tool that is called.
        arguments: JSON text; a few services send the object itself.
    """

    type: str = ""
    status: str | None = None
    content: list[Part] | None = None
    summary: list[Part] | None = None
    encrypted_content: str | None = None
    call_id: str | None = None
    name: str | None = None
    arguments: str | Json | None = None


class Kind(msgspec.Struct, gc=False):
    """What an item is, whatever else it holds.

    Attributes:
        type: such as `web_search_call`.
    """

    type: str = ""


class Response(msgspec.Struct, gc=False):
    """An answer: as it ends in a stream, or all of it.

    Attributes:
        status: `completed`, `incomplete` or `failed`; others are no end.
        output: items, as they came.
        incomplete_details: why it was cut short.
        usage: what it took.
        error: why it failed.
        input_transformations: what the provider did to the question.
    """

    status: str | None = None
    output: list[msgspec.Raw] | None = None
    incomplete_details: Json | None = None
    usage: Json | None = None
    error: Any = None
    input_transformations: Any = None


decode = msgspec.json.Decoder(Event).decode
"""Decode an event; raises ValueError or, when it nests too deep, RecursionError."""

decode_item = msgspec.json.Decoder(Item).decode
"""Decode an item of a type that is known; raises as `decode`."""

decode_kind = msgspec.json.Decoder(Kind).decode
"""Decode what an item is; raises as `decode`."""

decode_response = msgspec.json.Decoder(Response).decode
"""Decode an answer; raises as `decode`."""
