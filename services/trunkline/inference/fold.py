"""Fold the events of a run into the message that they are; the rule is event.proto's."""

from __future__ import annotations

from dataclasses import dataclass

import msgspec

from trunkline.inference.v1 import event_pb2, message_pb2


class _Block(msgspec.Struct):
    """One part of the message, as far as it has come.

    Attributes:
        kind: `text`, `refusal`, `reasoning`, `call` or `provider`; empty as long as only a
            signature has come, which is reasoning when nothing follows.
        begun: the sequence that began it.
        pieces: fragments of its text, with their sequences.
        opening: what its first event says beside text.
        whole: the sequence that completed it; 0: none did. Only calls and provider
            parts need to be completed to count.
        aborted: a call that was taken back.
        proofs: signatures, with their sequences; redacted is true of a withheld thought.
        citations: with their sequences.
    """

    kind: str
    begun: int
    pieces: list[tuple[int, str]] = msgspec.field(default_factory=list)
    opening: message_pb2.ToolCall | message_pb2.ProviderPart | None = None
    whole: int = 0
    aborted: bool = False
    proofs: list[tuple[int, message_pb2.Signature, bool]] = msgspec.field(default_factory=list)
    citations: list[tuple[int, message_pb2.Citation]] = msgspec.field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Delivered:
    """What of an answer readers have, when the attempt that gave it died.

    Attributes:
        first_sequence: of the first event of it.
        has_whole_call: a tool call among it is whole.
        has_text: text or words of a refusal are among it.
        text: all of it, where it is text alone, apart from calls that were aborted; else
            empty.
        text_block: where the text goes on.
        last_block: the highest number that is in use.
    """

    first_sequence: int
    has_whole_call: bool
    has_text: bool
    text: str
    text_block: int
    last_block: int


