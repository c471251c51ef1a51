"""Texts in, vectors out: what is asked for, and what came."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypedDict

import grpc

from trunkline.inference.v1 import chat_pb2, embedding_pb2, result_pb2
from trunkline_client.errors import IncompleteStream
from trunkline_client.request import build_limits, enum_value, make_key


class EmbedFields(TypedDict, total=False):
    """What embeddings may ask for, beside model and texts; see the contract's EmbedRequest."""

    dimensions: int
    """Length of the vectors; 0: the model's own."""
    task: str
    """`document`, `query`, `similarity`, `classification` or `clustering`."""
    fallbacks: Sequence[str]
    """The same model at other providers."""
    truncate: bool
    """Cut texts that are too long for the model instead of failing."""
    idempotency_key: str
    """Empty: one is made, since every request has one."""
    limits: Mapping[str, float] | chat_pb2.TimeLimits
    """By name in seconds: `connect`, `attempt` and `total`."""
    on_behalf_of: str


@dataclass(frozen=True, slots=True)
class Embeddings:
    """The vectors of all texts: none is missing.

    Attributes:
        vectors: one for each text, in their order; each of them 32-bit floats.
        summary: the contract's `EmbeddingSummary`: usage, cost, attempts, losses.
    """

    vectors: list[array[float]] = field(repr=False)
    summary: embedding_pb2.EmbeddingSummary

    @property
    def model(self) -> str:
        """Return the `provider/model` that made them."""
        return self.summary.model

    @property
    def dimensions(self) -> int:
        """Return the length of each vector."""
        return self.summary.dimensions

    @property
    def usage(self) -> result_pb2.Usage:
        """Return the tokens of all attempts together."""
        return self.summary.usage

    @property
    def run_id(self) -> str:
        """Return the run's id in the ledger."""
        return self.summary.run_id


class Collector:
    """Puts the batches of one call together.

    Args:
        request: that the call makes.
    """

    def __init__(self, request: embedding_pb2.EmbedRequest) -> None:
        self._count = len(request.inputs)
        self._vectors: list[array[float]] = []
        self._summary: embedding_pb2.EmbeddingSummary | None = None

    def take(self, message: embedding_pb2.StreamEmbedResponse) -> None:
        """Take the next message.

        Raises:
            IncompleteStream: vectors are missing before it.
        """
        if message.HasField("summary"):
            self._summary = message.summary
        elif message.HasField("batch"):
            if message.batch.first_index != len(self._vectors):
                raise _incomplete()
            self._vectors += (array("f", each.values) for each in message.batch.embeddings)

    def end(self) -> Embeddings:
        """Return the vectors; the stream has ended in good order.

        Raises:
            IncompleteStream: some are missing.
        """
        if self._summary is None or len(self._vectors) != self._count:
            raise _incomplete()
        return Embeddings(self._vectors, self._summary)


def build_embedding(
    model: str, texts: Sequence[str], fields: EmbedFields
) -> embedding_pb2.EmbedRequest:
    """Return the request for vectors; it always has an idempotency key.

    Args:
        model: `provider/model`.
        texts: one or more.
        fields: the rest.

    Raises:
        TypeError: there is no such field, or `texts` is a single one.
        ValueError: a name is none of those that a field takes.
    """
    unknown = fields.keys() - EmbedFields.__annotations__.keys()
    if unknown:
        raise TypeError(f"an embedding has no field {', '.join(sorted(unknown))}")
    if isinstance(texts, str):
        raise TypeError("texts is a list of texts, not one of them")
    request = embedding_pb2.EmbedRequest(
        model=model,
        inputs=texts,
        dimensions=fields.get("dimensions", 0),
        fallbacks=fields.get("fallbacks", ()),
        idempotency_key=fields.get("idempotency_key") or make_key(),
        truncate=fields.get("truncate", False),
        on_behalf_of=fields.get("on_behalf_of", ""),
    )
    if task := fields.get("task"):
        request.task = enum_value(embedding_pb2.EmbeddingTask.DESCRIPTOR, "EMBEDDING_TASK_", task)
    if limits := fields.get("limits"):
        request.limits.CopyFrom(build_limits(limits))
    return request


def _incomplete() -> IncompleteStream:
    """Return the error of a stream that does not have all vectors."""
    return IncompleteStream(
        "The stream ended without all of its vectors.", code=grpc.StatusCode.DATA_LOSS
    )
