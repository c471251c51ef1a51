"""Translate a transcript into the messages and the system prompt of Converse.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Message.html. The user
speaks first, and the results of tools follow their calls at once.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.bedrock.families import MESSAGES, SYSTEM, Family
from trunkline.inference.adapters.bedrock.marks import Marks, is_mark
from trunkline.inference.adapters.bedrock.parts import (
    NO_WORDS,
    DocumentNames,
    text_block,
    translate_part,
)
from trunkline.inference.adapters.bedrock.results import Results
from trunkline.inference.adapters.call_ids import CallIds
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.pairing import Pairing
from trunkline.inference.adapters.partial import GO_ON, NO_BLANK_END, NO_PREFILL
from trunkline.inference.adapters.provenance import is_issuer
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

VENDOR: Final = "bedrock"
"""Whose signatures these are."""

USER: Final = "user"
ASSISTANT: Final = "assistant"

_LATER_SYSTEM: Final = "The provider takes instructions at the start only; the user says it."
_NO_REFUSALS: Final = "The provider knows no refusals; it is sent as text."
_NO_SIGNATURES: Final = "The provider signs thoughts only."
_OTHERS_THOUGHTS: Final = "Thoughts go back only to the model and account that signed them."
_OTHERS_PARTS: Final = "The block belongs to somebody else."
_NO_MARK: Final = "The provider takes no cache mark here."
_NOTHING_SAID: Final = "Nothing of the message can be sent; a full stop stands in its place."
_USER_FIRST: Final = "The provider wants the user to speak first; a full stop is sent."
_NO_LONE_DOCUMENT: Final = "The provider wants a text beside a document; a full stop is sent."
_ALONE: Final = "The model wants the results of tools alone; a full stop of it stands between."


@dataclass(frozen=True, slots=True)
class Conversation:
    """A transcript as the format has it.

    Attributes:
        system: blocks of the system prompt.
        messages: who speaks and what; none is empty.
        prefilled: the last one is the model's, to be continued.
        called: names of the tools that were called, each once.
    """

    system: list[Json] = field(default_factory=list)
    messages: list[Json] = field(default_factory=list)
    prefilled: bool = False
    called: list[str] = field(default_factory=list)


def translate(
    messages: list[message_pb2.Message],
    target: Target,
    family: Family,
    marks: Marks,
    losses: Losses,
) -> Conversation:
    """Translate a transcript.

    Args:
        messages: a transcript that has passed its checks.
        target: who is asked; gets back what it issued.
        family: of the model.
        marks: takes the cache marks.
        losses: takes what is left out or carried in another form.
    """
    translation = _Translation(messages, target, family, marks, losses)
    for index, message in enumerate(messages):
        translation.add(index, message)
    return translation.finish()


def lacks_thoughts(messages: list[Json]) -> bool:
    """Tell whether the tools that are being used were called without a thought that is sent.

    A model that thinks by a number of tokens wants the thoughts back with which it began to use
    tools (https://github.com/spring-projects/spring-ai/issues/6413).

    Args:
        messages: as `Conversation.messages` has them.
    """
    *earlier, last = messages
    if last["role"] != USER or not _has(last, "toolResult"):
        return False
    for message in reversed(earlier):
        if message["role"] == ASSISTANT:
            if _has(message, "reasoningContent"):
                return False
        elif not _has(message, "toolResult"):
            break
    return True


class _Translation:
    """One translation under way."""

    __slots__ = (
        "_called",
        "_documents",
        "_family",
        "_has_results",
        "_ids",
        "_last",
        "_losses",
        "_marks",
        "_messages",
        "_pairing",
        "_results",
        "_system",
        "_target",
    )

    def __init__(
        self,
        messages: list[message_pb2.Message],
        target: Target,
        family: Family,
        marks: Marks,
        losses: Losses,
    ) -> None:
        self._target = target
        self._family = family
        self._marks = marks
        self._losses = losses
        self._ids = CallIds(family.ids)
        self._pairing = Pairing(messages, losses)
        self._results = Results(family, marks, losses)
        self._system: list[Json] = []
        self._messages: list[Json] = []
        self._called: dict[str, None] = {}
        # The last message has results of tools.
        self._has_results = False
        self._documents = DocumentNames()
        self._last = len(messages) - 1

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        path = f"messages[{index}]"
        if self._pairing.waits and message.role != message_pb2.ROLE_ASSISTANT:
            self._answer(index)
        match message.role:
            case message_pb2.ROLE_SYSTEM:
                self._instruct(path, message)
            case message_pb2.ROLE_USER:
                self._ask(path, message)
            case message_pb2.ROLE_ASSISTANT:
                blocks: list[Any] = []
                for position, part in enumerate(message.content[:]):
                    self._say(blocks, f"{path}.content[{position}]", part)
                self._speak(ASSISTANT, path, blocks)

    def finish(self) -> Conversation:
        """Return what came of it."""
        messages = self._messages
        path = f"messages[{self._last}]"
        prefilled = False
        if self._pairing.waits:
            self._answer(self._last + 1)
        elif messages and messages[-1]["role"] == ASSISTANT:
            prefilled = self._prefill(path)
        if not messages or messages[0]["role"] != USER:
            self._losses.translated("messages[0]", _USER_FIRST)
            messages.insert(0, {"role": USER, "content": [{"text": NO_WORDS}]})
        return Conversation(self._system, messages, prefilled, list(self._called))

    def _speak(self, role: str, path: str, blocks: list[Any]) -> None:
        """Add blocks to the last message when its side speaks on, else in a message of their own.

        The provider would put neighbours of one side together itself, by rules of its own.
        """
        if not blocks:
            return
        if self._has_results and role == USER and self._must_part(blocks):
            self._losses.translated(path, _ALONE)
            self._messages.append({"role": ASSISTANT, "content": [{"text": NO_WORDS}]})
        self._has_results = False
        if self._messages and self._messages[-1]["role"] == role:
            self._messages[-1]["content"].extend(blocks)
        else:
            self._messages.append({"role": role, "content": blocks})

    def _must_part(self, blocks: list[Any]) -> bool:
        """Tell whether what the user says may not stand beside the results of tools."""
        family = self._family
        return family.alone or (
            not family.documents_beside_results and any("document" in each for each in blocks)
        )

    def _ask(self, path: str, message: message_pb2.Message) -> None:
        """Translate what the user says."""
        blocks: list[Any] = []
        for position, part in enumerate(message.content[:]):
            where = f"{path}.content[{position}]"
            block = translate_part(where, part, self._documents, self._losses)
            self._put(blocks, where, part, block)
        if not any(not is_mark(block) for block in blocks):
            if not self._has_results:
                self._losses.translated(path, _NOTHING_SAID)
                blocks = [{"text": NO_WORDS}]
        elif any("document" in block for block in blocks) and not any(
            "text" in block for block in blocks
        ):
            self._losses.translated(path, _NO_LONE_DOCUMENT)
            blocks.insert(0, {"text": NO_WORDS})
        self._speak(USER, path, blocks)

    def _instruct(self, path: str, message: message_pb2.Message) -> None:
        """Translate instructions: at the start the system prompt, later words of the user."""
        is_late = bool(self._messages)
        blocks: list[Any] = [] if is_late else self._system
        if is_late:
            self._losses.translated(path, _LATER_SYSTEM)
        for position, part in enumerate(message.content[:]):
            where = f"{path}.content[{position}]"
            block = text_block(where, part.text, self._losses)
            if block is not None and is_late:
                block["text"] = f"<system>\n{part.text}\n</system>"
            self._put(blocks, where, part, block, MESSAGES if is_late else SYSTEM)
        if is_late:
            self._speak(USER, path, blocks)

    def _say(self, blocks: list[Any], path: str, part: message_pb2.Part) -> None:
        """Translate a part of a message of the model."""
        match part.WhichOneof("kind"):
            case "reasoning":
                self._think(blocks, path, part)
            case "provider_part":
                if part.HasField("cache"):
                    self._losses.dropped(f"{path}.cache", _NO_MARK)
                self._losses.dropped(f"{path}.provider_part", _OTHERS_PARTS)
            case "tool_call":
                self._put(blocks, path, part, self._call(path, part.tool_call))
            case "refusal":
                self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                self._put(blocks, path, part, text_block(path, part.refusal, self._losses))
            case _:
                self._put(blocks, path, part, text_block(path, part.text, self._losses))

    def _think(self, blocks: list[Any], path: str, part: message_pb2.Part) -> None:
        """Give a thought back to the model that signed it."""
        signature = part.signature
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", _NO_MARK)
        if not signature.value or not is_issuer(self._target, VENDOR, signature.issuer):
            if part.HasField("signature"):
                self._losses.dropped(f"{path}.signature", _OTHERS_THOUGHTS)
            self._losses.dropped(f"{path}.reasoning", _OTHERS_THOUGHTS)
        elif part.reasoning.redacted:
            blocks.append({"reasoningContent": {"redactedContent": signature.value}})
        else:
            # The text must be there, though it may be empty
            # (https://github.com/strands-agents/harness-sdk/pull/2704).
            text = {"text": part.reasoning.text, "signature": signature.value}
            blocks.append({"reasoningContent": {"reasoningText": text}})

    def _call(self, path: str, call: message_pb2.ToolCall) -> Json:
        """Translate a call; its arguments stay the text that they are."""
        names = self._family.names
        name = names.wire(call.name)
        if name != call.name:
            self._losses.translated(f"{path}.tool_call.name", names.reason)
        self._called.setdefault(name)
        self._pairing.call(path, call)
        arguments = msgspec.Raw((call.arguments or "{}").encode())
        return {"toolUse": {"toolUseId": self._ids.wire(call.id), "name": name, "input": arguments}}

    def _answer(self, index: int) -> None:
        """Let the results of the open calls follow, in the order of the calls.

        Args:
            index: of the message after the calls.
        """
        blocks: list[Any] = []
        after: list[Json] = []
        for call, found in self._pairing.answer(index):
            after += self._results.add(
                blocks, self._ids.wire(call.id), call.id, found, self._documents
            )
        path = f"messages[{min(index, self._last)}]"
        self._speak(USER, path, blocks)
        self._has_results = True
        if after:
            self._speak(USER, path, after)
            self._has_results = self._messages[-1]["content"] is not after

    def _put(
        self,
        blocks: list[Any],
        path: str,
        part: message_pb2.Part,
        block: Json | None,
        area: str = MESSAGES,
    ) -> None:
        """Append a block with its mark, unless there is none."""
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)
        if block is not None:
            blocks.append(block)
        if not part.HasField("cache"):
            return
        if block is None:
            self._losses.dropped(f"{path}.cache", _NO_MARK)
        else:
            self._marks.put(blocks, area, path, part.cache)

    def _prefill(self, path: str) -> bool:
        """Have the model go on with what it said last.

        Args:
            path: of the last message.

        Returns:
            Whether it is a text that the model continues; else it is asked in words.
        """
        claude = self._family.claude
        blocks = self._messages[-1]["content"]
        last: Json = next((block for block in reversed(blocks) if not is_mark(block)), {})
        if claude is None or not claude.prefill or "text" not in last:
            self._losses.translated(path, NO_PREFILL)
            self._speak(USER, path, [{"text": GO_ON}])
            return False
        text: str = last["text"]
        last["text"] = text.rstrip()
        if last["text"] != text:
            self._losses.translated(path, NO_BLANK_END)
        return True


def _has(message: Json, kind: str) -> bool:
    """Tell whether a message has a block of a kind."""
    return any(kind in block for block in message["content"])
