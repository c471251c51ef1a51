"""Write pictures and documents into JSON."""

from __future__ import annotations

import base64


def to_base64(data: bytes) -> str:
    """Return bytes in base64 (RFC 4648, section 4)."""
    return base64.b64encode(data).decode()


def data_url(media_type: str, data: bytes) -> str:
    """Return bytes as an address (RFC 2397)."""
    return f"data:{media_type};base64,{to_base64(data)}"
