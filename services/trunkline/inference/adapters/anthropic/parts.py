"""Translate the parts of a message that any role may hold: texts, pictures, documents.

Source: https://platform.claude.com/docs/en/api/messages, `messages.content`.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.media import to_base64
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

_IMAGES: Final = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})
_OTHER_NAMES: Final = {"image/jpg": "image/jpeg"}
_PDF: Final = "application/pdf"
_PLAIN: Final = "text/plain"
_TEXTS: Final = frozenset({"application/json", "application/xml", "application/yaml"})

_BLANK: Final = "The provider refuses texts without a visible character."
_NO_SUCH_IMAGE: Final = "The provider takes pictures as JPEG, PNG, GIF and WebP only."
_NO_SUCH_DOCUMENT: Final = "The provider takes documents as PDF and as text only."
_NO_SUCH_ADDRESS: Final = "The provider takes addresses of PDF documents only."
_AS_PLAIN: Final = "The provider takes texts as text/plain only."


def translate_part(path: str, part: message_pb2.Part, losses: Losses) -> Json | None:
    """Translate a text, a picture or a document.

    Args:
        path: where it stands in the request.
        part: of one of these kinds.
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
            return _document(path, part.document, losses)


def text_block(path: str, text: str, losses: Losses) -> Json | None:
    """Translate a text; one that is empty or blank would be refused with its request.

    Source: https://github.com/anthropics/claude-code/issues/23369.
    """
    if not text or text.isspace():
        if text:
            losses.dropped(f"{path}.text", _BLANK)
        return None
    return {"type": "text", "text": text}


def _image(path: str, image: message_pb2.Image, losses: Losses) -> Json | None:
    """Translate a picture."""
    if image.HasField("url"):
        return {"type": "image", "source": {"type": "url", "url": image.url}}
    media_type = _OTHER_NAMES.get(image.media_type, image.media_type)
    if media_type not in _IMAGES:
        losses.dropped(f"{path}.image", _NO_SUCH_IMAGE)
        return None
    source = {"type": "base64", "media_type": media_type, "data": to_base64(image.data)}
    return {"type": "image", "source": source}


def _document(path: str, document: message_pb2.Document, losses: Losses) -> Json | None:
    """Translate a document."""
    source = _source(path, document, losses)
    if source is None:
        return None
    block: Json = {"type": "document", "source": source}
    if document.name:
        block["title"] = document.name
    return block


def _source(path: str, document: message_pb2.Document, losses: Losses) -> Json | None:
    """Translate where a document is."""
    kind = document.media_type
    if document.HasField("url"):
        if kind == _PDF:
            return {"type": "url", "url": document.url}
        losses.dropped(f"{path}.document", _NO_SUCH_ADDRESS)
        return None
    if kind == _PDF:
        return {"type": "base64", "media_type": _PDF, "data": to_base64(document.data)}
    if kind.startswith("text/") or kind in _TEXTS:
        try:
            text = document.data.decode()
        except UnicodeDecodeError:
            text = ""
        if text:
            if kind != _PLAIN:
                losses.translated(f"{path}.document.media_type", _AS_PLAIN)
            return {"type": "text", "media_type": _PLAIN, "data": text}
    losses.dropped(f"{path}.document", _NO_SUCH_DOCUMENT)
    return None
