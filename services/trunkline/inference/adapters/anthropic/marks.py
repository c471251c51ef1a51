"""Place the marks that ask for caching, of which the format takes few.

Source: https://platform.claude.com/docs/en/build-with-claude/prompt-caching.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

MAX_MARKS: Final = 4
"""How many marks a request may have."""

_KEY: Final = "cache_control"
_SHORT_S: Final = 300
_LONG_S: Final = 3600

_TOO_MANY: Final = f"The provider takes {MAX_MARKS} cache marks; the last ones are sent."
_NO_SUCH_TTL: Final = "The provider keeps a prompt for 5 minutes or for 1 hour."
_SHORTER_BEFORE: Final = "The provider takes no longer time after a shorter one."


class Marks:
    """The marks of one request.

    Args:
        losses: takes what is left out or carried in another form.
    """

    __slots__ = ("_losses", "_paths")

    def __init__(self, losses: Losses) -> None:
        self._losses = losses
        # By the identity of the block, which lives as long as the request.
        self._paths: dict[int, str] = {}

    def put(self, block: Json, path: str, point: message_pb2.CachePoint) -> None:
        """Mark a block; a second mark of the same replaces the first.

        Args:
            block: a tool, or a block of a message or of the system prompt.
            path: of what is marked, in the request.
            point: says how long.
        """
        mark = {"type": "ephemeral"}
        if point.HasField("ttl"):
            seconds = point.ttl.seconds + point.ttl.nanos / 1e9
            mark["ttl"] = "5m" if seconds <= _SHORT_S else "1h"
            if seconds not in (_SHORT_S, _LONG_S):
                self._losses.translated(f"{path}.cache.ttl", _NO_SUCH_TTL)
        block[_KEY] = mark
        self._paths[id(block)] = path

    def put_usual(self, *parts: Sequence[Json]) -> None:
        """Mark the end of each part of the prompt that stays the same from turn to turn (O9).

        Who marked anything knows better what will be read again, and is left alone.

        Args:
            parts: blocks of the request: the tools, the system prompt.
        """
        if self._paths:
            return
        for blocks in parts:
            if blocks:
                blocks[-1][_KEY] = {"type": "ephemeral"}

    def settle(self, blocks: Iterable[Json]) -> None:
        """Take away the marks that are too many, and shorten those that come too late.

        Args:
            blocks: of the request in the order of the prompt: tools, system, messages.
        """
        if not self._paths:
            return
        marked = [block for block in blocks if _KEY in block]
        for block in marked[:-MAX_MARKS]:
            del block[_KEY]
            self._losses.dropped(f"{self._paths[id(block)]}.cache", _TOO_MANY)
        short = False
        for block in marked[-MAX_MARKS:]:
            mark = block[_KEY]
            if mark.get("ttl") != "1h":
                short = True
            elif short:
                mark["ttl"] = "5m"
                self._losses.translated(f"{self._paths[id(block)]}.cache.ttl", _SHORTER_BEFORE)
