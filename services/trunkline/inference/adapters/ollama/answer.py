"""Put an answer together: which block is open, what was called, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.ollama.errors import not_answered
from trunkline.inference.adapters.ollama.lines import Call, Function, Message
from trunkline.inference.drafts import Drafts
from trunkline.inference.transcript import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALL_ID_CHARACTERS,
    MAX_PARTS,
    MAX_TOOL_NAME_CHARACTERS,
)
from trunkline.inference.v1 import result_pb2

FinishReason: TypeAlias = result_pb2.FinishReason.ValueType

_STOP: Final = result_pb2.FINISH_REASON_STOP
_TOOL_CALLS: Final = result_pb2.FINISH_REASON_TOOL_CALLS

_REASONS: Final[dict[str, FinishReason]] = {
    "": _STOP,  # older servers count and name no reason
    "stop": _STOP,
    "length": result_pb2.FINISH_REASON_LENGTH,
}

# The server moved the model in or out of memory and asked it nothing
# (https://docs.ollama.com/api/chat, an empty list of messages).
_NOT_ANSWERED: Final = frozenset({"load", "unload"})

_TEXT: Final = "text"
_REASONING: Final = "reasoning"
_CALL: Final = "call"

_decode_text = msgspec.json.Decoder(str).decode


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        thoughts: whether thoughts are wanted; else they are passed over.
    """

    __slots__ = ("_block", "_called", "_kind", "_raw", "_target", "_thoughts")

    def __init__(self, target: Target, *, thoughts: bool) -> None:
        self._target = target
        self._thoughts = thoughts
        self._kind = ""
        self._block = -1
        self._called = False
        self._raw = ""

    @property
    def calling(self) -> bool:
        """Whether the last thing said is a tool call, and another may have been on its way."""
        return self._kind == _CALL

    def add(self, message: Message, drafts: Drafts) -> None:
        """Take in a piece of the answer.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        if message.thinking and self._thoughts:
            if self._kind != _REASONING:
                self._begin(_REASONING)
            drafts.reasoning(self._block, message.thinking)
        if message.content:
            if self._kind != _TEXT:
                self._begin(_TEXT)
            drafts.text(self._block, message.content)
        for call in message.tool_calls or ():
            self._call(call, drafts)

    def text_sink(self, drafts: Drafts) -> Callable[[str], None] | None:
        """Return what takes plain text, while a block of text is open; else None."""
        return drafts.text_sink(self._block) if self._kind == _TEXT else None

    def finish(self, reason: str | None, *, counted: bool) -> None:
        """Take in why the answer ended.

        Args:
            reason: the server's word; absent with older ones.
            counted: the end tells how many tokens there are.

        Raises:
            ProviderFailed: there was no answer, the model was only loaded (SERVER_ERROR); or
                nothing shows that it came to its end (BROKEN_STREAM).
        """
        if not reason and not counted:
            # Every server has had one of the two; without both, somebody else made this end.
            raise broken(self._target, "ended without a reason")
        self._raw = reason or ""
        if self._raw in _NOT_ANSWERED and self._block < 0:
            raise not_answered(self._target, self._raw)

    def ending(self, usage: result_pb2.Usage | None, losses: tuple[result_pb2.Loss, ...]) -> Ending:
        """Say how the answer ended."""
        reason = _REASONS.get(self._raw, result_pb2.FINISH_REASON_UNSPECIFIED)
        if self._called and reason == _STOP:
            # Ollama says `stop` when it calls tools.
            reason = _TOOL_CALLS
        return Ending(finish_reason=reason, raw=self._raw, usage=usage, losses=losses)

    def _begin(self, kind: str) -> None:
        """Begin a block."""
        self._kind = kind
        self._block += 1
        if self._block >= MAX_PARTS:
            raise broken(self._target, "has more parts than a message can hold")

    def _call(self, call: Call, drafts: Drafts) -> None:
        """Take in a tool call."""
        function = call.function or Function()
        name, call_id = function.name or "", call.id or ""
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        arguments = self._arguments(function)
        self._begin(_CALL)
        self._called = True
        drafts.tool_started(self._block, call_id, name)
        drafts.tool_arguments(self._block, arguments)
        if not drafts.tool_completed(self._block):
            raise broken(self._target, "has a tool call whose arguments are no JSON object")

    def _arguments(self, function: Function) -> str:
        """Return the JSON text of a call's arguments, as it stands on the wire."""
        raw = bytes(function.arguments)
        if len(raw) > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        if raw == b"null":
            return ""
        try:
            # Some who imitate the format send the text of the object, as OpenAI does.
            return _decode_text(raw) if raw.startswith(b'"') else raw.decode()
        except ValueError:
            raise broken(self._target, "has a tool call whose arguments are no text") from None
