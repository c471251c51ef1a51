"""Translate a transcript into the messages and the system prompt of Anthropic Messages.

Source: https://platform.claude.com/docs/en/api/messages.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.anthropic.abilities import Abilities
from trunkline.inference.adapters.anthropic.marks import Marks
from trunkline.inference.adapters.anthropic.parts import text_block, translate_part
from trunkline.inference.adapters.anthropic.turns import (
    ASSISTANT,
    NO_WORDS,
    USER,
    Block,
    Turn,
    Turns,
    is_kind,
)
from trunkline.inference.adapters.call_ids import CallIds, IdForm
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.provenance import is_issuer
from trunkline.inference.adapters.results import SEE_BELOW, media_heading
from trunkline.inference.adapters.tool_names import PLAIN
from trunkline.inference.adapters.values import Json
from trunkline.inference.arguments import is_object
from trunkline.inference.v1 import message_pb2

VENDOR: Final = "anthropic"
"""Whose signatures and blocks these are."""

_TAIL: Final = 200

# No length is documented; this one is known to be taken.
_IDS: Final = IdForm(re.compile(r"[A-Za-z0-9_-]{1,64}"))

_LATER_SYSTEM: Final = "The provider takes instructions at the start only; the user says it."
_NO_REFUSALS: Final = "The provider knows no refusals; it is sent as text."
_NO_SIGNATURES: Final = "The provider signs thoughts only."
_OTHERS_THOUGHTS: Final = "Thoughts go back only to the model and account that signed them."
_OTHERS_PARTS: Final = "The block belongs to somebody else."
_NO_MARK: Final = "The provider takes no cache mark here."
_MARK_AROUND: Final = "The provider takes cache marks on whole results only; it is put there."
# https://github.com/vellum-ai/vellum-assistant/pull/18387
_FAILED_IN_TEXT: Final = (
    "The provider takes text only of a tool that failed; it follows the result."
)
_NO_PREFILL: Final = "The model takes no text to be continued; it is asked in words to go on."
_NO_BLANK_END: Final = "The provider takes no blanks at the end of a text to be continued."


@dataclass(frozen=True, slots=True)
class Conversation:
    """A transcript as the format has it.

    Attributes:
        system: blocks of the system prompt.
        turns: who speaks and what; none is empty.
        prefilled: the last one is the model's, to be continued.
        called: names of the tools that were called, each once.
    """

    system: list[Json]
    turns: list[tuple[str, list[Block]]]
    prefilled: bool
    called: list[str]


def translate(
    messages: list[message_pb2.Message],
    target: Target,
    abilities: Abilities,
    marks: Marks,
    losses: Losses,
) -> Conversation:
    """Translate a transcript.

    Args:
        messages: a transcript that has passed its checks.
        target: who is asked; gets back what it issued.
        abilities: of the model.
        marks: takes the cache marks.
        losses: takes what is left out or carried in another form.
    """
    translation = _Translation(target, marks, losses)
    for index, message in enumerate(messages):
        translation.add(f"messages[{index}]", message)
    turns = translation.finish()
    prefilled = False
    if turns[-1][0] == ASSISTANT:
        path = f"messages[{len(messages) - 1}]"
        prefilled = _prefill(turns, path, abilities, losses)
    return Conversation(translation.system, turns, prefilled, list(translation.called))


def written(turns: list[tuple[str, list[Block]]]) -> list[Json]:
    """Write turns as messages; a lone text is written as the string that it is."""
    messages: list[Json] = []
    for role, blocks in turns:
        content: Any = blocks
        match blocks:
            case [{"type": "text", "text": text, **more}] if not more:
                content = text
        messages.append({"role": role, "content": content})
    return messages


class _Translation:
    """One translation under way.

    Attributes:
        system: as `Conversation.system`.
        turns: what was said after it.
        called: names of tools, in the order of their first calls.
    """

    __slots__ = ("_ids", "_losses", "_marks", "_media", "_target", "called", "system", "turns")

    def __init__(self, target: Target, marks: Marks, losses: Losses) -> None:
        self._target = target
        self._marks = marks
        self._losses = losses
        self._ids = CallIds(_IDS)
        # Pictures and documents of results that cannot hold them; they wait for the others.
        self._media: list[Block] = []
        self.system: list[Json] = []
        self.turns = Turns(losses)
        self.called: dict[str, None] = {}

    def add(self, path: str, message: message_pb2.Message) -> None:
        """Translate one message."""
        if message.role != message_pb2.ROLE_TOOL:
            self._flush(path)
        match message.role:
            case message_pb2.ROLE_SYSTEM:
                self._instruct(path, message)
            case message_pb2.ROLE_ASSISTANT:
                turn = self.turns.speaker(ASSISTANT, path)
                for position, part in enumerate(message.content[:]):
                    self._say(turn, f"{path}.content[{position}]", part)
            case message_pb2.ROLE_TOOL:
                for position, part in enumerate(message.content[:]):
                    self._answer(f"{path}.content[{position}]", part)
            case _:
                turn = self.turns.speaker(USER, path)
                for position, part in enumerate(message.content[:]):
                    where = f"{path}.content[{position}]"
                    self._put(turn.blocks, where, part, translate_part(where, part, self._losses))

    def finish(self) -> list[tuple[str, list[Block]]]:
        """Return the turns, none of which is empty."""
        self._flush("")
        return self.turns.finish()

    def _flush(self, path: str) -> None:
        """Let the pictures and documents of failed results follow in the turn of the results."""
        if self._media:
            self.turns.speaker(USER, path).blocks.extend(self._media)
            self._media = []

    def _instruct(self, path: str, message: message_pb2.Message) -> None:
        """Translate instructions: at the start the system prompt, later words of the user."""
        if not self.turns.begun:
            for position, part in enumerate(message.content[:]):
                where = f"{path}.content[{position}]"
                self._put(self.system, where, part, text_block(where, part.text, self._losses))
            return
        self._losses.translated(path, _LATER_SYSTEM)
        turn = self.turns.speaker(USER, path)
        for position, part in enumerate(message.content[:]):
            where = f"{path}.content[{position}]"
            block = text_block(where, part.text, self._losses)
            if block is not None:
                block["text"] = f"<system>\n{part.text}\n</system>"
            self._put(turn.blocks, where, part, block)

    def _say(self, turn: Turn, path: str, part: message_pb2.Part) -> None:
        """Translate a part of a message of the model."""
        match part.WhichOneof("kind"):
            case "reasoning":
                self._think(turn, path, part)
            case "provider_part":
                self._give_back(turn, path, part)
            case "tool_call":
                self._put(turn.blocks, path, part, self._call(turn, path, part.tool_call))
            case "refusal":
                self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                block = text_block(path, part.refusal, self._losses)
                self._put(turn.blocks, path, part, block)
            case _:
                self._put(turn.blocks, path, part, text_block(path, part.text, self._losses))

    def _think(self, turn: Turn, path: str, part: message_pb2.Part) -> None:
        """Give a thought back to the model that signed it."""
        signature = part.signature
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", _NO_MARK)
        if not signature.value or not is_issuer(self._target, VENDOR, signature.issuer):
            if part.HasField("signature"):
                self._losses.dropped(f"{path}.signature", _OTHERS_THOUGHTS)
            self._losses.dropped(f"{path}.reasoning", _OTHERS_THOUGHTS)
        elif part.reasoning.redacted:
            turn.blocks.append({"type": "redacted_thinking", "data": signature.value})
        else:
            turn.blocks.append(
                {
                    "type": "thinking",
                    "thinking": part.reasoning.text,
                    "signature": signature.value,
                }
            )

    def _give_back(self, turn: Turn, path: str, part: message_pb2.Part) -> None:
        """Give a provider's own block back to it."""
        own = part.provider_part
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", _NO_MARK)
        # It goes out verbatim, so that anything but an object could write into the rest.
        if is_issuer(self._target, VENDOR, own.issuer) and is_object(own.data_json):
            turn.blocks.append(msgspec.Raw(own.data_json.encode()))
        else:
            self._losses.dropped(f"{path}.provider_part", _OTHERS_PARTS)

    def _call(self, turn: Turn, path: str, call: message_pb2.ToolCall) -> Json:
        """Translate a call; its arguments stay the text that they are."""
        name = PLAIN.wire(call.name)
        if name != call.name:
            self._losses.translated(f"{path}.tool_call.name", PLAIN.reason)
        call_id = self._ids.wire(call.id)
        turn.calls.append((call_id, f"{path}.tool_call"))
        self.called.setdefault(name)
        arguments = msgspec.Raw((call.arguments or "{}").encode())
        return {"type": "tool_use", "id": call_id, "name": name, "input": arguments}

    def _answer(self, path: str, part: message_pb2.Part) -> None:
        """Translate a result."""
        result = part.tool_result
        call_id = self._ids.wire(result.call_id)
        answer: Json = {"type": "tool_result", "tool_use_id": call_id}
        blocks: list[Block] = []
        media: list[Block] = []
        for inner, piece in enumerate(result.content[:]):
            where = f"{path}.tool_result.content[{inner}]"
            if piece.HasField("signature"):
                self._losses.dropped(f"{where}.signature", _NO_SIGNATURES)
            if piece.HasField("cache"):
                self._losses.translated(f"{where}.cache", _MARK_AROUND)
                self._marks.put(answer, where, piece.cache)
            block = translate_part(where, piece, self._losses)
            if block is None:
                continue
            if result.is_error and not piece.HasField("text"):
                self._losses.translated(f"{where}.{piece.WhichOneof('kind')}", _FAILED_IN_TEXT)
                media.append(block)
            else:
                blocks.append(block)
        if media:
            self._media += [{"type": "text", "text": media_heading(call_id)}, *media]
            blocks = blocks or [{"type": "text", "text": SEE_BELOW}]
        match blocks:
            case []:
                pass
            case [{"type": "text", "text": text}]:
                answer["content"] = text
            case _:
                answer["content"] = blocks
        if result.is_error:
            answer["is_error"] = True
        self._mark(answer, path, part)
        self.turns.answer(call_id, answer, f"{path}.tool_result")

    def _put(
        self, blocks: list[Any], path: str, part: message_pb2.Part, block: Json | None
    ) -> None:
        """Append a block with its marks, unless there is none."""
        if block is not None:
            blocks.append(block)
            self._mark(block, path, part)
            return
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", _NO_MARK)
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)

    def _mark(self, block: Json, path: str, part: message_pb2.Part) -> None:
        """Put the marks of a part on its block."""
        if part.HasField("cache"):
            self._marks.put(block, path, part.cache)
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)


def _prefill(
    turns: list[tuple[str, list[Block]]], path: str, abilities: Abilities, losses: Losses
) -> bool:
    """Have the model go on with what it said last.

    Args:
        turns: the last one is the model's.
        path: of the last message.
        abilities: of the model.
        losses: takes what is carried in another form.

    Returns:
        Whether it is a text that the model continues; else it is asked in words.
    """
    last = turns[-1][1][-1]
    if not isinstance(last, dict) or not is_kind(last, "text"):
        losses.translated(path, _NO_PREFILL)
        turns.append((USER, [{"type": "text", "text": NO_WORDS}]))
        return False
    text: str = last["text"]
    if not abilities.prefill:
        losses.translated(path, _NO_PREFILL)
        asked = (
            f"Your answer broke off after: «{text[-_TAIL:]}». Go on exactly from there,"
            " and repeat nothing."
        )
        turns.append((USER, [{"type": "text", "text": asked}]))
        return False
    last["text"] = text.rstrip()
    if last["text"] != text:
        losses.translated(path, _NO_BLANK_END)
    return True
