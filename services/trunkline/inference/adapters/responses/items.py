"""Translate a transcript into the input of Responses: a list of items.

Source: https://platform.openai.com/docs/api-reference/responses/create, `input`. Items go without
ids: an id names what is stored at the provider, and nothing is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.call_ids import CallIds, IdForm
from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.media import data_url
from trunkline.inference.adapters.pairing import NO_RESULT, Pairing
from trunkline.inference.adapters.partial import GO_ON, NO_PREFILL
from trunkline.inference.adapters.provenance import is_issuer
from trunkline.inference.adapters.responses.answer import VENDOR
from trunkline.inference.adapters.results import ERROR_PREFIX
from trunkline.inference.adapters.tool_names import PLAIN
from trunkline.inference.adapters.values import Json
from trunkline.inference.arguments import is_object
from trunkline.inference.v1 import message_pb2

Item: TypeAlias = Json | msgspec.Raw

_IDS: Final = IdForm(re.compile(r"[A-Za-z0-9_-]{1,64}"))

_ROLES: Final = {
    message_pb2.ROLE_SYSTEM: "system",
    message_pb2.ROLE_USER: "user",
}

_NO_SIGNATURES: Final = "The provider signs thoughts only."
_OTHERS_THOUGHTS: Final = "Thoughts go back only to the model and account that made them."
_LEADS_NOWHERE: Final = "The provider takes no thought back without what it led to."
_OTHERS_PARTS: Final = "The item belongs to somebody else."
_NO_NAME: Final = "Responses takes no name with the address of a document."


def translate(messages: list[message_pb2.Message], target: Target, losses: Losses) -> list[Item]:
    """Return the items of a transcript.

    Args:
        messages: a transcript that has passed its checks.
        target: who is asked; gets back what it issued.
        losses: takes what is left out or carried in another form.
    """
    translation = _Translation(messages, target, losses)
    for index, message in enumerate(messages):
        translation.add(index, message)
    return translation.finish(len(messages))


class _Translation:
    """One translation under way.

    All results of a turn come right after its calls, as in Chat Completions.
    """

    __slots__ = ("_ids", "_items", "_losses", "_messages", "_pairing", "_target", "_thoughts")

    def __init__(
        self, messages: Sequence[message_pb2.Message], target: Target, losses: Losses
    ) -> None:
        self._messages = messages
        self._target = target
        self._losses = losses
        self._items: list[Item] = []
        # Thoughts that wait for what they led to, each with its path.
        self._thoughts: list[tuple[str, Json]] = []
        self._ids = CallIds(_IDS)
        self._pairing = Pairing(messages, losses)

    def add(self, index: int, message: message_pb2.Message) -> None:
        """Translate one message."""
        if message.role == message_pb2.ROLE_ASSISTANT:
            self._assistant(index, message)
            return
        self._settle(index)
        role = _ROLES.get(message.role)
        if role is not None:
            content = self._content(index, message)
            self._items.append({"type": "message", "role": role, "content": content})

    def finish(self, count: int) -> list[Item]:
        """Return what came of it.

        Args:
            count: of all messages.
        """
        self._settle(count)
        if _is_said(self._items[-1:]) and self._messages[-1].role == message_pb2.ROLE_ASSISTANT:
            # It takes such a message, and begins another answer.
            self._losses.translated(f"messages[{count - 1}]", NO_PREFILL)
            self._items.append({"type": "message", "role": "user", "content": GO_ON})
        return self._items

    def _settle(self, index: int) -> None:
        """Write the results of the model's calls, once it has said all.

        Args:
            index: of the message after its last.
        """
        for path, _ in self._thoughts:
            self._losses.dropped(f"{path}.reasoning", _LEADS_NOWHERE)
            self._losses.dropped(f"{path}.signature", _LEADS_NOWHERE)
        self._thoughts.clear()
        for call, found in self._pairing.answer(index):
            if found is not None:
                self._result(found.path, found.part)
            else:
                self._answer(self._ids.wire(call.id), ERROR_PREFIX + NO_RESULT)

    def _content(self, index: int, message: message_pb2.Message) -> str | list[Json]:
        """Translate the parts of a message of the user or the system."""
        parts: list[Json] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            self._drop_marks(path, part)
            parts.append(self._part(path, part))
        match parts:
            case [{"type": "input_text", "text": str(text)}]:
                return text
        return parts

    def _assistant(self, index: int, message: message_pb2.Message) -> None:
        """Translate a message of the model; its parts keep their order."""
        said: list[Json] = []
        for position, part in enumerate(message.content[:]):
            path = f"messages[{index}].content[{position}]"
            kind = part.WhichOneof("kind")
            if kind == "reasoning":
                self._say(said)
                self._think(path, part)
                continue
            self._drop_marks(path, part)
            if kind == "text" and part.text:
                said.append({"type": "output_text", "text": part.text})
            elif kind == "refusal" and part.refusal:
                said.append({"type": "refusal", "refusal": part.refusal})
            elif kind == "tool_call":
                self._say(said)
                self._follow(self._call(path, part.tool_call))
            elif kind == "provider_part":
                self._say(said)
                self._give_back(path, part.provider_part)
        self._say(said)

    def _say(self, said: list[Json]) -> None:
        """Write what the model has said so far as one message; the list begins anew."""
        match said:
            case []:
                return
            case [{"type": "output_text", "text": str(text)}]:
                content: str | list[Json] = text
            case _:
                content = list(said)
        self._follow({"type": "message", "role": "assistant", "content": content})
        said.clear()

    def _follow(self, item: Item) -> None:
        """Append what a thought has led to, and the thought before it."""
        self._items += [thought for _, thought in self._thoughts]
        self._thoughts.clear()
        self._items.append(item)

    def _think(self, path: str, part: message_pb2.Part) -> None:
        """Give a thought back to the model that made it."""
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", CACHES_ITSELF)
        signature = part.signature
        if not signature.value or not is_issuer(self._target, VENDOR, signature.issuer):
            if part.HasField("signature"):
                self._losses.dropped(f"{path}.signature", _OTHERS_THOUGHTS)
            self._losses.dropped(f"{path}.reasoning", _OTHERS_THOUGHTS)
            return
        text = part.reasoning.text
        thought: Json = {
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": text}] if text else [],
            "encrypted_content": signature.value,
        }
        self._thoughts.append((path, thought))

    def _give_back(self, path: str, own: message_pb2.ProviderPart) -> None:
        """Give a provider's own item back to it."""
        # It goes out verbatim, so that anything but an object could write into the rest.
        if is_issuer(self._target, VENDOR, own.issuer) and is_object(own.data_json):
            self._follow(msgspec.Raw(own.data_json.encode()))
        else:
            self._losses.dropped(f"{path}.provider_part", _OTHERS_PARTS)

    def _call(self, path: str, call: message_pb2.ToolCall) -> Json:
        """Translate a tool call; the arguments stay the text that they are."""
        self._pairing.call(path, call)
        name = PLAIN.wire(call.name)
        if name != call.name:
            self._losses.translated(f"{path}.tool_call.name", PLAIN.reason)
        return {
            "type": "function_call",
            "call_id": self._ids.wire(call.id),
            "name": name,
            "arguments": call.arguments or "{}",
        }

    def _result(self, path: str, part: message_pb2.Part) -> None:
        """Translate a result, which may hold pictures and documents."""
        self._drop_marks(path, part)
        result = part.tool_result
        parts: list[Json] = []
        for inner, piece in enumerate(result.content[:]):
            where = f"{path}.tool_result.content[{inner}]"
            self._drop_marks(where, piece)
            parts.append(self._part(where, piece))
        call_id = self._ids.wire(result.call_id)
        if all(piece["type"] == "input_text" for piece in parts):
            text = "\n".join(piece["text"] for piece in parts)
            self._answer(call_id, ERROR_PREFIX + text if result.is_error else text)
            return
        if result.is_error:
            parts.insert(0, {"type": "input_text", "text": ERROR_PREFIX})
        self._answer(call_id, parts)

    def _answer(self, call_id: str, output: str | list[Json]) -> None:
        """Append the answer to a call."""
        self._items.append({"type": "function_call_output", "call_id": call_id, "output": output})

    def _part(self, path: str, part: message_pb2.Part) -> Json:
        """Translate a text, a picture or a document."""
        match part.WhichOneof("kind"):
            case "text":
                return {"type": "input_text", "text": part.text}
            case "image":
                image = part.image
                url = image.url or data_url(image.media_type, image.data)
                return {"type": "input_image", "image_url": url, "detail": "auto"}
        document = part.document
        if document.HasField("url"):
            if document.name:
                self._losses.dropped(f"{path}.document.name", _NO_NAME)
            return {"type": "input_file", "file_url": document.url}
        # A file by value is refused without a name.
        name = document.name or f"document.{document.media_type.partition('/')[2]}"
        data = data_url(document.media_type, document.data)
        return {"type": "input_file", "filename": name, "file_data": data}

    def _drop_marks(self, path: str, part: message_pb2.Part) -> None:
        """Note the marks of a part that the format does not have."""
        if part.HasField("cache"):
            self._losses.dropped(f"{path}.cache", CACHES_ITSELF)
        if part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)


def _is_said(items: list[Item]) -> bool:
    """Tell whether a lone item is a message of the model."""
    match items:
        case [{"type": "message", "role": "assistant"}]:
            return True
    return False
