"""Translate a transcript into the messages of Chat Completions.

Source: https://platform.openai.com/docs/api-reference/chat/create, `messages`. Where services
that imitate it take less, the form is taken that all of them take: a text is a string and not
a list of one part, and a key without a value is left out instead of being null.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.adapters.call_ids import wire_id
from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.media import data_url
from trunkline.inference.adapters.results import media_heading, result_text
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

# Longer ids and other characters were refused by OpenAI and still are by some who imitate it
# ("Expected a string with maximum length 40": microsoft/autogen#6377, vercel/ai#8132).
_WIRE_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,40}")

_NO_SIGNATURES: Final = "Chat Completions carries no signatures."
_NO_THOUGHTS: Final = "Chat Completions takes no thoughts back."
_NO_FOREIGN_PARTS: Final = "The block belongs to another format."
_NO_ADDRESSES: Final = "Chat Completions takes documents by value only."
_NO_REFUSALS: Final = "The provider knows no refusals; it is sent as text."
_NO_MEDIA: Final = "Tool results are text; it follows in a message of the user."


def translate(
    messages: list[message_pb2.Message], losses: Losses, *, first_party: bool
) -> list[Json]:
    """Return the messages as the format has them.

    Args:
        messages: a transcript that has passed its checks.
        losses: takes what is left out or carried in another form.
        first_party: the address is OpenAI's own.
    """
    translation = _Translation(losses, first_party=first_party)
    for index, message in enumerate(messages):
        translation.add(index, message)
    return translation.finish()


class _Translation:
    """One translation under way.

    All results of a turn must come before anything else is said, so that pictures of results
    wait until the results are through.
    """

    __slots__ = ("_first_party", "_losses", "_media", "_messages")

    def __init__(self, losses: Losses, *, first_party: bool) -> None:
        self._losses = losses
        self._first_party = first_party
        self._messages: list[Json] = []
        self._media: list[Json] = []

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        role = message.role
        if self._media and role != message_pb2.ROLE_TOOL:
            self._flush()
        match role:
            case message_pb2.ROLE_ASSISTANT:
                self._assistant(index, message)
            case message_pb2.ROLE_TOOL:
                self._results(index, message)
            case _:
                name = "user" if role == message_pb2.ROLE_USER else "system"
                self._messages.append({"role": name, "content": self._content(index, message)})

    def finish(self) -> list[Json]:
        """Return what came of it."""
        if self._media:
            self._flush()
        return self._messages

    def _flush(self) -> None:
        """Let the pictures and documents of results follow in a message of the user."""
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
        texts: list[str] = []
        refusals: list[str] = []
        calls: list[Json] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            if part.HasField("cache") or part.HasField("signature"):
                self._drop_marks(path, part)
            match part.WhichOneof("kind"):
                case "text":
                    texts.append(part.text)
                case "refusal":
                    refusals.append(part.refusal)
                    if not self._first_party:
                        self._losses.translated(f"{path}.refusal", _NO_REFUSALS)
                case "tool_call":
                    calls.append(_call(part.tool_call))
                case "reasoning":
                    self._losses.dropped(f"{path}.reasoning", _NO_THOUGHTS)
                case "provider_part":
                    self._losses.dropped(f"{path}.provider_part", _NO_FOREIGN_PARTS)
        said: Json = {"role": "assistant"}
        if not self._first_party:
            texts += refusals
        elif refusals and not texts and not calls:
            said["content"] = [{"type": "refusal", "refusal": "".join(refusals)}]
        elif refusals:
            said["refusal"] = "".join(refusals)
        if texts:
            # As the live text of an answer is the concatenation of its blocks.
            said["content"] = "".join(texts)
        if calls:
            said["tool_calls"] = calls
        # A message of thoughts alone has nothing left, and an empty one is refused.
        if len(said) > 1:
            self._messages.append(said)

    def _results(self, index: int, message: message_pb2.Message) -> None:
        """Translate results: a message for each."""
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            self._drop_marks(path, part)
            result = part.tool_result
            call_id = wire_id(result.call_id, _WIRE_ID)
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
            self._messages.append(
                {
                    "role": "tool",
                    "tool_call_id": call_id,
                    "content": result_text(
                        texts, is_error=result.is_error, media_follow=bool(media)
                    ),
                }
            )
            if media:
                self._media.append({"type": "text", "text": media_heading(call_id)})
                self._media += media

    def _media_parts(self, path: str, part: message_pb2.Part) -> list[Json]:
        """Translate a picture or a document: one part, or none when it cannot be carried."""
        if part.HasField("image"):
            return [{"type": "image_url", "image_url": {"url": _image_url(part.image)}}]
        document = part.document
        if document.HasField("url"):
            self._losses.dropped(f"{path}.document", _NO_ADDRESSES)
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


def _call(call: message_pb2.ToolCall) -> Json:
    """Translate a tool call; the arguments stay the text that they are."""
    return {
        "id": wire_id(call.id, _WIRE_ID),
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments or "{}"},
    }


def _image_url(image: message_pb2.Image) -> str:
    """Return the address of a picture, which holds the picture itself when it came so."""
    return image.url or data_url(image.media_type, image.data)