class Fold:
    """The message so far; feed it every event of a run in order.

    Attributes:
        size: characters of text that are kept.
        has_begun: something was said, in this turn or an earlier one, though it be void.
    """

    __slots__ = ("_blocks", "has_begun", "size")

    def __init__(self) -> None:
        self._blocks: dict[int, _Block] = {}
        self.size = 0
        self.has_begun = False

    def feed(self, event: event_pb2.ChatEvent) -> None:
        """Take the next event."""
        sequence = event.sequence
        match event.WhichOneof("kind"):
            case "text_delta":
                text = event.text_delta
                kind = "refusal" if text.refusal else "text"
                self._add(kind, text.block, sequence, text.text)
            case "reasoning_delta":
                thought = event.reasoning_delta
                self._add("reasoning", thought.block, sequence, thought.text)
            case "tool_call_delta":
                delta = event.tool_call_delta
                self._add("call", delta.block, sequence, delta.arguments)
            case "tool_call_started":
                started = event.tool_call_started
                self._block("call", started.block, sequence).opening = message_pb2.ToolCall(
                    id=started.call_id, name=started.name
                )
            case "tool_call_completed":
                self._blocks[event.tool_call_completed.block].whole = sequence
            case "tool_call_aborted":
                # The block stays, never to be whole: a late signature must not begin another.
                aborted = self._block("call", event.tool_call_aborted.block, sequence)
                self.size -= sum(len(text) for _, text in aborted.pieces)
                aborted.pieces.clear()
                aborted.aborted = True
            case "reasoning_signature":
                proof = event.reasoning_signature
                block = self._block("", proof.block, sequence)
                block.proofs.append((sequence, proof.signature, proof.redacted))
            case "provider_part_delta":
                self._add_provider_part(event.provider_part_delta, sequence)
            case "citation_added":
                cited = event.citation_added
                block = self._block("text", cited.block, sequence)
                block.citations.append((sequence, cited.citation))
            case "continuation_started":
                self._void(event.continuation_started.void_from_sequence)
            case "turn_completed":
                self._blocks.clear()
                self.size = 0

    def delivered(self) -> Delivered | None:
        """Return what readers have of the answer; None: nothing of it."""
        if not self._blocks:
            return None
        counted = {
            number: block
            for number, block in self._blocks.items()
            if block.kind != "call" or block.whole
        }
        texts = sorted(counted) if all(block.kind == "text" for block in counted.values()) else []
        return Delivered(
            first_sequence=min(block.begun for block in self._blocks.values()),
            has_whole_call=any(block.kind == "call" for block in counted.values()),
            has_text=any(block.kind in ("text", "refusal") for block in counted.values()),
            text="".join(text for number in texts for _, text in self._blocks[number].pieces),
            text_block=texts[-1] if texts else 0,
            last_block=max(self._blocks),
        )

    def open_calls(self) -> list[tuple[int, str]]:
        """Return block and id of calls that were begun, and neither whole nor aborted."""
        return [
            (number, block.opening.id)
            for number, block in sorted(self._blocks.items())
            if block.kind == "call"
            and not (block.whole or block.aborted)
            and isinstance(block.opening, message_pb2.ToolCall)
        ]

    def message(self) -> message_pb2.Message:
        """Return the message of the blocks that count, in their order."""
        parts = (_part(self._blocks[number]) for number in sorted(self._blocks))
        return message_pb2.Message(
            role=message_pb2.ROLE_ASSISTANT, content=[part for part in parts if part is not None]
        )

    def _block(self, kind: str, number: int, sequence: int) -> _Block:
        """Return a block, begun now unless it was."""
        block = self._blocks.get(number)
        if block is None:
            block = self._blocks[number] = _Block(kind, sequence)
            self.has_begun = True
        elif not block.kind:
            block.kind = kind
        return block

    def _add(self, kind: str, number: int, sequence: int, text: str) -> None:
        """Append a fragment to a block."""
        self._block(kind, number, sequence).pieces.append((sequence, text))
        self.size += len(text)

    def _add_provider_part(self, delta: event_pb2.ProviderPartDelta, sequence: int) -> None:
        """Append a fragment of a provider's own block."""
        block = self._block("provider", delta.block, sequence)
        if delta.HasField("issuer"):
            block.opening = message_pb2.ProviderPart(issuer=delta.issuer, type=delta.type)
        block.pieces.append((sequence, delta.data_json))
        self.size += len(delta.data_json)
        if delta.last:
            block.whole = sequence

    def _void(self, start: int) -> None:
        """Drop content from a sequence on; 0 drops nothing."""
        if not start:
            return
        self._blocks = {
            number: block for number, block in self._blocks.items() if block.begun < start
        }
        for block in self._blocks.values():
            block.pieces = [piece for piece in block.pieces if piece[0] < start]
            block.proofs = [proof for proof in block.proofs if proof[0] < start]
            block.citations = [cited for cited in block.citations if cited[0] < start]
            block.whole = block.whole if block.whole < start else 0
        self.size = sum(len(text) for block in self._blocks.values() for _, text in block.pieces)


def _part(block: _Block) -> message_pb2.Part | None:
    """Return a block as a part; None when it does not count."""
    text = "".join(piece for _, piece in block.pieces)
    part = message_pb2.Part()
    match block.kind, block.opening:
        case "text", _:
            part.text = text
        case "refusal", _:
            part.refusal = text
        case "reasoning" | "", _:
            part.reasoning.text = text
            part.reasoning.redacted = any(redacted for _, _, redacted in block.proofs)
        case "call", message_pb2.ToolCall() as call if block.whole:
            part.tool_call.CopyFrom(call)
            part.tool_call.arguments = text
        case "provider", message_pb2.ProviderPart() as own if block.whole:
            part.provider_part.CopyFrom(own)
            part.provider_part.data_json = text
        case _:
            return None
    if block.proofs:
        part.signature.value = "".join(proof.value for _, proof, _ in block.proofs)
        part.signature.issuer.CopyFrom(block.proofs[0][1].issuer)
    part.citations.extend(citation for _, citation in block.citations)
    return part
