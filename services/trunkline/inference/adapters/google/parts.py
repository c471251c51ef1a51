"""Translate the pieces of a transcript into parts, one by one.

Source: https://ai.google.dev/api/caching#Part
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from trunkline.inference.adapters.google.families import Family
from trunkline.inference.adapters.losses import CACHES_ITSELF, Losses
from trunkline.inference.adapters.media import to_base64
from trunkline.inference.adapters.pairing import NO_RESULT
from trunkline.inference.adapters.tool_names import NameForm
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

# https://ai.google.dev/gemini-api/docs/image-understanding lists png, jpeg, webp, heic, heif.
_REFUSED_MEDIA: Final = frozenset({"image/gif"})

# https://ai.google.dev/gemini-api/docs/function-calling, "Multimodal function responses"
_MEDIA_OF_RESULTS: Final = frozenset(
    {"image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"}
)

# https://ai.google.dev/api/caching#FunctionDeclaration, `name`
_NAMES: Final = NameForm(
    re.compile(r"^[^A-Za-z_]|[^A-Za-z0-9_.:-]"),
    128,
    "Gemini takes letters, digits, `_`, `.`, `:` and `-` in names.",
)

_NAME_BEFORE: Final = "Gemini knows no names of documents; a text before it says the name."
_NOT_TAKEN: Final = "Gemini does not take this type of media."
_MEDIA_FOLLOW: Final = "The model takes text results only; it follows in a turn of the user."

OTHERS_SIGNATURE: Final = (
    "A signature goes back only to the provider, model and account that issued it."
)
"""Why a signature is left out, wherever it stands."""


@dataclass(frozen=True, slots=True)
class Answered:
    """A call's result on the wire.

    Attributes:
        part: the result.
        media: what follows it in a turn of the user.
    """

    part: Json
    media: list[Json]


def drop_marks(path: str, part: message_pb2.Part, losses: Losses) -> None:
    """Note the marks of a part that no model wrote; they mean nothing there."""
    if part.HasField("cache"):
        losses.dropped(f"{path}.cache", CACHES_ITSELF)
    if part.HasField("signature"):
        losses.dropped(f"{path}.signature", OTHERS_SIGNATURE)


def media_parts(path: str, part: message_pb2.Part, losses: Losses) -> list[Json]:
    """Translate a picture or a document: the last part, before which its name may be told."""
    carried = _media_part(path, part, losses)
    if carried is None:
        return []
    if not part.document.name:
        return [carried]
    losses.translated(f"{path}.document.name", _NAME_BEFORE)
    return [{"text": f"Document {part.document.name}:"}, carried]


def _media_part(path: str, part: message_pb2.Part, losses: Losses) -> Json | None:
    """Translate a picture or a document but for its name; None when it cannot be carried."""
    kind = "image" if part.HasField("image") else "document"
    holder = part.image if kind == "image" else part.document
    if holder.media_type in _REFUSED_MEDIA:
        losses.dropped(f"{path}.{kind}", _NOT_TAKEN)
        return None
    if holder.HasField("data"):
        data = to_base64(holder.data)
        return {"inlineData": {"mimeType": holder.media_type, "data": data}}
    # https://ai.google.dev/gemini-api/docs/file-input-methods: the provider fetches it.
    file: Json = {"fileUri": holder.url}
    if holder.media_type:
        file["mimeType"] = holder.media_type
    return {"fileData": file}


def call_part(path: str, call: message_pb2.ToolCall, losses: Losses) -> Json:
    """Translate a tool call; the arguments stay the text that they are."""
    name = _NAMES.wire(call.name)
    if name != call.name:
        losses.translated(f"{path}.tool_call.name", _NAMES.reason)
    arguments = msgspec.Raw((call.arguments or "{}").encode())
    return {"functionCall": {"id": call.id, "name": name, "args": arguments}}


def result_part(
    path: str,
    call: message_pb2.ToolCall,
    result: message_pb2.ToolResult,
    family: Family,
    losses: Losses,
) -> Answered:
    """Translate the result of a call.

    Texts stay one text, even where they are JSON: `response` must be an object, and one with a
    key named `$ref` in it is refused. That a tool failed is told by the key.

    Args:
        path: of the part that holds the result.
        call: that it answers.
        result: of the tool.
        family: of the model.
        losses: takes what is left out or carried in another form.
    """
    texts: list[str] = []
    inside: list[Json] = []
    media: list[Json] = []
    for index, piece in enumerate(result.content[:]):
        where = f"{path}.tool_result.content[{index}]"
        drop_marks(where, piece, losses)
        if piece.HasField("text"):
            texts.append(piece.text)
            continue
        carried = media_parts(where, piece, losses)
        if not carried:
            continue
        *names, content = carried
        data = content.get("inlineData")
        if family.media_in_results and data and data["mimeType"] in _MEDIA_OF_RESULTS:
            texts += [name["text"] for name in names]
            inside.append(content)
        else:
            media += carried
            losses.translated(f"{where}.{piece.WhichOneof('kind')}", _MEDIA_FOLLOW)
    response: Json = _response(call, "\n".join(texts), is_error=result.is_error)
    if inside:
        response["parts"] = inside
    if media:
        title = f"Content of the result of {call.name} (call {call.id}):"
        media.insert(0, {"text": title})
    return Answered({"functionResponse": response}, media)


def unanswered_part(call: message_pb2.ToolCall) -> Json:
    """Return what stands in the place of a result that does not exist."""
    return {"functionResponse": _response(call, NO_RESULT, is_error=True)}


def _response(call: message_pb2.ToolCall, text: str, *, is_error: bool) -> Json:
    """Return a response to a call."""
    key = "error" if is_error else "output"
    return {"id": call.id, "name": _NAMES.wire(call.name), "response": {key: text}}
