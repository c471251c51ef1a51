"""What stands in a segment before it is sealed: events, and what readers do not see.

A record is its kind (1 byte), its length (4 bytes, big-endian) and a serialised message.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Final

_HEAD: Final = struct.Struct(">BI")


class Kind(IntEnum):
    """What a record is."""

    EVENT = 1
    """A `ChatEvent`; they alone have sequences."""
    ATTEMPT = 2
    """An `Attempt` as the ledger has it; a later one of a number replaces the one before."""
    LOSS = 3
    """A `Loss` of the answer so far."""
    TOOL_RESULT = 4
    """A `ToolResult` of a Converse."""


def pack(records: Iterable[tuple[Kind, bytes]]) -> bytes:
    """Return records as they are sealed."""
    pieces = []
    for kind, data in records:
        pieces.append(_HEAD.pack(kind, len(data)))
        pieces.append(data)
    return b"".join(pieces)


def unpack(data: bytes) -> Iterator[tuple[Kind, bytes]]:
    """Yield the records of a segment; those of a kind that is not known are passed over.

    Raises:
        ValueError: the data are none of ours.
    """
    start = 0
    kinds = {int(kind): kind for kind in Kind}
    while start < len(data):
        try:
            kind, length = _HEAD.unpack_from(data, start)
        except struct.error:
            raise ValueError("a record is cut off") from None
        start += _HEAD.size
        if start + length > len(data):
            raise ValueError("a record is cut off")
        if kind in kinds:
            yield kinds[kind], data[start : start + length]
        start += length
