"""Embeddings in OpenAI's format.

Source: https://platform.openai.com/docs/api-reference/embeddings.
"""

from __future__ import annotations

from collections.abc import Sequence
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
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.openai.embedding_services import Service, service_at
from trunkline.inference.adapters.openai.errors import in_stream
from trunkline.inference.adapters.openai.request import own_headers
from trunkline.inference.adapters.openai.usage import read_usage
from trunkline.inference.adapters.openai.words import read_words
from trunkline.inference.adapters.requests import JSON, build_request
from trunkline.inference.adapters.values import Json
from trunkline.inference.adapters.vectors import bad_vector, collect, decode_document

_NO_TASK: Final = "The format does not say what vectors are for."

_encode = msgspec.json.Encoder().encode


class _Item(msgspec.Struct):
    # Base64 is decoded with the document, which takes half of what doing it afterwards does.
    embedding: bytes | list[float]
    index: int | None = None


class _Answer(msgspec.Struct):
    data: list[_Item]
    usage: Any = None


class _LooseItem(msgspec.Struct):
    embedding: Any = None
    index: int | None = None


class _LooseAnswer(msgspec.Struct):
    data: list[_LooseItem]
    usage: Any = None


_decoder: Final[msgspec.json.Decoder[_Answer | _LooseAnswer]] = msgspec.json.Decoder(_Answer)


class OpenAIEmbedder:
    """`/embeddings`; see `Embedder`. It holds nothing: one serves all attempts."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what a service takes at once; see `Embedder.limits`."""
        del model
        return service_at(base_url, provider_type=provider_type).limits

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request; see `Embedder.build`.

        The format cannot ask for texts to be cut: they were, by their length.
        """
        service = service_at(target.base_url, provider_type=target.type)
        losses = Losses()
        content = encode_batch(target, batch, service, losses)
        return BuiltEmbedding(
            request=build_request(
                "POST",
                target,
                service.path,
                accept=JSON,
                own=own_headers(target),
                content=content,
            ),
            losses=losses.collected(),
        )

    def read(self, target: Target, batch: Batch, body: bytes) -> Embedded:
        """Read the vectors; see `Embedder.read`."""
        service = service_at(target.base_url, provider_type=target.type)
        return read_embedded(target, batch, body, service)


def encode_batch(target: Target, batch: Batch, service: Service, losses: Losses) -> bytes:
    """Return the body of the request for the vectors of one batch.

    Args:
        target: who is asked.
        batch: what is asked for.
        service: how who is asked differs.
        losses: takes what is left out.
    """
    body: Json = {"model": target.model, "input": batch.texts}
    if service.base64:
        body["encoding_format"] = "base64"
    if batch.dimensions:
        body[service.dimensions] = batch.dimensions
    if batch.task:
        losses.dropped("task", _NO_TASK)
    return _encode(body)


def read_embedded(target: Target, batch: Batch, body: bytes, service: Service) -> Embedded:
    """Read the vectors of one batch; see `Embedder.read`.

    Args:
        target: who gave them.
        batch: that was asked for.
        body: of the whole reply.
        service: how who gave them differs.
    """
    answer = decode_document(body, _decoder, _LooseAnswer)
    if answer is None:
        words = read_words(body)
        if words is not None:
            raise in_stream(target, words, body)
        raise broken(target, "is no list of embeddings", body)
    given = _in_order(target, batch, answer.data)
    if not service.base64:
        # What comes so without being asked for may be of another type of numbers.
        given = [None if isinstance(each, bytes | str) else each for each in given]
    vectors = collect(target, batch, given)
    usage = answer.usage
    return Embedded(vectors, read_usage(usage) if isinstance(usage, dict) else None)


def _in_order(target: Target, batch: Batch, items: Sequence[_Item | _LooseItem]) -> list[Any]:
    """Return the vectors in the order of their texts, which is told by their indices.

    Raises:
        BadVector: a text has none, or two.
    """
    found: dict[int, Any] = {}
    for position, item in enumerate(items):
        index = position if item.index is None else item.index
        if index in found or not 0 <= index < len(batch.texts):
            raise bad_vector(target, batch.first_index + position, "numbers its vectors wrong")
        found[index] = item.embedding
    missing = next((each for each in range(len(batch.texts)) if each not in found), None)
    if missing is not None:
        what = f"has {len(items)} vectors for {len(batch.texts)} texts"
        raise bad_vector(target, batch.first_index + missing, what)
    return [found[index] for index in range(len(batch.texts))]
