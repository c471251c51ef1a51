"""Translate the parts of a message that any role may hold: texts, pictures, documents.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ContentBlock.html.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.media import to_base64
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

NO_WORDS: Final = "."
"""What is said where something must be said and there is nothing; blanks are refused."""

_IMAGES: Final = {
    "image/png": "png",
    "image/jpeg": "jpeg",
    "image/jpg": "jpeg",
    "image/gif": "gif",
    "image/webp": "webp",
}
_OFFICE: Final = "application/vnd.openxmlformats-officedocument"
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    f"{_OFFICE}.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    f"{_OFFICE}.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_AS_TEXT: Final = frozenset({"application/json", "application/xml", "application/yaml"})

# https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_DocumentBlock.html, `name`
_NOT_IN_NAMES: Final = re.compile(r"[^A-Za-z0-9()\[\] -]+")
_BLANKS: Final = re.compile(r" {2,}")
_MAX_NAME: Final = 200
_UNNAMED: Final = "document"

_BLANK: Final = "The provider refuses texts without a visible character."
_NO_ADDRESSES: Final = "The provider takes no addresses on the web."
_NO_SUCH_IMAGE: Final = "The provider takes pictures as JPEG, PNG, GIF and WebP only."
_NO_SUCH_DOCUMENT: Final = "The provider does not take documents of this type."
_AS_PLAIN: Final = "The provider takes texts of this type as plain ones only."
_PLAIN_NAME: Final = "The provider takes letters, digits, blanks, `-`, `()` and `[]` in names."
_OTHER_NAME: Final = "The provider takes no two documents of one name; a number stands behind it."


class DocumentNames:
    """The names of a request's documents, of which no two may be equal.

    See https://github.com/maximhq/bifrost/issues/7003.
    """

    __slots__ = ("_count", "_taken")

    def __init__(self) -> None:
        self._count = 0
        self._taken: set[str] = set()

    def take(self, path: str, name: str, losses: Losses) -> str:
        """Return a name that the provider takes; a document without a name gets a neutral one.

        Args:
            path: where the document stands in the request.
            name: its name; may be empty.
            losses: takes that the name is another.
        """
        self._count += 1
        plain = _BLANKS.sub(" ", _NOT_IN_NAMES.sub("-", name)).strip()[:_MAX_NAME].strip()
        wanted = plain or f"{_UNNAMED} {self._count}"
        taken, number = wanted, 1
        while taken.lower() in self._taken:
            number += 1
            end = f" ({number})"
            taken = wanted[: _MAX_NAME - len(end)].rstrip() + end
        self._taken.add(taken.lower())
        if name and taken != name:
            reason = _PLAIN_NAME if plain != name else _OTHER_NAME
            losses.translated(f"{path}.document.name", reason)
        return taken


def translate_part(
    path: str, part: message_pb2.Part, names: DocumentNames, losses: Losses
) -> Json | None:
    """Translate a text, a picture or a document.

    Args:
        path: where it stands in the request.
        part: of one of these kinds.
        names: of the documents that came before; takes another.
        losses: takes what is left out or carried in another form.

    Returns:
        None when it cannot be carried, or carries nothing.
    """
    match part.WhichOneof("kind"):
        case "text":
            return text_block(path, part.text, losses)
        case "image":
            return _image(path, part.image, losses)
        case _:
            return _document(path, part.document, names, losses)


def text_block(path: str, text: str, losses: Losses) -> Json | None:
    """Translate a text; one that is empty or blank would be refused with its request."""
    if not text or text.isspace():
        if text:
            losses.dropped(f"{path}.text", _BLANK)
        return None
    return {"text": text}


def _image(path: str, image: message_pb2.Image, losses: Losses) -> Json | None:
    """Translate a picture."""
    if image.HasField("url"):
        losses.dropped(f"{path}.image", _NO_ADDRESSES)
        return None
    kind = _IMAGES.get(image.media_type)
    if kind is None:
        losses.dropped(f"{path}.image", _NO_SUCH_IMAGE)
        return None
    return {"image": {"format": kind, "source": {"bytes": to_base64(image.data)}}}


def _document(
    path: str, document: message_pb2.Document, names: DocumentNames, losses: Losses
) -> Json | None:
    """Translate a document."""
    if document.HasField("url"):
        losses.dropped(f"{path}.document", _NO_ADDRESSES)
        return None
    media_type = document.media_type
    kind = _DOCUMENTS.get(media_type)
    if kind is None and (media_type.startswith("text/") or media_type in _AS_TEXT):
        kind = "txt"
        losses.translated(f"{path}.document.media_type", _AS_PLAIN)
    if kind is None:
        losses.dropped(f"{path}.document", _NO_SUCH_DOCUMENT)
        return None
    name = names.take(path, document.name, losses)
    return {
        "document": {"format": kind, "name": name, "source": {"bytes": to_base64(document.data)}}
    }
