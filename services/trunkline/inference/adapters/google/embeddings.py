"""Embeddings of the Gemini API.

Source: https://ai.google.dev/gemini-api/docs/embeddings and
https://ai.google.dev/api/embeddings. What vectors are for is a field for the first generation of
models, and words before the text for the second, as its page writes them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.embedder import (
    Batch,
    BuiltEmbedding,
    Embedded,
    EmbeddingLimits,
)
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.google.errors import in_stream
from trunkline.inference.adapters.google.families import bare_id
from trunkline.inference.adapters.google.request import own_headers, resource
from trunkline.inference.adapters.google.usage import read_usage
from trunkline.inference.adapters.google.words import read_words
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.requests import JSON, build_request
from trunkline.inference.adapters.values import Json
from trunkline.inference.adapters.vectors import collect, decode_document
from trunkline.inference.v1 import embedding_pb2

MAX_ITEMS: Final = 100
"""How many texts one request takes."""

_AS_WORDS: Final = "The model is told by words before the text what vectors are for."

_TASKS: Final = {
    embedding_pb2.EMBEDDING_TASK_DOCUMENT: "RETRIEVAL_DOCUMENT",
    embedding_pb2.EMBEDDING_TASK_QUERY: "RETRIEVAL_QUERY",
    embedding_pb2.EMBEDDING_TASK_SIMILARITY: "SEMANTIC_SIMILARITY",
    embedding_pb2.EMBEDDING_TASK_CLASSIFICATION: "CLASSIFICATION",
    embedding_pb2.EMBEDDING_TASK_CLUSTERING: "CLUSTERING",
}
_WORDS: Final = {
    embedding_pb2.EMBEDDING_TASK_DOCUMENT: "title: none | text: ",
    embedding_pb2.EMBEDDING_TASK_QUERY: "task: search result | query: ",
    embedding_pb2.EMBEDDING_TASK_SIMILARITY: "task: sentence similarity | query: ",
    embedding_pb2.EMBEDDING_TASK_CLASSIFICATION: "task: classification | query: ",
    embedding_pb2.EMBEDDING_TASK_CLUSTERING: "task: clustering | query: ",
}

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class _Family:
    """What embedding models whose ids begin alike have in common.

    Attributes:
        prefix: what their ids begin with.
        item_tokens: of one text; 0: not known.
        words: what is put before a text, by task; empty: the task has a field.
    """

    prefix: str
    item_tokens: int = 0
    words: dict[embedding_pb2.EmbeddingTask.ValueType, str] = field(default_factory=dict)


_FAMILIES: Final = (
    _Family("gemini-embedding-2", 8192, _WORDS),
    _Family("", 2048),
)


class _Vector(msgspec.Struct):
    values: list[float] = msgspec.field(default_factory=list)


class _Answer(msgspec.Struct):
    embeddings: list[_Vector]
    usage: Any = msgspec.field(default=None, name="usageMetadata")


class _LooseVector(msgspec.Struct):
    values: Any = None


class _LooseAnswer(msgspec.Struct):
    embeddings: list[_LooseVector]
    usage: Any = msgspec.field(default=None, name="usageMetadata")


_decoder: Final[msgspec.json.Decoder[_Answer | _LooseAnswer]] = msgspec.json.Decoder(_Answer)


class GoogleEmbedder:
    """`batchEmbedContents`; see `Embedder`. It holds nothing: one serves all attempts."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what the service takes at once; see `Embedder.limits`."""
        del base_url, provider_type
        return EmbeddingLimits(items=MAX_ITEMS, item_tokens=_family_of(model).item_tokens)

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request; see `Embedder.build`.

        Each text is a content of its own: parts of one content become one vector.
        """
        losses = Losses()
        words = ""
        shared: Json = {"model": f"models/{bare_id(target.model)}"}
        if batch.task:
            words = _family_of(target.model).words.get(batch.task, "")
            if words:
                losses.translated("task", _AS_WORDS)
            else:
                shared["taskType"] = _TASKS[batch.task]
        if batch.dimensions:
            shared["outputDimensionality"] = batch.dimensions
        requests = [
            {**shared, "content": {"parts": [{"text": words + text}]}} for text in batch.texts
        ]
        return BuiltEmbedding(
            request=build_request(
                "POST",
                target,
                f"/{resource(target.model)}:batchEmbedContents",
                accept=JSON,
                own=own_headers(target),
                content=_encode({"requests": requests}),
            ),
            losses=losses.collected(),
        )

    def read(self, target: Target, batch: Batch, body: bytes) -> Embedded:
        """Read the vectors; see `Embedder.read`."""
        answer = decode_document(body, _decoder, _LooseAnswer)
        if answer is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(target, words, body)
            raise broken(target, "is no list of embeddings", body)
        vectors = collect(target, batch, [each.values for each in answer.embeddings])
        usage = answer.usage
        return Embedded(vectors, read_usage(usage) if isinstance(usage, dict) else None)


def _family_of(model: str) -> _Family:
    """Return the family of a model."""
    name = bare_id(model)
    return next(family for family in _FAMILIES if name.startswith(family.prefix))
