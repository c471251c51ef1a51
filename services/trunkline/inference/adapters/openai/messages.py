"""Translate a transcript into the messages of Chat Completions.

Source: https://platform.openai.com/docs/api-reference/chat/create, `messages`. Where services
that imitate it take less, the form is taken that all of them take: a text is a string and not
a list of one part, and a key without a value is left out instead of being null.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from trunkline.inference.adapters.call_ids import CallIds
from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.media import data_url
from trunkline.inference.adapters.openai.openings import BEGIN, END
from trunkline.inference.adapters.openai.order import alternate, close_results
from trunkline.inference.adapters.openai.service import Service, Thoughts
from trunkline.inference.adapters.pairing import NO_RESULT, Pairing
from trunkline.inference.adapters.partial import (
    BEFORE_CALLS,
    BETWEEN_MESSAGES,
    GO_ON,
    NO_BLANK_END,
    NO_PREFILL,
)
from trunkline.inference.adapters.results import media_heading, result_text
from trunkline.inference.adapters.tool_names import PLAIN
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

# In the place of a thought, where none may be missing.
_NO_THOUGHT: Final = " "

_NO_SIGNATURES: Final = "Chat Completions carries no signatures."
_NO_THOUGHTS: Final = "The service takes no thoughts back."
_NO_FOREIGN_PARTS: Final = "The block belongs to another format."
_NO_ADDRESSES: Final = "Chat Completions takes documents by value only."
_NO_DOCUMENTS: Final = "The provider takes no documents in Chat Completions."
_NO_REFUSALS: Final = "The provider knows no refusals; it is sent as text."
_NO_MEDIA: Final = "Tool results are text; it follows in a message of the user."


def translate(
    messages: Sequence[message_pb2.Message], losses: Losses, service: Service
) -> list[Json]:
    """Return the messages as the format has them.

    Args:
        messages: a transcript that has passed its checks.
        losses: takes what is left out or carried in another form.
        service: whose messages they become.
    """
    translation = _Translation(messages, losses, service)
    for index, message in enumerate(messages):
        translation.add(index, message)
    said = translation.finish(len(messages))
    if service.alternates:
        return alternate(said, losses)
    return close_results(said, losses) if service.closes_results else said


def text_to_continue(messages: Sequence[message_pb2.Message], service: Service) -> str:
    """Return the text that the model is to go on from, as it is sent; "" when there is none.

    Args:
        messages: a transcript that has passed its checks.
        service: that was asked.
    """
    if messages[-1].role != message_pb2.ROLE_ASSISTANT:
        return ""
    said = translate(messages, Losses(), service)
    last = said[-1] if said else {}
    text = last.get("content")
    return text if last.get("role") == "assistant" and isinstance(text, str) else ""


@dataclass(slots=True)
class _Turn:
    """What the model says until somebody else speaks: one message, whoever asks for them.

    Attributes:
        path: of its last message.
        texts: one of each message.
        refusals: likewise.
        thoughts: with the path of each.
        calls: of tools.
    """

    path: str
    texts: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    thoughts: list[tuple[str, str]] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)


class _Translation:
    """One translation under way.

    All results of a turn must come right after its calls and before anything else is said, so
    that pictures of results wait until the results are through.
    """

    __slots__ = ("_ids", "_losses", "_media", "_messages", "_pairing", "_service", "_turn")

    def __init__(
        self, messages: Sequence[message_pb2.Message], losses: Losses, service: Service
    ) -> None:
        self._losses = losses
        self._service = service
        self._messages: list[Json] = []
        self._media: list[Json] = []
        # The model's turn that is not written yet.
        self._turn: _Turn | None = None
        self._ids = CallIds(service.ids)
        self._pairing = Pairing(messages, losses)

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        role = message.role
        if role == message_pb2.ROLE_ASSISTANT:
            self._assistant(index, message)
            return
        self._settle(index)
        if role != message_pb2.ROLE_TOOL:
            self._flush()
            name = "user" if role == message_pb2.ROLE_USER else "system"
            self._messages.append({"role": name, "content": self._content(index, message)})

    def finish(self, count: int) -> list[Json]:
        """Return what came of it.

        Args:
            count: of all messages.
        """
        turn = self._turn
        self._settle(count)
        self._flush()
        if turn is not None and not turn.calls and self._messages:
            self._continue(turn, self._messages[-1])
        return self._messages

    def _settle(self, index: int) -> None:
        """Write the model's turn, and the results of its calls after it.

        Args:
            index: of the message after it.
        """
        turn, self._turn = self._turn, None
        if turn is None:
            return
        said = self._said(turn)
        # A turn of thoughts alone has nothing left, and an empty one is refused.
        if len(said) > 1:
            self._flush()
            self._messages.append(said)
            self._think(turn, said)
        else:
            self._forget(turn)
        for call, found in self._pairing.answer(index):
            if found is not None:
                self._result(found.path, found.part)
                continue
            self._answer(self._ids.wire(call.id), [NO_RESULT], is_error=True, media=[])

    def _continue(self, turn: _Turn, said: Json) -> None:
        """Have the model go on with what it said last.

        Args:
            turn: the model's last.
            said: the last message on the wire.
        """
        if said["role"] != "assistant":
            return
        prefill = self._service.prefill
        if prefill is None:
            # It refuses such a message, or takes it and begins another answer.
            self._losses.translated(turn.path, NO_PREFILL)
            self._messages.append({"role": "user", "content": GO_ON})
            return
        if said.pop("reasoning_content", None):
            # Whoever goes on with a text has done with thinking.
            self._forget(turn)
        text = said["content"]
        said["content"] = text.rstrip()
        if said["content"] != text:
            self._losses.translated(turn.path, NO_BLANK_END)
        if not said["content"]:
            self._messages.pop()
        elif prefill.mark:
            said[prefill.mark] = True

    def _flush(self) -> None:
        """Let the pictures and documents of results follow in a message of the user."""
        if self._media:
            self._messages.append({"role": "user", "content": self._media})
            self._media = []

    def _content(self, index: int, message: message_pb2.Message) -> str | list[Json]:
        """Translate the parts of a message of the user or the system."""
        parts: list[Json] = []
        for position, part in enumerate(message.content[:]):
            if part.HasField("cache") or part.HasField("signature"):
                self._drop_marks(f"messages[{index}].content[{position}]", part)
            if part.HasField("text"):
                parts.append({"type": "text", "text": part.text})
            else:
                parts += self._media_parts(f"messages[{index}].content[{position}]", part)
        match parts:
            case [{"type": "text", "text": str(text)}]:
                return text
            case []:
                return ""
        return parts

    def _assistant(self, index: int, message: message_pb2.Message) -> None:
        """Translate a message of the model."""
        turn = self._turn = self._turn or _Turn("")
        turn.path = f"messages[{index}]"
        texts: list[str] = []
        refusals: list[str] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            if part.HasField("cache") or part.HasField("signature"):
                self._drop_marks(path, part)
            match part.WhichOneof("kind"):
                case "text":
                    if turn.calls and part.text:
                        self._losses.translated(f"{path}.text", BEFORE_CALLS)
                    texts.append(part.text)
                case "refusal" if self._service.refusals:
                    refusals.append(part.refusal)
                case "refusal":
                    self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                    texts.append(part.refusal)
                case "tool_call":
                    turn.calls.append(self._call(path, part.tool_call))
                case "reasoning":
                    turn.thoughts.append((f"{path}.reasoning", part.reasoning.text))
                case "provider_part":
                    self._losses.dropped(f"{path}.provider_part", _NO_FOREIGN_PARTS)
        # As the live text of an answer is the concatenation of its blocks.
        turn.texts.append("".join(texts))
        turn.refusals.append("".join(refusals))

    def _said(self, turn: _Turn) -> Json:
        """Return the model's turn on the wire."""
        said: Json = {"role": "assistant"}
        text = BETWEEN_MESSAGES.join(filter(None, turn.texts))
        refusal = BETWEEN_MESSAGES.join(filter(None, turn.refusals))
        if refusal and not text and not turn.calls:
            said["content"] = [{"type": "refusal", "refusal": refusal}]
        elif refusal:
            said["refusal"] = refusal
        if text:
            said["content"] = text
        if turn.calls:
            said["tool_calls"] = turn.calls
        return said

    def _think(self, turn: _Turn, said: Json) -> None:
        """Add the thoughts of a turn, where the service wants them back.

        Args:
            turn: of the model.
            said: the same on the wire; neither its text nor its calls are missing.
        """
        thought = "".join(text for _, text in turn.thoughts)
        match self._service.thoughts:
            case Thoughts.EVERY_TURN:
                said["reasoning_content"] = thought or _NO_THOUGHT
            case Thoughts.CALLING_TURNS if turn.calls:
                said["reasoning_content"] = thought or _NO_THOUGHT
            case Thoughts.IN_TEXT if thought:
                said["content"] = f"{BEGIN}{thought}{END}\n\n{said.get('content', '')}"
            case _:
                self._forget(turn)

    def _forget(self, turn: _Turn) -> None:
        """Note the thoughts of a turn that are left out."""
        for path, _ in turn.thoughts:
            self._losses.dropped(path, _NO_THOUGHTS)

    def _call(self, path: str, call: message_pb2.ToolCall) -> Json:
        """Translate a tool call; the arguments stay the text that they are."""
        self._pairing.call(path, call)
        name = PLAIN.wire(call.name)
        if name != call.name:
            self._losses.translated(f"{path}.tool_call.name", PLAIN.reason)
        return {
            "id": self._ids.wire(call.id),
            "type": "function",
            "function": {"name": name, "arguments": call.arguments or "{}"},
        }

    def _result(self, path: str, part: message_pb2.Part) -> None:
        """Translate a result."""
        self._drop_marks(path, part)
        result = part.tool_result
        texts: list[str] = []
        media: list[Json] = []
        for inner, piece in enumerate(result.content[:]):
            where = f"{path}.tool_result.content[{inner}]"
            self._drop_marks(where, piece)
            if piece.HasField("text"):
                texts.append(piece.text)
                continue
            carried = self._media_parts(where, piece)
            if carried:
                self._losses.translated(f"{where}.{piece.WhichOneof('kind')}", _NO_MEDIA)
            media += carried
        self._answer(self._ids.wire(result.call_id), texts, is_error=result.is_error, media=media)

    def _answer(self, call_id: str, texts: list[str], *, is_error: bool, media: list[Json]) -> None:
        """Append the answer to a call.

        Args:
            call_id: as sent.
            texts: of the result.
            is_error: the tool failed.
            media: pictures and documents of it.
        """
        content = result_text(texts, is_error=is_error, media_follow=bool(media))
        self._messages.append({"role": "tool", "tool_call_id": call_id, "content": content})
        if media:
            self._media.append({"type": "text", "text": media_heading(call_id)})
            self._media += media

    def _media_parts(self, path: str, part: message_pb2.Part) -> list[Json]:
        """Translate a picture or a document: one part, or none when it cannot be carried."""
        if part.HasField("image"):
            return [{"type": "image_url", "image_url": {"url": _image_url(part.image)}}]
        document = part.document
        if not self._service.documents or document.HasField("url"):
            why = _NO_ADDRESSES if self._service.documents else _NO_DOCUMENTS
            self._losses.dropped(f"{path}.document", why)
            return []
        # A file by value is refused without a name.
        name = document.name or f"document.{document.media_type.partition('/')[2]}"
        data = data_url(document.media_type, document.data)
        return [{"type": "file", "file": {"filename": name, "file_data": data}}]

    def _drop_marks(self, path: str, part: message_pb2.Part) -> None:
        """Note the marks of a part, none of which the format has."""
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", CACHES_ITSELF)
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)


def _image_url(image: message_pb2.Image) -> str:
    """Return the address of a picture, which holds the picture itself when it came so."""
    return image.url or data_url(image.media_type, image.data)
