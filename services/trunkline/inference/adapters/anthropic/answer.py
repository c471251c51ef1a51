"""Put an answer together: which blocks are open, which calls are whole, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.anthropic.blocks import (
    CALL,
    OWN,
    REDACTED,
    TEXT,
    THINKING,
    OpenBlock,
    put_together,
)
from trunkline.inference.adapters.anthropic.citations import read_citation
from trunkline.inference.adapters.anthropic.events import (
    Block,
    Delta,
    decode_block,
)
from trunkline.inference.adapters.anthropic.messages import VENDOR
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.provenance import issuer_at
from trunkline.inference.arguments import is_object
from trunkline.inference.drafts import Drafts
from trunkline.inference.transcript import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALL_ID_CHARACTERS,
    MAX_PARTS,
    MAX_PROVIDER_PART_BYTES,
    MAX_PROVIDER_PART_TYPE_CHARACTERS,
    MAX_SIGNATURE_BYTES,
    MAX_TOOL_NAME_CHARACTERS,
)
from trunkline.inference.v1 import message_pb2, result_pb2

FinishReason: TypeAlias = result_pb2.FinishReason.ValueType

_STOP: Final = result_pb2.FINISH_REASON_STOP
_LENGTH: Final = result_pb2.FINISH_REASON_LENGTH
_TOOL_CALLS: Final = result_pb2.FINISH_REASON_TOOL_CALLS
_CONTENT_FILTER: Final = result_pb2.FINISH_REASON_CONTENT_FILTER

# `pause_turn` and `compaction` are no end that the contract knows.
_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    "max_tokens": _LENGTH,
    "model_context_window_exceeded": _LENGTH,
    "tool_use": _TOOL_CALLS,
    "refusal": _CONTENT_FILTER,
}

_TORN: Final = "A block of the provider's own could not be put together and was passed over."
_TOO_LARGE: Final = "A block of the provider's own is larger than a transcript holds."


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        thoughts: whether thoughts are wanted; else they are passed over. What proves them is
            told in any case.

    Attributes:
        raw: the provider's stop reason; empty until it came.
        stop_sequence: the one that was met; else empty.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_issuer",
        "_losses",
        "_numbered",
        "_target",
        "_thoughts",
        "_unsettled",
        "raw",
        "stop_sequence",
    )

    def __init__(self, target: Target, *, thoughts: bool) -> None:
        self.raw = ""
        self.stop_sequence = ""
        self._target = target
        self._thoughts = thoughts
        self._issuer = issuer_at(target, VENDOR)
        # By the provider's index.
        self._blocks: dict[int, OpenBlock] = {}
        self._numbered = 0
        self._calls = 0
        # Calls that have ended and of which the stop reason will tell whether they are whole.
        self._unsettled: list[OpenBlock] = []
        self._losses: list[result_pb2.Loss] = []

    @property
    def fragile(self) -> bool:
        """Whether a block is open in which nothing may be missing."""
        return bool(self._unsettled) or any(block.kind != TEXT for block in self._blocks.values())

    def begin(self, index: int, raw: msgspec.Raw, drafts: Drafts) -> None:
        """Begin a block, all of which may stand in it already.

        Args:
            index: the provider's.
            raw: the block as it came.
            drafts: takes what it says.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        if index in self._blocks:
            self.stop(index, drafts)
        self._settle(drafts)
        try:
            block = decode_block(raw)
        except (ValueError, RecursionError):
            raise broken(self._target, "has a block that cannot be read", bytes(raw)) from None
        match block.type:
            case "text":
                self._blocks[index] = opened = OpenBlock(TEXT)
                self._text(opened, block.text or "", drafts)
                for citation in block.citations or ():
                    self._cite(opened, citation, drafts)
            case "thinking":
                self._blocks[index] = opened = OpenBlock(THINKING)
                self._think(opened, block.thinking or "", drafts)
                self._sign(opened, block.signature or "", drafts)
            case "redacted_thinking":
                self._blocks[index] = opened = OpenBlock(REDACTED)
                self._sign(opened, block.data or "", drafts)
            case "tool_use":
                self._blocks[index] = opened = OpenBlock(CALL)
                self._call(opened, block, drafts)
            case _:
                # A copy: the raw value keeps alive the frame that it stands in.
                self._blocks[index] = OpenBlock(OWN, raw=raw.copy(), type=block.type)

    def add(self, index: int, delta: Delta, drafts: Drafts) -> None:
        """Take in more of a block.

        Some services begin a block of text or thought by saying something of it.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        if delta.text is not None:
            self._text(self._open(index, TEXT, drafts), delta.text, drafts)
        elif delta.thinking is not None:
            self._think(self._open(index, THINKING, drafts), delta.thinking, drafts)
        elif delta.signature is not None:
            self._sign(self._open(index, THINKING, drafts), delta.signature, drafts)
        elif delta.partial_json is not None:
            self._extend(index, delta.partial_json, drafts)
        elif delta.citation is not None:
            self._cite(self._open(index, TEXT, drafts), delta.citation, drafts)
        elif index in self._blocks:
            self._blocks[index].torn = True

    def stop(self, index: int, drafts: Drafts) -> bool:
        """End a block.

        Returns:
            False when there is none.
        """
        block = self._blocks.pop(index, None)
        if block is None:
            return False
        if block.kind == OWN:
            self._hand_over(index, block, drafts)
        elif block.kind == CALL:
            arguments = "".join(block.fragments)
            if arguments and is_object(arguments):
                drafts.tool_completed(block.number)
            else:
                # A call without arguments, or one that the token limit has cut.
                self._unsettled.append(block)
        return True

    def text_sink(self, index: int, drafts: Drafts) -> Callable[[str], None] | None:
        """Return what takes more text of a block, while it is one of text and has begun."""
        block = self._blocks.get(index)
        if block is None or block.kind != TEXT:
            return None
        return drafts.text_sink(block.number)

    def restart(self, drafts: Drafts) -> None:
        """Begin anew with the blocks, as when a provider's own fallback takes over a stream.

        What was said stands; calls that were not whole are taken back.
        """
        for block in [*self._unsettled, *self._blocks.values()]:
            if block.kind == CALL:
                drafts.tool_aborted(block.number)
                self._calls -= 1
        self._unsettled.clear()
        self._blocks.clear()
        self.raw = self.stop_sequence = ""

    def finish(self, drafts: Drafts) -> None:
        """Take in that the answer has ended: what was begun is whole now or never will be.

        Raises:
            ProviderFailed: a call cannot be read though the model was not cut short, or there
                is none and should be (BROKEN_STREAM).
        """
        for index in list(self._blocks):
            self.stop(index, drafts)
        cut_short = _REASONS.get(self.raw) not in (_STOP, _TOOL_CALLS)
        for block in self._unsettled:
            if cut_short:
                drafts.tool_aborted(block.number)
            elif not drafts.tool_completed(block.number):
                raise broken(self._target, "has a tool call whose arguments are no JSON object")
        self._unsettled.clear()
        if _REASONS.get(self.raw) == _TOOL_CALLS and not self._calls:
            raise broken(self._target, "ended with tool calls and has none")

    def ending(self, usage: result_pb2.Usage | None, losses: tuple[result_pb2.Loss, ...]) -> Ending:
        """Say how the answer ended."""
        reason = _REASONS.get(self.raw, result_pb2.FINISH_REASON_UNSPECIFIED)
        if self._calls and reason == _STOP:
            # Services that imitate the format say `end_turn` whatever was said.
            reason = _TOOL_CALLS
        return Ending(
            finish_reason=reason,
            raw=self.raw,
            stop_sequence=self.stop_sequence,
            usage=usage,
            losses=(*self._losses, *losses),
        )

    def _open(self, index: int, kind: str, drafts: Drafts) -> OpenBlock:
        """Return the block at an index, which begins now unless there is one of that kind."""
        block = self._blocks.get(index)
        if block is not None and block.kind == kind:
            return block
        if block is not None and block.kind not in (TEXT, THINKING):
            raise broken(self._target, "mixes blocks")
        self._settle(drafts)
        self._blocks[index] = block = OpenBlock(kind)
        return block

    def _number(self, block: OpenBlock) -> int:
        """Give a block its number when something of it is told first."""
        if block.number < 0:
            if self._numbered >= MAX_PARTS:
                raise broken(self._target, "has more parts than a message can hold")
            block.number = self._numbered
            self._numbered += 1
        return block.number

    def _settle(self, drafts: Drafts) -> None:
        """Take for whole the call without arguments that ended before another block began."""
        for block in list(self._unsettled):
            if not block.fragments:
                self._unsettled.remove(block)
                drafts.tool_completed(block.number)

    def _text(self, block: OpenBlock, text: str, drafts: Drafts) -> None:
        """Take in text."""
        if text:
            drafts.text(self._number(block), text)

    def _think(self, block: OpenBlock, thought: str, drafts: Drafts) -> None:
        """Take in a thought."""
        if thought and self._thoughts:
            drafts.reasoning(self._number(block), thought)

    def _sign(self, block: OpenBlock, value: str, drafts: Drafts) -> None:
        """Take in what proves a thought, or the thought itself when it is withheld."""
        if not value:
            return
        block.size += len(value.encode())
        if block.size > MAX_SIGNATURE_BYTES:
            raise broken(self._target, "has a signature that is too long")
        signature = message_pb2.Signature(value=value, issuer=self._issuer)
        drafts.signature(self._number(block), signature, redacted=block.kind == REDACTED)

    def _cite(self, block: OpenBlock, said: Any, drafts: Drafts) -> None:
        """Take in a source."""
        citation = read_citation(said)
        if citation is not None:
            drafts.citation(self._number(block), citation)

    def _call(self, block: OpenBlock, said: Block, drafts: Drafts) -> None:
        """Begin a call; some services name what it is called with at once."""
        name, call_id = said.name or "", said.id or ""
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        self._calls += 1
        drafts.tool_started(self._number(block), call_id, name)
        given = bytes(said.input).decode()
        # At the start of a stream it is empty, and what follows does not add to it.
        if given not in ("", "{}", "null", '""'):
            self._argue(block, given, drafts)

    def _extend(self, index: int, fragment: str, drafts: Drafts) -> None:
        """Take in more of the JSON text of a call or of an own block."""
        block = self._blocks.get(index)
        if block is None or block.kind not in (CALL, OWN):
            raise broken(self._target, "adds to a tool call that never began")
        if block.kind == CALL:
            self._argue(block, fragment, drafts)
        elif fragment:
            block.size += len(fragment.encode())
            if block.size <= MAX_PROVIDER_PART_BYTES:
                block.fragments.append(fragment)

    def _argue(self, block: OpenBlock, fragment: str, drafts: Drafts) -> None:
        """Take in more of a call's arguments."""
        if not fragment:
            return
        block.size += len(fragment) if fragment.isascii() else len(fragment.encode())
        if block.size > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        block.fragments.append(fragment)
        drafts.tool_arguments(block.number, fragment)

    def _hand_over(self, index: int, block: OpenBlock, drafts: Drafts) -> None:
        """Tell an own block, which is whole, or that it could not be carried."""
        whole = put_together(block)
        if whole is None:
            self._lose(index, _TORN)
        elif len(whole) > MAX_PROVIDER_PART_BYTES:
            self._lose(index, _TOO_LARGE)
        else:
            kind = block.type[:MAX_PROVIDER_PART_TYPE_CHARACTERS]
            drafts.provider_part(self._number(block), self._issuer, kind, whole.decode())

    def _lose(self, index: int, reason: str) -> None:
        """Note that a block of the answer could not be carried."""
        self._losses.append(
            result_pb2.Loss(
                path=f"answer.content[{index}]",
                action=result_pb2.Loss.ACTION_DROPPED,
                reason=reason,
            )
        )
