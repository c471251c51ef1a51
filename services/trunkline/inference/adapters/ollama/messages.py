"""Translate a transcript into the messages of Ollama.

Source: https://docs.ollama.com/api/chat, `messages`. A message is one text with pictures before
it, which the server takes by value only.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec

from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.media import to_base64
from trunkline.inference.adapters.pairing import NO_RESULT, Pairing
from trunkline.inference.adapters.partial import BEFORE_CALLS, BETWEEN_MESSAGES, NO_BLANK_END
from trunkline.inference.adapters.results import media_heading, result_text
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

# As the server joins messages of one role that follow each other.
_BETWEEN_PARTS: Final = "\n\n"

_ROLES: Final[dict[int, str]] = {
    message_pb2.ROLE_SYSTEM: "system",
    message_pb2.ROLE_USER: "user",
}

# What the server's own decoders read: https://docs.ollama.com/capabilities/vision
_IMAGES: Final = frozenset({"image/png", "image/jpeg", "image/jpg", "image/webp"})

_NO_SIGNATURES: Final = "Ollama carries no signatures."
_NOT_ITS_THOUGHTS: Final = "The thought is another vendor's."
_NO_FOREIGN_PARTS: Final = "The block belongs to another format."
_NO_REFUSALS: Final = "Ollama knows no refusals; it is sent as text."
_NO_ADDRESSES: Final = "Ollama takes pictures and documents by value only."
_NO_SUCH_IMAGE: Final = "Ollama takes pictures as PNG, JPEG and WebP only."
_NO_DOCUMENTS: Final = "Ollama takes no documents, and this one is no text."
_TEXT_OF_DOCUMENT: Final = "Ollama takes no documents; its text is sent."
_NO_MEDIA: Final = "Tool results are text; it follows in a message of the user."
_NOBODY_ASKS: Final = "Ollama answers no instructions alone; this one is sent as the user's."


def translate(messages: list[message_pb2.Message], losses: Losses) -> list[Json]:
    """Return the messages as the format has them.

    Args:
        messages: a transcript that has passed its checks.
        losses: takes what is left out or carried in another form.
    """
    translation = _Translation(messages, losses)
    for index, message in enumerate(messages):
        translation.add(index, message)
    return translation.finish(len(messages))


@dataclass(slots=True)
class _Turn:
    """What the model says until somebody else speaks: one message, whoever asks for them.

    Attributes:
        path: of its last message.
        texts: one of each message.
        thoughts: likewise.
        calls: of tools.
    """

    path: str
    texts: list[str] = field(default_factory=list)
    thoughts: list[str] = field(default_factory=list)
    calls: list[Json] = field(default_factory=list)


class _Translation:
    """One translation under way.

    Results are told apart by the tool's name, and by their order where that is the same: they
    follow their calls at once, in the order of the calls. Pictures of results wait until the
    results are through.
    """

    __slots__ = ("_last_said", "_losses", "_media", "_messages", "_pairing", "_turn")

    def __init__(self, messages: Sequence[message_pb2.Message], losses: Losses) -> None:
        self._losses = losses
        self._messages: list[Json] = []
        self._media: list[Json] = []
        # The model's turn that is not written yet.
        self._turn: _Turn | None = None
        self._pairing = Pairing(messages, losses)
        self._last_said = 0

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        if message.role == message_pb2.ROLE_ASSISTANT:
            self._assistant(index, message)
            return
        self._settle(index)
        if message.role != message_pb2.ROLE_TOOL:
            self._flush()
            self._said(index, message)

    def finish(self, count: int) -> list[Json]:
        """Return what came of it.

        Args:
            count: of all messages.
        """
        turn = self._turn
        self._settle(count)
        self._flush()
        if turn is not None and self._messages and not turn.calls:
            self._trim(turn.path, self._messages[-1])
        # Asked by nobody, the server loads the model and says nothing
        # (https://github.com/can1357/oh-my-pi/issues/7465).
        if self._messages and all(said["role"] == "system" for said in self._messages):
            self._messages[-1]["role"] = "user"
            self._losses.translated(f"messages[{self._last_said}].role", _NOBODY_ASKS)
        return self._messages

    def _settle(self, index: int) -> None:
        """Write the model's turn, and the results of its calls after it.

        Args:
            index: of the message after it.
        """
        turn, self._turn = self._turn, None
        if turn is None:
            return
        said: Json = {
            "role": "assistant",
            "content": BETWEEN_MESSAGES.join(filter(None, turn.texts)),
        }
        if any(turn.thoughts):
            said["thinking"] = BETWEEN_MESSAGES.join(filter(None, turn.thoughts))
        if turn.calls:
            said["tool_calls"] = turn.calls
        # Of what belongs to others nothing is left.
        if said["content"] or len(said) > 2:
            self._flush()
            self._messages.append(said)
        for call, found in self._pairing.answer(index):
            if found is not None:
                self._result(call, found.path, found.part)
            else:
                self._answer(call, [NO_RESULT], is_error=True, images=[])

    def _trim(self, path: str, said: Json) -> None:
        """Take away the blanks at the end of a text to be continued.

        Args:
            path: of the last message.
            said: the last message on the wire.
        """
        text = said["content"]
        if said["role"] != "assistant" or text == text.rstrip():
            return
        said["content"] = text.rstrip()
        self._losses.translated(path, NO_BLANK_END)
        if not said["content"] and len(said) == 2:
            self._messages.pop()

    def _flush(self) -> None:
        """Let the pictures of results follow in messages of the user."""
        self._messages += self._media
        self._media = []

    def _said(self, index: int, message: message_pb2.Message) -> None:
        """Translate a message of the user or the system.

        Pictures stand before the text of their message, so that one that follows a text begins
        another message: their order is kept.
        """
        self._last_said = index
        role = _ROLES[message.role]
        texts: list[str] = []
        images: list[str] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            if part.HasField("cache") or part.HasField("signature"):
                self._drop_marks(path, part)
            image = self._image(path, part) if part.HasField("image") else None
            if image is not None and texts:
                self._messages.append(_message(role, texts, images))
                texts, images = [], []
            if image is not None:
                images.append(image)
            elif part.HasField("text"):
                texts.append(part.text)
            elif part.HasField("document"):
                texts += self._document(path, part.document)
        self._messages.append(_message(role, texts, images))

    def _assistant(self, index: int, message: message_pb2.Message) -> None:
        """Translate a message of the model."""
        turn = self._turn = self._turn or _Turn("")
        turn.path = f"messages[{index}]"
        texts: list[str] = []
        thoughts: list[str] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            if part.HasField("cache") or part.HasField("signature"):
                self._drop_marks(path, part)
            match part.WhichOneof("kind"):
                case "text":
                    if turn.calls and part.text:
                        self._losses.translated(f"{path}.text", BEFORE_CALLS)
                    texts.append(part.text)
                case "refusal":
                    texts.append(part.refusal)
                    self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                case "tool_call":
                    self._pairing.call(path, part.tool_call)
                    turn.calls.append(_call(part.tool_call))
                case "reasoning" if part.HasField("signature") or part.reasoning.redacted:
                    self._losses.dropped(f"{path}.reasoning", _NOT_ITS_THOUGHTS)
                case "reasoning":
                    thoughts.append(part.reasoning.text)
                case "provider_part":
                    self._losses.dropped(f"{path}.provider_part", _NO_FOREIGN_PARTS)
        # As the live text of an answer is the concatenation of its blocks.
        turn.texts.append("".join(texts))
        turn.thoughts.append("".join(thoughts))

    def _result(self, call: message_pb2.ToolCall, path: str, part: message_pb2.Part) -> None:
        """Translate the result of a call."""
        self._drop_marks(path, part)
        result = part.tool_result
        texts: list[str] = []
        images: list[str] = []
        for inner, piece in enumerate(result.content[:]):
            where = f"{path}.tool_result.content[{inner}]"
            self._drop_marks(where, piece)
            if piece.HasField("text"):
                texts.append(piece.text)
            elif piece.HasField("document"):
                texts += self._document(where, piece.document)
            elif (image := self._image(where, piece)) is not None:
                self._losses.translated(f"{where}.image", _NO_MEDIA)
                images.append(image)
        self._answer(call, texts, is_error=result.is_error, images=images)

    def _answer(
        self, call: message_pb2.ToolCall, texts: list[str], *, is_error: bool, images: list[str]
    ) -> None:
        """Append the answer to a call.

        Args:
            call: that is answered.
            texts: of the result.
            is_error: the tool failed.
            images: of the result.
        """
        self._messages.append(
            {
                "role": "tool",
                "tool_name": call.name,
                "tool_call_id": call.id,
                "content": result_text(texts, is_error=is_error, media_follow=bool(images)),
            }
        )
        if images:
            self._media.append(_message("user", [media_heading(call.id)], images))

    def _image(self, path: str, part: message_pb2.Part) -> str | None:
        """Translate a picture; None when it cannot be carried."""
        if not part.image.HasField("data"):
            self._losses.dropped(f"{path}.image", _NO_ADDRESSES)
        elif part.image.media_type not in _IMAGES:
            self._losses.dropped(f"{path}.image", _NO_SUCH_IMAGE)
        else:
            return to_base64(part.image.data)
        return None

    def _document(self, path: str, document: message_pb2.Document) -> list[str]:
        """Translate a document: its text, or nothing when it cannot be carried."""
        if document.HasField("url"):
            self._losses.dropped(f"{path}.document", _NO_ADDRESSES)
            return []
        try:
            text = document.data.decode() if document.media_type.startswith("text/") else None
        except UnicodeDecodeError:
            text = None
        if text is None:
            self._losses.dropped(f"{path}.document", _NO_DOCUMENTS)
            return []
        self._losses.translated(f"{path}.document", _TEXT_OF_DOCUMENT)
        return [f"Document {document.name}:\n{text}" if document.name else text]

    def _drop_marks(self, path: str, part: message_pb2.Part) -> None:
        """Note the marks of a part, none of which the format has."""
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", CACHES_ITSELF)
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)


def _message(role: str, texts: list[str], images: list[str]) -> Json:
    """Return a message of texts, and pictures before them."""
    said: Json = {"role": role, "content": _BETWEEN_PARTS.join(texts)}
    if images:
        said["images"] = images
    return said


def _call(call: message_pb2.ToolCall) -> Json:
    """Translate a tool call; the arguments, an object here, go out verbatim."""
    arguments = msgspec.Raw((call.arguments or "{}").encode())
    return {"id": call.id, "function": {"name": call.name, "arguments": arguments}}
