"""Embeddings of Ollama's own API.

Source: https://docs.ollama.com/api/embed.
"""

from __future__ import annotations

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
from trunkline.inference.adapters.ollama.errors import in_stream
from trunkline.inference.adapters.ollama.request import own_headers
from trunkline.inference.adapters.ollama.words import read_words
from trunkline.inference.adapters.requests import JSON, build_request
from trunkline.inference.adapters.values import Json, count
from trunkline.inference.adapters.vectors import collect, decode_document
from trunkline.inference.v1 import result_pb2

_NO_TASK: Final = "Ollama does not take what vectors are for."

# The server has no limit of its own. A machine of one's own takes its time for each text, and
# all of a request's fail with one of them.
_LIMITS: Final = EmbeddingLimits(items=64, truncates=True)

_encode = msgspec.json.Encoder().encode


class _Answer(msgspec.Struct):
    embeddings: list[list[float]]
    prompt_eval_count: Any = None


class _LooseAnswer(msgspec.Struct):
    embeddings: list[Any]
    prompt_eval_count: Any = None


_decoder: Final[msgspec.json.Decoder[_Answer | _LooseAnswer]] = msgspec.json.Decoder(_Answer)


class OllamaEmbedder:
    """`/api/embed`; see `Embedder`. It holds nothing: one serves all attempts."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what a server takes at once; see `Embedder.limits`."""
        del base_url, model, provider_type
        return _LIMITS

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request; see `Embedder.build`."""
        losses = Losses()
        body: Json = {
            "model": target.model,
            "input": batch.texts,
            # Left out, texts that are too long would be cut in silence.
            "truncate": batch.truncate,
        }
        if batch.dimensions:
            body["dimensions"] = batch.dimensions
        if batch.task:
            losses.dropped("task", _NO_TASK)
        return BuiltEmbedding(
            request=build_request(
                "POST",
                target,
                "/api/embed",
                accept=JSON,
                own=own_headers(target),
                content=_encode(body),
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
        vectors = collect(target, batch, answer.embeddings)
        if answer.prompt_eval_count is None:
            return Embedded(vectors)
        usage = result_pb2.Usage(
            input_tokens=count({"input": answer.prompt_eval_count}, "input"),
            source=result_pb2.USAGE_SOURCE_REPORTED,
        )
        return Embedded(vectors, usage)
