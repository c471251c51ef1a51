"""Place the marks that ask for caching: blocks of their own, of which few are taken.

Source: https://docs.aws.amazon.com/bedrock/latest/userguide/prompt-caching.html. The prompt begins
with the tools; the system prompt and the messages follow.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from trunkline.inference.adapters.bedrock.families import MESSAGES, SYSTEM, TOOLS, Family
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

MAX_MARKS: Final = 4
"""How many marks a request may have."""

_KEY: Final = "cachePoint"
_SHORT_S: Final = 300
_LONG_S: Final = 3600

_ORDER: Final = (TOOLS, SYSTEM, MESSAGES)

_NOT_HERE: Final = "The model takes no cache mark here."
_TOO_MANY: Final = f"The provider takes {MAX_MARKS} cache marks; the last ones are sent."
_NO_SUCH_TTL: Final = "The provider keeps a prompt for 5 minutes or for 1 hour."
_NOT_LONG: Final = "The model keeps a prompt for 5 minutes."
_SHORTER_BEFORE: Final = "The provider takes no longer time after a shorter one."


@dataclass(frozen=True, slots=True)
class _Mark:
    """A mark that was put.

    Attributes:
        blocks: among which it stands.
        block: itself.
        area: `TOOLS`, `SYSTEM` or `MESSAGES`.
        path: of what is marked; empty when nobody asked for it.
    """

    blocks: list[Any]
    block: Json
    area: str
    path: str


class Marks:
    """The marks of one request.

    Args:
        family: of the model.
        losses: takes what is left out or carried in another form.
    """

    __slots__ = ("_family", "_losses", "_put")

    def __init__(self, family: Family, losses: Losses) -> None:
        self._family = family
        self._losses = losses
        self._put: list[_Mark] = []

    def put(self, blocks: list[Any], area: str, path: str, point: message_pb2.CachePoint) -> None:
        """Mark what stands last among some blocks.

        Args:
            blocks: of a message, of the system prompt, or the tools.
            area: which of these it is.
            path: of what is marked, in the request.
            point: says how long.
        """
        after = blocks[-1] if blocks else {}
        if area not in self._family.caches or (
            "document" in after and not self._family.mark_after_document
        ):
            self._losses.dropped(f"{path}.cache", _NOT_HERE)
            return
        mark = {"type": "default"}
        if point.HasField("ttl"):
            seconds = point.ttl.seconds + point.ttl.nanos / 1e9
            if seconds > _SHORT_S:
                mark["ttl"] = "1h"
            if seconds not in (_SHORT_S, _LONG_S):
                self._losses.translated(f"{path}.cache.ttl", _NO_SUCH_TTL)
            if seconds > _SHORT_S and not self._family.long_marks:
                del mark["ttl"]
                self._losses.translated(f"{path}.cache.ttl", _NOT_LONG)
        block = {_KEY: mark}
        blocks.append(block)
        self._put.append(_Mark(blocks, block, area, path))

    def put_by_default(self, blocks: list[Any], area: str) -> None:
        """Mark the end of the tools or of the system prompt, unless it is marked (O9)."""
        family = self._family
        if blocks and family.marks and area in family.caches and not is_mark(blocks[-1]):
            block: Json = {_KEY: {"type": "default"}}
            blocks.append(block)
            self._put.append(_Mark(blocks, block, area, ""))

    def settle(self) -> None:
        """Take away the marks that are too many, and shorten those that come too late."""
        marks = sorted(self._put, key=lambda mark: _ORDER.index(mark.area))
        for mark in list(_first_to_go(marks))[: max(len(marks) - MAX_MARKS, 0)]:
            # By identity: marks are equal to each other.
            mark.blocks[:] = [each for each in mark.blocks if each is not mark.block]
            marks.remove(mark)
            if mark.path:
                self._losses.dropped(f"{mark.path}.cache", _TOO_MANY)
        short = False
        # A default mark holds as long as the ones behind it need: it has no wish of its own.
        for index, mark in enumerate(marks):
            inner = mark.block[_KEY]
            if not mark.path and any("ttl" in later.block[_KEY] for later in marks[index + 1 :]):
                inner["ttl"] = "1h"
            if "ttl" not in inner:
                short = True
            elif short:
                del inner["ttl"]
                self._losses.translated(f"{mark.path}.cache.ttl", _SHORTER_BEFORE)


def is_mark(block: Any) -> bool:
    """Tell whether a block is a mark."""
    return isinstance(block, dict) and _KEY in block


def _first_to_go(marks: list[_Mark]) -> Iterator[_Mark]:
    """Yield marks in the order in which they are dispensable."""
    yield from (mark for mark in marks if not mark.path)
    yield from (mark for mark in marks if mark.path)
