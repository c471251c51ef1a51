"""Vectors as the messages of the contract, put together from bytes.

A `repeated float` is packed: a tag, a length, and the numbers as little-endian float32. So a
vector goes from the provider to the wire as it is, and no message with a list of numbers is made.

Source: https://protobuf.dev/programming-guides/encoding/.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from trunkline.inference.v1 import embedding_pb2

# Field numbers and wire types of the contract: `number << 3 | type`; 0 is a varint, 2 has a length.
_VALUES: Final = b"\x0a"  # Embedding.values = 1
_RESPONSE_EMBEDDINGS: Final = b"\x0a"  # EmbedResponse.embeddings = 1
_BATCH_FIRST_INDEX: Final = b"\x08"  # EmbeddingBatch.first_index = 1
_BATCH_EMBEDDINGS: Final = b"\x12"  # EmbeddingBatch.embeddings = 2
_STREAM_BATCH: Final = b"\x0a"  # StreamEmbedResponse.batch = 1

# What stands around one vector at most: two tags and two lengths of up to 4 bytes.
FRAME_BYTES: Final = 10
MESSAGE_BYTES: Final = 2 * 1024 * 1024
"""The longest message of a stream, unless one vector alone is longer: half of what a client of
gRPC reads that nothing was said to."""


def write_embeddings(vectors: Sequence[bytes]) -> bytes:
    """Return vectors as a part of an `EmbedResponse`."""
    return _write(_RESPONSE_EMBEDDINGS, vectors)


def write_batches(first_index: int, vectors: Sequence[bytes]) -> Iterator[bytes]:
    """Yield vectors as `StreamEmbedResponse`s, none of them too long.

    Args:
        first_index: of the first vector's text.
        vectors: of the texts from there on, all of one length.
    """
    count = max(1, MESSAGE_BYTES // (len(vectors[0]) + FRAME_BYTES)) if vectors else 1
    for start in range(0, len(vectors), count):
        index = first_index + start
        head = _BATCH_FIRST_INDEX + _varint(index) if index else b""
        batch = head + _write(_BATCH_EMBEDDINGS, vectors[start : start + count])
        yield b"".join((_STREAM_BATCH, _varint(len(batch)), batch))


def write_summary(summary: embedding_pb2.EmbeddingSummary) -> bytes:
    """Return a summary as a part of an `EmbedResponse`."""
    return embedding_pb2.EmbedResponse(summary=summary).SerializeToString()


def size_of(count: int, dimensions: int) -> int:
    """Return about how many bytes so many vectors take in a response, and rather more than less."""
    return count * (dimensions * 4 + FRAME_BYTES)


def _write(field: bytes, vectors: Sequence[bytes]) -> bytes:
    """Return vectors as values of a repeated field."""
    parts: list[bytes] = []
    head, size = b"", -1
    for vector in vectors:
        if len(vector) != size:
            # They are of one length, as long as they are of one model.
            size = len(vector)
            inner = _VALUES + _varint(size)
            head = field + _varint(len(inner) + size) + inner
        parts += (head, vector)
    return b"".join(parts)


def _varint(number: int) -> bytes:
    """Return a number that is not negative as a varint."""
    written = bytearray()
    while number > 0x7F:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
