"""The streams of an OpenAI-compatible gateway, as far as a caller of the benchmark reads them."""

from __future__ import annotations

import json
from typing import Any, Final

MAX_EVENT_BYTES: Final = 1024 * 1024
"""Most bytes of one event."""


class StreamRefused(Exception):
    """The stream holds an error, or is none."""


class Answer:
    """Hold an answer while its stream is read.

    Attributes:
        text: what was said.
        model: the last model that a chunk named.
        has_usage: whether the usage was reported.
    """

    def __init__(self) -> None:
        self.text = ""
        self.model = ""
        self.has_usage = False
        self._rest = b""

    def feed(self, data: bytes) -> None:
        """Read bytes as they came.

        Raises:
            StreamRefused: an event is an error, no JSON, or too long.
        """
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > MAX_EVENT_BYTES:
            raise StreamRefused(f"An event is over {MAX_EVENT_BYTES} bytes.")
        for line in lines:
            name, _, value = line.rstrip(b"\r").partition(b":")
            if name == b"data" and value.strip() not in (b"", b"[DONE]"):
                self._take(value)

    def _take(self, value: bytes) -> None:
        """Take one chunk."""
        try:
            chunk: Any = json.loads(value)
        except (ValueError, RecursionError):
            raise StreamRefused("An event of the gateway is no JSON.") from None
        if isinstance(chunk, dict) and chunk.get("error"):
            raise StreamRefused(json.dumps(chunk["error"]))
        try:
            deltas = [choice.get("delta") or {} for choice in chunk.get("choices") or ()]
            self.text += "".join(delta.get("content") or "" for delta in deltas)
        except (AttributeError, TypeError):
            raise StreamRefused("An event of the gateway is no chunk of a chat.") from None
        self.model = str(chunk.get("model") or self.model)
        self.has_usage = self.has_usage or bool(chunk.get("usage"))
