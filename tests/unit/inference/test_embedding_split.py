"""Texts in batches, and vectors as messages."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from trunkline.inference.adapters.embedder import Batch, EmbeddingLimits
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.embedding.split import fit, narrow, split
from trunkline.inference.embedding.wire import (
    MESSAGE_BYTES,
    size_of,
    write_batches,
    write_embeddings,
    write_summary,
)
from trunkline.inference.v1 import embedding_pb2


def batches(texts: list[str], limits: EmbeddingLimits, dimensions: int = 8) -> list[Batch]:
    """Return the batches of texts; together they are the texts, each numbered by its first."""
    request = embedding_pb2.EmbedRequest(model="acme/model", inputs=texts)
    found = list(split(request, texts, limits, dimensions))
    assert [text for batch in found for text in batch.texts] == texts
    index = 0
    for batch in found:
        assert batch.first_index == index
        index += len(batch.texts)
    return found


def sizes(found: list[Batch]) -> list[int]:
    """Return how many texts batches have."""
    return [len(batch.texts) for batch in found]


def test_batches_hold_to_items() -> None:
    """The last one has the rest."""
    assert sizes(batches(["a"] * 250, EmbeddingLimits(items=100))) == [100, 100, 50]


def test_batches_hold_to_tokens() -> None:
    """By length, three bytes a token; a text that is longer alone goes alone."""
    limits = EmbeddingLimits(items=100, request_tokens=10)
    assert sizes(batches(["abc"] * 25, limits)) == [10, 10, 5]
    assert sizes(batches(["x" * 300, "abc", "語" * 10, "abc"], limits)) == [1, 1, 1, 1]


def test_batches_hold_to_what_a_message_holds() -> None:
    """By the length of the vectors, and by an assumed one where it is not known."""
    limits = EmbeddingLimits(items=2048)
    for dimensions, count in ((1536, 340), (65_536, 7), (0, 340)):
        found = batches(["a"] * 700, limits, dimensions)
        assert sizes(found)[0] == count
        assert size_of(count, dimensions or 1536) <= MESSAGE_BYTES


def test_batches_hold_to_what_a_request_holds() -> None:
    """Long texts go out a few at a time."""
    assert max(sizes(batches(["x" * 2**20] * 9, EmbeddingLimits(items=2048)))) == 4


def test_limits_hold_for_every_service() -> None:
    """What is not known of one does not loosen what is known of another."""
    known = EmbeddingLimits(items=2048, item_tokens=8192, request_tokens=300_000)
    other = EmbeddingLimits(items=100, item_tokens=2048, truncates=True)
    assert narrow([known, other]) == EmbeddingLimits(100, 2048, 300_000, False)
    assert narrow([other]) == other


def fitted(texts: list[str], limits: EmbeddingLimits, **fields: Any) -> tuple[list[str], list[str]]:
    """Return texts as they are sent, and the paths of what is lost."""
    losses = Losses()
    request = embedding_pb2.EmbedRequest(inputs=texts, **fields)
    sent = list(fit(request, limits, losses))
    return sent, [loss.path for loss in losses.collected()]


def test_texts_are_cut_between_characters() -> None:
    """Only where that is asked for, and the service does not do it."""
    limits = EmbeddingLimits(items=9, item_tokens=2)
    assert fitted(["short", "longer", "語言語"], limits) == (["short", "longer", "語言語"], [])
    cut, paths = fitted(["short", "longer than", "ab語言語"], limits, truncate=True)
    assert (cut, paths) == (["short", "longer", "ab語"], ["inputs[1]", "inputs[2]"])
    own = EmbeddingLimits(items=9, item_tokens=2, truncates=True)
    assert fitted(["longer than"], own, truncate=True) == (["longer than"], [])
    unknown = EmbeddingLimits(items=9)
    assert fitted(["longer than"], unknown, truncate=True) == (["longer than"], ["truncate"])


@pytest.mark.parametrize("dimensions", [1, 31, 32, 1536, 65_536])
def test_bytes_are_the_messages_of_the_contract(dimensions: int) -> None:
    """Protobuf reads what is put together without it, and writes the same."""
    numbers = [[float(place + row) for place in range(dimensions)] for row in range(3)]
    vectors = [struct.pack(f"<{dimensions}f", *row) for row in numbers]
    summary = embedding_pb2.EmbeddingSummary(model="acme/model", dimensions=dimensions)
    written = write_embeddings(vectors) + write_summary(summary)
    made = embedding_pb2.EmbedResponse(
        embeddings=[embedding_pb2.Embedding(values=row) for row in numbers], summary=summary
    )
    assert written == made.SerializeToString()
    for index in (0, 300):
        [message] = write_batches(index, vectors)
        batch = embedding_pb2.EmbeddingBatch(first_index=index, embeddings=made.embeddings)
        assert message == embedding_pb2.StreamEmbedResponse(batch=batch).SerializeToString()


def test_a_long_piece_is_several_messages() -> None:
    """Each numbered by its first text, none of them too long."""
    vectors = [bytes(4 * 4096)] * 300
    messages = list(write_batches(7, vectors))
    assert max(map(len, messages)) <= MESSAGE_BYTES + 16
    found = [embedding_pb2.StreamEmbedResponse.FromString(each).batch for each in messages]
    counts = [len(each.embeddings) for each in found]
    assert sum(counts) == 300
    assert [each.first_index for each in found] == [7, 7 + counts[0], 7 + counts[0] + counts[1]]
