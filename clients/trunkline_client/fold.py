"""The message that a run's events are, so far. The rule stands at the head of `event.proto`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from trunkline.inference.v1 import event_pb2, message_pb2

_Content: TypeAlias = (
    event_pb2.TextDelta
    | event_pb2.ReasoningDelta
    | event_pb2.ReasoningSignature
    | event_pb2.ProviderPartDelta
    | event_pb2.CitationAdded
    | event_pb2.ToolCallStarted
    | event_pb2.ToolCallDelta
    | event_pb2.ToolCallCompleted
    | event_pb2.ToolCallAborted
)

CONTENT: Final = frozenset(
    {
        "text_delta",
        "reasoning_delta",
        "reasoning_signature",
        "provider_part_delta",
        "citation_added",
        "tool_call_started",
        "tool_call_delta",
        "tool_call_completed",
        "tool_call_aborted",
    }
)
"""The kinds that fill a block of the message."""


@dataclass(frozen=True, slots=True)
class _Living:
    """A content event that is not void.

    Attributes:
        sequence: of the event.
        content: what it says.
    """

    sequence: int
    content: _Content


class Fold:
    """The message so far; feed it every event of a run in order."""

    __slots__ = ("_blocks",)

    def __init__(self) -> None:
        self._blocks: dict[int, list[_Living]] = {}

    def feed(self, event: event_pb2.ChatEvent) -> None:
        """Take the next event.

        Raises:
            ValueError: a call is complete, and its arguments are not what was sent.
        """
        kind = event.WhichOneof("kind")
        if kind in CONTENT:
            content: _Content = getattr(event, kind)
            block = self._blocks.setdefault(content.block, [])
            block.append(_Living(event.sequence, content))
            if kind == "tool_call_completed":
                _check(block, event.tool_call_completed)
        elif kind == "continuation_started":
            self._void(event.continuation_started.void_from_sequence)
        elif kind == "turn_completed":
            self._blocks.clear()

    def message(self) -> message_pb2.Message:
        """Return the message of the blocks that count, in their order."""
        parts = (_part([each.content for each in block]) for block in self._in_order())
        return message_pb2.Message(
            role=message_pb2.ROLE_ASSISTANT, content=[part for part in parts if part is not None]
        )

    def text(self) -> str:
        """Return the text alone, refusals left out."""
        return "".join(
            each.content.text
            for block in self._in_order()
            for each in block
            if isinstance(each.content, event_pb2.TextDelta) and not each.content.refusal
        )

    def _in_order(self) -> Iterator[list[_Living]]:
        """Yield the blocks by their numbers."""
        return (self._blocks[number] for number in sorted(self._blocks))

    def _void(self, start: int) -> None:
        """Drop content from a sequence on; 0 drops nothing."""
        if not start:
            return
        kept = {
            number: [each for each in block if each.sequence < start]
            for number, block in self._blocks.items()
        }
        self._blocks = {number: block for number, block in kept.items() if block}


def _check(block: list[_Living], completed: event_pb2.ToolCallCompleted) -> None:
    """Check a call's arguments, unless its beginning was not read.

    Raises:
        ValueError: they are not what was sent.
    """
    if not completed.arguments_sha256 or not isinstance(
        block[0].content, event_pb2.ToolCallStarted
    ):
        return
    arguments = _arguments([each.content for each in block]).encode()
    if hashlib.sha256(arguments).digest() != completed.arguments_sha256:
        raise ValueError(f"the arguments of {completed.call_id} are not those that were sent")


def _part(contents: list[_Content]) -> message_pb2.Part | None:
    """Return a block as a part; None when it does not count."""
    part = message_pb2.Part()
    kinds = {type(each) for each in contents}
    if kinds & {event_pb2.ToolCallStarted, event_pb2.ToolCallAborted, event_pb2.ToolCallDelta}:
        started = next((e for e in contents if isinstance(e, event_pb2.ToolCallStarted)), None)
        if started is None or event_pb2.ToolCallCompleted not in kinds:
            return None
        part.tool_call.id, part.tool_call.name = started.call_id, started.name
        part.tool_call.arguments = _arguments(contents)
    elif event_pb2.ProviderPartDelta in kinds:
        own = [each for each in contents if isinstance(each, event_pb2.ProviderPartDelta)]
        if not any(each.last for each in own):
            return None
        part.provider_part.issuer.CopyFrom(own[0].issuer)
        part.provider_part.type = own[0].type
        part.provider_part.data_json = "".join(each.data_json for each in own)
    elif event_pb2.TextDelta in kinds or event_pb2.CitationAdded in kinds:
        spoken = [each for each in contents if isinstance(each, event_pb2.TextDelta)]
        text = "".join(each.text for each in spoken)
        if spoken and spoken[0].refusal:
            part.refusal = text
        else:
            part.text = text
    elif kinds & {event_pb2.ReasoningDelta, event_pb2.ReasoningSignature}:
        part.reasoning.text = "".join(
            each.text for each in contents if isinstance(each, event_pb2.ReasoningDelta)
        )
    else:
        return None
    proofs = [each for each in contents if isinstance(each, event_pb2.ReasoningSignature)]
    if proofs:
        part.signature.value = "".join(each.signature.value for each in proofs)
        part.signature.issuer.CopyFrom(proofs[0].signature.issuer)
        if part.HasField("reasoning"):
            part.reasoning.redacted = any(each.redacted for each in proofs)
    part.citations.extend(
        each.citation for each in contents if isinstance(each, event_pb2.CitationAdded)
    )
    return part


def _arguments(contents: list[_Content]) -> str:
    """Return a call's arguments, put together."""
    return "".join(each.arguments for each in contents if isinstance(each, event_pb2.ToolCallDelta))
