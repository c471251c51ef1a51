"""Put an answer together: which blocks are open, which calls are whole, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.bedrock.errors import in_stream
from trunkline.inference.adapters.bedrock.events import (
    Delta,
    Thought,
    ToolUse,
    decode_block,
    decode_start,
    decode_text,
)
from trunkline.inference.adapters.bedrock.messages import VENDOR
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.provenance import issuer_at
from trunkline.inference.adapters.words import Words
from trunkline.inference.arguments import is_object
from trunkline.inference.drafts import Drafts
from trunkline.inference.transcript import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALL_ID_CHARACTERS,
    MAX_PARTS,
    MAX_SIGNATURE_BYTES,
    MAX_TOOL_NAME_CHARACTERS,
)
from trunkline.inference.v1 import message_pb2, result_pb2

FinishReason: TypeAlias = result_pb2.FinishReason.ValueType

_STOP: Final = result_pb2.FINISH_REASON_STOP
_LENGTH: Final = result_pb2.FINISH_REASON_LENGTH
_TOOL_CALLS: Final = result_pb2.FINISH_REASON_TOOL_CALLS
_CONTENT_FILTER: Final = result_pb2.FINISH_REASON_CONTENT_FILTER

_REASONS: Final[dict[str, FinishReason]] = {
    "end_turn": _STOP,
    "stop_sequence": _STOP,
    "max_tokens": _LENGTH,
    "model_context_window_exceeded": _LENGTH,
    "tool_use": _TOOL_CALLS,
    "content_filtered": _CONTENT_FILTER,
    "guardrail_intervened": _CONTENT_FILTER,
}

# Of an answer that came to nothing.
_FAILED: Final = frozenset({"malformed_model_output", "malformed_tool_use"})

_TEXT: Final = "text"
_THOUGHT: Final = "thought"
_CALL: Final = "call"
_OTHER: Final = "other"

_NOT_CARRIED: Final = "A block of a kind that a transcript does not hold was passed over."


@dataclass(slots=True)
class _Open:
    """A block that has not ended.

    Attributes:
        kind: `_TEXT`, `_THOUGHT`, `_CALL`, or `_OTHER` for what is passed over.
        number: ours; -1 as long as nothing of it was told.
        fragments: of a call's arguments.
        size: of the fragments, or of the signature, in bytes.
    """

    kind: str
    number: int = -1
    fragments: list[str] = field(default_factory=list)
    size: int = 0


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        names: what tools are called here, by what they are called there, where these differ.
        thoughts: whether thoughts are wanted; else they are passed over. What proves them is
            told in any case.

    Attributes:
        raw: the provider's stop reason; empty until it came.
    """

    __slots__ = (
        "_blocks",
        "_calls",
        "_issuer",
        "_losses",
        "_names",
        "_numbered",
        "_target",
        "_thoughts",
        "_unsettled",
        "raw",
    )

    def __init__(self, target: Target, names: Mapping[str, str], *, thoughts: bool) -> None:
        self.raw = ""
        self._target = target
        self._names = names
        self._thoughts = thoughts
        self._issuer = issuer_at(target, VENDOR)
        # By the provider's index.
        self._blocks: dict[int, _Open] = {}
        self._numbered = 0
        self._calls = 0
        # Calls that have ended and of which the stop reason will tell whether they are whole.
        self._unsettled: list[_Open] = []
        self._losses: list[result_pb2.Loss] = []

    @property
    def fragile(self) -> bool:
        """Whether a block is open in which nothing may be missing."""
        return bool(self._unsettled) or any(block.kind != _TEXT for block in self._blocks.values())

    def begin(self, index: int, raw: msgspec.Raw, drafts: Drafts) -> None:
        """Begin a block of a stream; one of text or thought may begin by what is said of it.

        Args:
            index: the provider's.
            raw: `start`, as it came.
            drafts: takes what it says.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        if index in self._blocks:
            self.stop(index, drafts)
        try:
            start = decode_start(raw) if bytes(raw) else None
        except (ValueError, RecursionError):
            raise broken(self._target, "has a block that cannot be read", bytes(raw)) from None
        if start is None or (start.tool_use is None and bytes(raw).strip() == b"{}"):
            return
        self._settle(drafts)
        if start.tool_use is None:
            self._blocks[index] = _Open(_OTHER)
            self._lose(index)
            return
        self._blocks[index] = opened = _Open(_CALL)
        self._call(opened, start.tool_use, drafts)

    def add(self, index: int, delta: Delta, drafts: Drafts) -> None:
        """Take in more of a block.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        if delta.text is not None:
            self._text(self._open(index, _TEXT, drafts), delta.text, drafts)
        elif delta.reasoning_content is not None:
            self._think(self._open(index, _THOUGHT, drafts), delta.reasoning_content, drafts)
        elif delta.tool_use is not None:
            self._extend(index, delta.tool_use, drafts)
        elif index not in self._blocks:
            self._settle(drafts)
            self._blocks[index] = _Open(_OTHER)
            self._lose(index)

    def take(self, index: int, raw: msgspec.Raw, drafts: Drafts) -> None:
        """Take in a block of a document, which is whole.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        try:
            block = decode_block(raw)
        except (ValueError, RecursionError):
            raise broken(self._target, "has a block that cannot be read", bytes(raw)) from None
        self._settle(drafts)
        cited = block.citations_content
        if block.text is not None:
            self._text(self._open(index, _TEXT, drafts), block.text, drafts)
        elif block.reasoning_content is not None:
            thought = block.reasoning_content.reasoning_text or Thought()
            thought.redacted_content = block.reasoning_content.redacted_content
            self._think(self._open(index, _THOUGHT, drafts), thought, drafts)
        elif block.tool_use is not None:
            self._blocks[index] = opened = _Open(_CALL)
            self._call(opened, block.tool_use, drafts)
            given = bytes(block.tool_use.input).decode()
            if given not in ("", "{}", "null"):
                self._argue(opened, given, drafts)
        elif cited is not None and cited.content:
            opened = self._open(index, _TEXT, drafts)
            for piece in cited.content:
                self._text(opened, piece.text or "", drafts)
        else:
            self._lose(index)
        self.stop(index, drafts)

    def stop(self, index: int, drafts: Drafts) -> bool:
        """End a block.

        Returns:
            False when there is none.
        """
        block = self._blocks.pop(index, None)
        if block is None:
            return False
        if block.kind == _CALL:
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
        if block is None or block.kind != _TEXT:
            return None
        return drafts.text_sink(block.number)

    def finish(self, drafts: Drafts) -> None:
        """Take in that the answer has ended: what was begun is whole now or never will be.

        Raises:
            ProviderFailed: a call cannot be read though the model was not cut short, or there
                is none and should be (BROKEN_STREAM); the model has failed (SERVER_ERROR).
        """
        if self.raw in _FAILED:
            raise in_stream(self._target, Words(codes=(self.raw,)), b"")
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
            # Models behind this format say `end_turn` whatever was said.
            reason = _TOOL_CALLS
        return Ending(
            finish_reason=reason,
            raw=self.raw,
            usage=usage,
            losses=(*self._losses, *losses),
        )

    def _open(self, index: int, kind: str, drafts: Drafts) -> _Open:
        """Return the block at an index, which begins now unless there is one of that kind."""
        block = self._blocks.get(index)
        if block is not None and block.kind in (kind, _OTHER):
            return block
        if block is not None and block.kind == _CALL:
            raise broken(self._target, "mixes blocks")
        self._settle(drafts)
        self._blocks[index] = block = _Open(kind)
        return block

    def _number(self, block: _Open) -> int:
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

    def _text(self, block: _Open, text: str, drafts: Drafts) -> None:
        """Take in text."""
        if text and block.kind == _TEXT:
            drafts.text(self._number(block), text)

    def _think(self, block: _Open, thought: Thought, drafts: Drafts) -> None:
        """Take in a thought, what proves it, or what stands for it when it is withheld."""
        if block.kind != _THOUGHT:
            return
        if thought.text and self._thoughts:
            drafts.reasoning(self._number(block), thought.text)
        self._sign(block, thought.signature or "", drafts, redacted=False)
        self._sign(block, thought.redacted_content or "", drafts, redacted=True)

    def _sign(self, block: _Open, value: str, drafts: Drafts, *, redacted: bool) -> None:
        """Take in what proves a thought."""
        if not value:
            return
        block.size += len(value.encode())
        if block.size > MAX_SIGNATURE_BYTES:
            raise broken(self._target, "has a signature that is too long")
        signature = message_pb2.Signature(value=value, issuer=self._issuer)
        drafts.signature(self._number(block), signature, redacted=redacted)

    def _call(self, block: _Open, said: ToolUse, drafts: Drafts) -> None:
        """Begin a call."""
        name, call_id = said.name or "", said.tool_use_id or ""
        name = self._names.get(name, name)
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        self._calls += 1
        drafts.tool_started(self._number(block), call_id, name)

    def _extend(self, index: int, said: ToolUse, drafts: Drafts) -> None:
        """Take in more of the JSON text of a call."""
        block = self._blocks.get(index)
        if block is not None and block.kind == _OTHER:
            return
        if block is None or block.kind != _CALL:
            raise broken(self._target, "adds to a tool call that never began")
        if not bytes(said.input):
            return
        try:
            fragment = decode_text(said.input)
        except (ValueError, RecursionError):
            raise broken(self._target, "has a tool call whose arguments are no text") from None
        self._argue(block, fragment, drafts)

    def _argue(self, block: _Open, fragment: str, drafts: Drafts) -> None:
        """Take in more of a call's arguments."""
        if not fragment:
            return
        block.size += len(fragment) if fragment.isascii() else len(fragment.encode())
        if block.size > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        block.fragments.append(fragment)
        drafts.tool_arguments(block.number, fragment)

    def _lose(self, index: int) -> None:
        """Note that a block of the answer is not carried."""
        self._losses.append(
            result_pb2.Loss(
                path=f"answer.content[{index}]",
                action=result_pb2.Loss.ACTION_DROPPED,
                reason=_NOT_CARRIED,
            )
        )
