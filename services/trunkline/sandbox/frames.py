"""Frames: the parts of a stream that a client reads one by one."""

from __future__ import annotations

import re
from typing import Final

_ENDS: Final = {
    "text/event-stream": re.compile(rb"(?s).*?(?:\r\n\r\n|\n\n|\Z)"),
    "application/x-ndjson": re.compile(rb"[^\n]*(?:\n|\Z)"),
}


def split_frames(stream_type: str, data: bytes) -> list[bytes]:
    """Split bytes of a stream into its frames, each with its end.

    Args:
        stream_type: content type. Bytes of a type without ends of its own are one frame.
        data: whole frames.
    """
    expression = _ENDS.get(stream_type.partition(";")[0])
    frames = [data] if expression is None else expression.findall(data)
    return [frame for frame in frames if frame]
