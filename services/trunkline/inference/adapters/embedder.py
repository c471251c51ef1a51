"""What an embedder is: how one wire format asks for vectors and gives them, without any I/O.

It stands beside the adapter of its format, which still says what a refusal means. A format
without one makes no embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import msgspec

from trunkline.inference.adapters.adapter import ProviderFailed, Target
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import embedding_pb2, failure_pb2, result_pb2


class EmbeddingLimits(msgspec.Struct, frozen=True):
    """What a service takes in one request; 0: that is not known.

    Attributes:
        items: texts of one request, at least 1.
        item_tokens: tokens of one text.
        request_tokens: tokens of all texts of one request.
        truncates: it cuts texts that are too long where it is told to.
    """

    items: int
    item_tokens: int = 0
    request_tokens: int = 0
    truncates: bool = False


class Batch(msgspec.Struct, frozen=True):
    """Texts that are asked for in one request.

    Attributes:
        first_index: of the first text in the caller's request, counted from 0.
        texts: at least one, none empty.
        dimensions: length of the vectors; 0: the model's own.
        task: what the vectors are for.
        truncate: the provider is to cut texts that are too long, where it does that itself.
    """

    first_index: int
    texts: Sequence[str]
    dimensions: int = 0
    task: embedding_pb2.EmbeddingTask.ValueType = embedding_pb2.EMBEDDING_TASK_UNSPECIFIED
    truncate: bool = False

    def __repr__(self) -> str:
        """Show which texts, and not what they say."""
        return f"Batch({self.first_index}, {len(self.texts)} texts)"


class BuiltEmbedding(msgspec.Struct, frozen=True):
    """A request for vectors on its way out, and what of it cannot be carried.

    Attributes:
        request: ready to send, the secret in its headers.
        losses: what was dropped or translated; `attempt` is left 0.
    """

    request: Request
    losses: tuple[result_pb2.Loss, ...] = ()

    def __repr__(self) -> str:
        """Show what is lost, and nothing of the request, in whose headers the secret is."""
        return f"BuiltEmbedding(losses={self.losses!r})"


class Embedded(msgspec.Struct, frozen=True):
    """The vectors of one batch.

    Attributes:
        vectors: one for each text, in their order: little-endian float32, all of one length
            that is not 0, every number finite.
        usage: None when the provider reported none.
    """

    vectors: list[bytes]
    usage: result_pb2.Usage | None = None


class BadVector(ProviderFailed):
    """A provider gave what is no vector, or none where one is due.

    Args:
        failure: as of `ProviderFailed`.
        index: of the text in the caller's request, counted from 0.
    """

    def __init__(self, failure: failure_pb2.AttemptFailure, index: int) -> None:
        super().__init__(failure)
        self.index = index


class Embedder(Protocol):
    """How one wire format makes vectors."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what a service takes at once.

        Args:
            base_url: of the service.
            model: as the service calls it.
            provider_type: in the catalog; the vendor's own may stand behind any host.

        Returns:
            None: the service makes no embeddings.
        """

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request for the vectors of one batch."""

    def read(self, target: Target, batch: Batch, body: bytes) -> Embedded:
        """Read the whole reply with status 200 to such a request.

        Raises:
            BadVector: a vector is missing, empty, of another length, or not finite.
            ProviderFailed: the body is an error, or no such answer (BROKEN_STREAM).
        """
