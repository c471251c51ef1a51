"""Translate a transcript into turns.

Source: https://ai.google.dev/api/generate-content, `contents` and `systemInstruction`. A turn
with calls must be followed by a turn with as many results, and the first turn is the user's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.google.answer import VENDOR
from trunkline.inference.adapters.google.families import Family
from trunkline.inference.adapters.google.parts import (
    OTHERS_SIGNATURE,
    call_part,
    drop_marks,
    media_parts,
    result_part,
    unanswered_part,
)
from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.pairing import Pairing
from trunkline.inference.adapters.partial import GO_ON, NO_PREFILL
from trunkline.inference.adapters.provenance import is_issuer
from trunkline.inference.adapters.values import Json
from trunkline.inference.arguments import is_object
from trunkline.inference.v1 import message_pb2

NO_SIGNATURE: Final = "c2tpcF90aG91Z2h0X3NpZ25hdHVyZV92YWxpZGF0b3I="
"""Stands for the signature of a call that has none, such as another vendor's.

Base64 of the words that https://ai.google.dev/gemini-api/docs/thought-signatures gives."""

_NOTHING_SAID: Final = "."

_LATE_SYSTEM: Final = "Gemini takes instructions at the start; it is sent in a turn of the user."
_STARTS_WITH_USER: Final = "The first turn must be the user's; one that says nothing is added."
_NO_REFUSALS: Final = "Gemini knows no refusals; it is sent as text."
_UNSIGNED: Final = "Gemini takes back only the thoughts that it has signed."
_FOREIGN_PART: Final = "The block belongs to another provider or model."

_USER: Final = "user"
_MODEL: Final = "model"
_RESULTS: Final = "results"


@dataclass(frozen=True, slots=True)
class Contents:
    """A transcript on the wire.

    Attributes:
        system: parts of the instructions.
        turns: at least one.
    """

    system: list[Json] = field(default_factory=list)
    turns: list[Json] = field(default_factory=list)


def translate(
    target: Target, family: Family, messages: list[message_pb2.Message], losses: Losses
) -> Contents:
    """Return a transcript as the format has it.

    Args:
        target: who is asked, since signatures go back to their issuer only.
        family: of its model.
        messages: a transcript that has passed its checks.
        losses: takes what is left out or carried in another form.
    """
    translation = _Translation(target, family, messages, losses)
    for index, message in enumerate(messages):
        translation.add(index, message)
    return translation.finish()


