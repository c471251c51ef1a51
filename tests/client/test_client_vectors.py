"""Requests for vectors, and batches put together, without a server."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from trunkline.inference.v1 import embedding_pb2
from trunkline_client import IncompleteStream
from trunkline_client.embedding import Collector, build_embedding


def test_every_request_has_a_key() -> None:
    """So that a call that is made again does not ask twice."""
    first, second = (build_embedding("a/b", ["Hello"], {}) for _ in range(2))
    assert first.idempotency_key.startswith("key_")
    assert first.idempotency_key != second.idempotency_key
    given = build_embedding(
        "a/b", ["Hello"], {"idempotency_key": "mine", "limits": {"total": 2.5}, "task": "document"}
    )
    assert given.idempotency_key == "mine"
    assert given.limits.total.ToMilliseconds() == 2500
    assert given.task == embedding_pb2.EMBEDDING_TASK_DOCUMENT


@pytest.mark.parametrize(
    ("texts", "fields", "error"),
    [
        ("Hello", {}, TypeError),
        (["Hello"], {"dimension": 3}, TypeError),
        (["Hello"], {"task": "sorting"}, ValueError),
    ],
)
def test_misspelt_word_is_refused(texts: Any, fields: Any, error: type[Exception]) -> None:
    """Before anything is sent."""
    with pytest.raises(error):
        build_embedding("a/b", texts, fields)


def test_a_stream_without_all_vectors_is_an_error() -> None:
    """Whether its middle or its end is missing."""
    request = embedding_pb2.EmbedRequest(inputs=["one", "two"])
    one = embedding_pb2.Embedding(values=[0.5])
    batch = embedding_pb2.EmbeddingBatch(first_index=1, embeddings=[one])
    with pytest.raises(IncompleteStream):
        Collector(request).take(embedding_pb2.StreamEmbedResponse(batch=batch))
    collector = Collector(request)
    batch.first_index = 0
    collector.take(embedding_pb2.StreamEmbedResponse(batch=batch))
    with pytest.raises(IncompleteStream) as caught:
        collector.end()
    assert caught.value.code is grpc.StatusCode.DATA_LOSS
