"""Put an answer together: which block is open, what is signed, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.google.chunks import FunctionCall, Part, raw_part
from trunkline.inference.adapters.provenance import issuer_at
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

VENDOR: Final = "google"
"""Whose signatures and blocks these are, as `Provenance.vendor` names it."""

_STOP: Final = result_pb2.FINISH_REASON_STOP
_LENGTH: Final = result_pb2.FINISH_REASON_LENGTH
_CONTENT_FILTER: Final = result_pb2.FINISH_REASON_CONTENT_FILTER

# https://ai.google.dev/api/generate-content#FinishReason; those that are failures of the
# attempt stand with the decoder.
_REASONS: Final[dict[str, FinishReason]] = {
    "STOP": _STOP,
    "MAX_TOKENS": _LENGTH,
    # The most that one request gives; we send no second one with its token.
    "CONTINUATION": _LENGTH,
    **dict.fromkeys(
        (
            "SAFETY",
            "RECITATION",
            "LANGUAGE",
            "BLOCKLIST",
            "PROHIBITED_CONTENT",
            "SPII",
            "IMAGE_SAFETY",
            "IMAGE_PROHIBITED_CONTENT",
            "IMAGE_RECITATION",
            "IMAGE_OTHER",
            "ESCALATION",
            "MODEL_ARMOR",
        ),
        _CONTENT_FILTER,
    ),
}

_TEXT: Final = "text"
_REASONING: Final = "reasoning"
_CALL: Final = "call"
_OWN: Final = "own"

# What may stand beside a part's content.
_MARKS: Final = frozenset({"thought", "thoughtSignature", "partMetadata", "mediaResolution"})

_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        thoughts: whether thoughts are wanted; else they are passed over, but for signatures.

    Attributes:
        raw: the provider's finish reason; empty until the answer has ended.
    """

    __slots__ = ("_block", "_called", "_issuer", "_kind", "_signed", "_target", "_thoughts", "raw")

    def __init__(self, target: Target, *, thoughts: bool) -> None:
        self.raw = ""
        self._target = target
        self._issuer = issuer_at(target, VENDOR)
        self._thoughts = thoughts
        self._kind = ""
        self._block = -1
        self._called = False
        # What is signed is whole: nothing may be added to it, nor another signature.
        self._signed = False

    @property
    def is_plain(self) -> bool:
        """Whether nothing but plain text is open."""
        return self._kind in ("", _TEXT)

    def add(self, part: Part, frame: bytes, index: int, drafts: Drafts) -> None:
        """Take in a part of the answer.

        Args:
            part: as decoded.
            frame: that holds it.
            index: of the part in its frame.
            drafts: takes what it says.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        signature = part.thought_signature or ""
        if part.function_call is not None:
            self._call(part.function_call, signature, drafts)
        elif part.text is None:
            self._add_own(raw_part(frame, index), signature, drafts)
        elif part.thought:
            self._say(_REASONING, part.text if self._thoughts else "", signature, drafts)
        else:
            self._say(_TEXT, part.text, signature, drafts)

    def text_sink(self, drafts: Drafts) -> Callable[[str], None] | None:
        """Return what takes plain text, while a block of text is open; else None."""
        if self._kind != _TEXT or self._signed:
            return None
        return drafts.text_sink(self._block)

    def ending(self, usage: result_pb2.Usage | None, losses: tuple[result_pb2.Loss, ...]) -> Ending:
        """Say how the answer ended."""
        reason = _REASONS.get(self.raw, result_pb2.FINISH_REASON_UNSPECIFIED)
        if self._called and reason == _STOP:
            # The provider has no word of its own for calls.
            reason = result_pb2.FINISH_REASON_TOOL_CALLS
        return Ending(finish_reason=reason, raw=self.raw, usage=usage, losses=losses)

    def _begin(self, kind: str) -> None:
        """Begin a block."""
        self._kind = kind
        self._signed = False
        self._block += 1
        if self._block >= MAX_PARTS:
            raise broken(self._target, "has more parts than a message can hold")

    def _say(self, kind: str, text: str, signature: str, drafts: Drafts) -> None:
        """Take in text or thought, and the signature of what was said last."""
        if text:
            if self._kind != kind or self._signed:
                self._begin(kind)
            (drafts.text if kind == _TEXT else drafts.reasoning)(self._block, text)
        if signature:
            # A stream ends with a signature alone, which belongs to what came before.
            if self._kind not in (_TEXT, _REASONING) or self._signed:
                self._begin(_REASONING)
            self._sign(signature, drafts)

    def _call(self, call: FunctionCall, signature: str, drafts: Drafts) -> None:
        """Take in a tool call, which comes whole."""
        name, call_id = call.name or "", call.id or ""
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if call.will_continue:
            raise broken(self._target, "has a tool call in pieces, for which nobody asked")
        if len(call.args) > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        try:
            arguments = bytes(call.args).decode()
        except UnicodeDecodeError:
            raise broken(self._target, "has a tool call whose arguments are no text") from None
        if arguments == "null":
            arguments = ""
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        self._begin(_CALL)
        self._called = True
        drafts.tool_started(self._block, call_id, name)
        if signature:
            self._sign(signature, drafts)
        drafts.tool_arguments(self._block, arguments)
        if not drafts.tool_completed(self._block):
            raise broken(self._target, "has a tool call whose arguments are no JSON object")

    def _add_own(self, raw: bytes, signature: str, drafts: Drafts) -> None:
        """Take in a part that is neither text nor a call, with its signature in it."""
        try:
            text = raw.decode()
            kind = next((key for key in _fields(raw) if key not in _MARKS), "")
        except (ValueError, RecursionError):
            raise broken(self._target, "has a part that cannot be decoded", raw) from None
        if not kind:
            self._say(_TEXT, "", signature, drafts)
            return
        if len(raw) > MAX_PROVIDER_PART_BYTES:
            raise broken(self._target, "has a part that is too long")
        self._begin(_OWN)
        kind = kind[:MAX_PROVIDER_PART_TYPE_CHARACTERS]
        drafts.provider_part(self._block, self._issuer, kind, text)

    def _sign(self, signature: str, drafts: Drafts) -> None:
        """Take in the signature of the open block."""
        if len(signature) > MAX_SIGNATURE_BYTES:
            raise broken(self._target, "has a signature that is too long")
        self._signed = True
        proof = message_pb2.Signature(value=signature, issuer=self._issuer)
        drafts.signature(self._block, proof, redacted=False)