class _Translation:
    """One translation under way."""

    __slots__ = (
        "_called",
        "_contents",
        "_family",
        "_kind",
        "_losses",
        "_messages",
        "_pairing",
        "_target",
    )

    def __init__(
        self, target: Target, family: Family, messages: list[message_pb2.Message], losses: Losses
    ) -> None:
        self._target = target
        self._family = family
        self._messages = messages
        self._losses = losses
        self._contents = Contents()
        # Of the last turn: the user's, the model's, or one of results.
        self._kind = ""
        # The last turn, which is the model's, has a call: only the first needs a signature.
        self._called = False
        self._pairing = Pairing(messages, losses)

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        role = message.role
        if self._pairing.waits and role != message_pb2.ROLE_ASSISTANT:
            self._answer(index)
        match role:
            case message_pb2.ROLE_SYSTEM:
                self._system(index, message)
            case message_pb2.ROLE_USER:
                self._say(_USER, self._user_parts(index, message))
            case message_pb2.ROLE_ASSISTANT:
                if self._kind != _MODEL:
                    self._called = False
                places = (f"messages[{index}].content[{at}]" for at in count())
                parts = map(self._model_part, places, message.content[:])
                self._say(_MODEL, [part for part in parts if part is not None])

    def finish(self) -> Contents:
        """Return what came of it."""
        turns = self._contents.turns
        last = len(self._messages) - 1
        if self._pairing.waits:
            self._answer(last + 1)
        elif self._kind == _MODEL and not self._family.continues:
            self._losses.translated(f"messages[{last}]", NO_PREFILL)
            self._say(_USER, [{"text": GO_ON}])
        if not turns or turns[0]["role"] == _MODEL:
            self._losses.translated("messages[0]", _STARTS_WITH_USER)
            turns.insert(0, {"role": _USER, "parts": [{"text": _NOTHING_SAID}]})
        return self._contents

    def _say(self, kind: str, parts: Sequence[Json | msgspec.Raw]) -> None:
        """Add parts to the last turn, or in a turn of their own."""
        if not parts:
            return
        if kind == self._kind:
            self._contents.turns[-1]["parts"].extend(parts)
            return
        role = _MODEL if kind == _MODEL else _USER
        self._contents.turns.append({"role": role, "parts": list(parts)})
        self._kind = kind

    def _system(self, index: int, message: message_pb2.Message) -> None:
        """Translate instructions."""
        parts = self._user_parts(index, message)
        if not self._contents.turns:
            self._contents.system.extend(parts)
        elif parts:
            self._losses.translated(f"messages[{index}]", _LATE_SYSTEM)
            text = "\n\n".join(part["text"] for part in parts)
            self._say(_USER, [{"text": f"<system>\n{text}\n</system>"}])

    def _user_parts(self, index: int, message: message_pb2.Message) -> list[Json]:
        """Translate the parts of a message of the user or the system."""
        parts: list[Json] = []
        for position, part in enumerate(message.content[:]):
            if part.HasField("cache") or part.HasField("signature"):
                drop_marks(f"messages[{index}].content[{position}]", part, self._losses)
            if not part.HasField("text"):
                path = f"messages[{index}].content[{position}]"
                parts += media_parts(path, part, self._losses)
            elif part.text:
                parts.append({"text": part.text})
        return parts

    def _model_part(self, path: str, part: message_pb2.Part) -> Json | msgspec.Raw | None:
        """Translate a part of a message of the model; None when it has no place."""
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", CACHES_ITSELF)
        signature = self._signature(path, part)
        match part.WhichOneof("kind"):
            case "text" if part.text or signature:
                return _signed({"text": part.text}, signature)
            case "refusal" if part.refusal or signature:
                self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                return _signed({"text": part.refusal}, signature)
            case "tool_call":
                self._pairing.call(path, part.tool_call)
                if not signature and not self._called and self._family.signs_calls:
                    signature = NO_SIGNATURE
                self._called = True
                return _signed(call_part(path, part.tool_call, self._losses), signature)
            case "reasoning" if signature:
                text = part.reasoning.text
                # One without text was no thought, but a signature that came alone.
                return _signed({"text": text, "thought": True} if text else {"text": ""}, signature)
            case "reasoning" if part.reasoning.text or part.reasoning.redacted:
                self._losses.dropped(f"{path}.reasoning", _UNSIGNED)
            case "provider_part":
                own = part.provider_part
                if is_issuer(self._target, VENDOR, own.issuer) and is_object(own.data_json):
                    return msgspec.Raw(own.data_json.encode())
                self._losses.dropped(f"{path}.provider_part", _FOREIGN_PART)
        return None

    def _signature(self, path: str, part: message_pb2.Part) -> str:
        """Return a part's signature when the target issued it, else none."""
        if not part.HasField("signature"):
            return ""
        if is_issuer(self._target, VENDOR, part.signature.issuer):
            return part.signature.value
        self._losses.dropped(f"{path}.signature", OTHERS_SIGNATURE)
        return ""

    def _answer(self, index: int) -> None:
        """Let the results of the open calls follow, in the order of the calls.

        Args:
            index: of the message after the calls.
        """
        parts: list[Json] = []
        media: list[Json] = []
        for call, found in self._pairing.answer(index):
            if found is None:
                parts.append(unanswered_part(call))
                continue
            drop_marks(found.path, found.part, self._losses)
            answered = result_part(
                found.path, call, found.part.tool_result, self._family, self._losses
            )
            parts.append(answered.part)
            media += answered.media
        self._say(_RESULTS, parts)
        self._say(_USER, media)


def _signed(part: Json, signature: str) -> Json:
    """Return a part with its signature, if it has one."""
    if signature:
        part["thoughtSignature"] = signature
    return part
