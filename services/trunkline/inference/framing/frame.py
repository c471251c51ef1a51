"""What every framing shares: how long a frame may be."""

from __future__ import annotations

from typing import Final

MAX_FRAME: Final = 16 * 1024 * 1024
"""The longest frame, in bytes, without the line ends that close it."""


class FrameTooLong(Exception):
    """A frame is longer than its framing allows; the stream cannot be read any further."""
