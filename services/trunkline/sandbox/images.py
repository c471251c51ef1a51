"""Images in requests: base64, and the format that the bytes show."""

from __future__ import annotations

import base64
import binascii
from typing import Final

_MAGIC: Final = (
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
)
"""First bytes of each format: PNG (W3C), JPEG (ITU T.81), GIF 87a and 89a."""


def decode_base64(text: str) -> bytes | None:
    """Decode base64 of the standard alphabet with its padding (RFC 4648, 4); None if it is none."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def recognise(data: bytes) -> str | None:
    """Return the media type that an image's first bytes show; None for an unknown format."""
    # RFC 9649: the file's size stands between the two marks of WebP.
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC if data.startswith(magic)), None)
