"""Embeddings of Bedrock, by InvokeModel: each family of models in a form of its own.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_InvokeModel.html and the
pages in `embedding_families`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.bedrock.address import model_path
from trunkline.inference.adapters.bedrock.embedding_families import (
    EmbeddingFamily,
    Form,
    embedding_family_of,
)
from trunkline.inference.adapters.bedrock.errors import in_stream
from trunkline.inference.adapters.bedrock.request import build_post
from trunkline.inference.adapters.bedrock.words import read_words
from trunkline.inference.adapters.embedder import (
    Batch,
    BuiltEmbedding,
    Embedded,
    EmbeddingLimits,
)
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.requests import JSON
from trunkline.inference.adapters.values import Json, count
from trunkline.inference.adapters.vectors import collect, decode_document
from trunkline.inference.v1 import result_pb2

_NO_TASK: Final = "The model does not take what vectors are for."
_NO_SUCH_TASK: Final = "The model has no word for this task; it is asked as for documents."


class _Titan(msgspec.Struct):
    embedding: list[float]
    tokens: Any = msgspec.field(default=None, name="inputTextTokenCount")


class _LooseTitan(msgspec.Struct):
    embedding: Any
    tokens: Any = msgspec.field(default=None, name="inputTextTokenCount")


class _ByType(msgspec.Struct):
    floats: list[list[float]] = msgspec.field(name="float")


class _LooseByType(msgspec.Struct):
    floats: list[Any] = msgspec.field(name="float")


class _Cohere(msgspec.Struct):
    # A list, or lists by the type of their numbers.
    embeddings: list[list[float]] | _ByType


class _LooseCohere(msgspec.Struct):
    embeddings: list[Any] | _LooseByType


class _Item(msgspec.Struct):
    embedding: list[float]


class _Nova(msgspec.Struct):
    embeddings: list[_Item]


class _LooseItem(msgspec.Struct):
    embedding: Any = None


class _LooseNova(msgspec.Struct):
    embeddings: list[_LooseItem]


_titan: Final[msgspec.json.Decoder[_Titan | _LooseTitan]] = msgspec.json.Decoder(_Titan)
_cohere: Final[msgspec.json.Decoder[_Cohere | _LooseCohere]] = msgspec.json.Decoder(_Cohere)
_nova: Final[msgspec.json.Decoder[_Nova | _LooseNova]] = msgspec.json.Decoder(_Nova)


class BedrockEmbedder:
    """`invoke`; see `Embedder`. It holds nothing: one serves all attempts."""

    def limits(self, base_url: str, model: str, *, provider_type: str) -> EmbeddingLimits | None:
        """Return what a model takes at once; see `Embedder.limits`."""
        del base_url, provider_type
        family = embedding_family_of(model)
        return family.limits if family else None

    def build(self, target: Target, batch: Batch) -> BuiltEmbedding:
        """Build the request; see `Embedder.build`.

        Raises:
            ValueError: the model makes no embeddings.
        """
        family = _family(target)
        losses = Losses()
        body = _body(batch, family, losses)
        return BuiltEmbedding(
            request=build_post(target, f"{model_path(target.model)}/invoke", body, accept=JSON),
            losses=losses.collected(),
        )

    def read(self, target: Target, batch: Batch, body: bytes) -> Embedded:
        """Read the vectors; see `Embedder.read`.

        How many tokens they took is in the answer of Titan alone.

        Raises:
            ValueError: the model makes no embeddings.
        """
        given, tokens = _READERS[_family(target).form](body)
        if given is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(target, words, body)
            raise broken(target, "is no list of embeddings", body)
        vectors = collect(target, batch, given)
        if tokens is None:
            return Embedded(vectors)
        usage = result_pb2.Usage(
            input_tokens=count({"input": tokens}, "input"),
            source=result_pb2.USAGE_SOURCE_REPORTED,
        )
        return Embedded(vectors, usage)


def _family(target: Target) -> EmbeddingFamily:
    """Return the family of the model that is asked.

    Raises:
        ValueError: it makes no embeddings; nobody asks it who heeds its limits.
    """
    family = embedding_family_of(target.model)
    if family is None:
        raise ValueError("the model makes no embeddings")
    return family


def _body(batch: Batch, family: EmbeddingFamily, losses: Losses) -> Json:
    """Return the body of a request.

    A length that cannot be chosen is left out where it is the model's own. Where it is another, it
    is for the service to refuse.
    """
    dimensions = batch.dimensions if batch.dimensions != family.length else 0
    task = _task(batch, family, losses)
    texts = _fit(batch, family, losses)
    # Cohere is said to refuse texts within its limit where NONE is spelled out
    # (https://github.com/run-llama/llama_index/issues/13376, not confirmed). It stands here all the
    # same: left out, texts could be cut in silence.
    cut = "END" if batch.truncate else "NONE"
    body: Json
    match family.form:
        case Form.TITAN:
            body = {"inputText": texts[0]}
            if family.normalizes:
                body["normalize"] = True
            if dimensions:
                body["dimensions"] = dimensions
        case Form.COHERE:
            body = {"texts": texts, "input_type": task, "truncate": cut}
            if dimensions:
                body["output_dimension"] = dimensions
        case Form.NOVA:
            asked: Json = {
                "embeddingPurpose": task,
                "text": {"truncationMode": cut, "value": texts[0]},
            }
            if dimensions:
                asked["embeddingDimension"] = dimensions
            body = {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": asked}
    return body


def _task(batch: Batch, family: EmbeddingFamily, losses: Losses) -> str:
    """Return what the vectors are for, in the family's words; empty where it takes none."""
    word = family.tasks.get(batch.task)
    if word is None and batch.task:
        if family.tasks:
            losses.translated("task", _NO_SUCH_TASK)
        else:
            losses.dropped("task", _NO_TASK)
    return word or family.plain


def _fit(batch: Batch, family: EmbeddingFamily, losses: Losses) -> Sequence[str]:
    """Return the texts, cut where that is asked for and the model would refuse to do it."""
    most = family.characters
    if not batch.truncate or not most:
        return batch.texts
    texts = list(batch.texts)
    for index, text in enumerate(texts):
        if len(text) > most:
            texts[index] = text[:most]
            reason = f"The text is longer than the model takes; {most:,} characters are sent."
            losses.dropped(f"inputs[{batch.first_index + index}]", reason)
    return texts


def _read_titan(body: bytes) -> tuple[list[Any] | None, Any]:
    """Return the vectors of an answer, and what is told of its tokens; None: it is none."""
    answer = decode_document(body, _titan, _LooseTitan)
    return (None, None) if answer is None else ([answer.embedding], answer.tokens)


def _read_cohere(body: bytes) -> tuple[list[Any] | None, Any]:
    """As `_read_titan`."""
    answer = decode_document(body, _cohere, _LooseCohere)
    if answer is None:
        return None, None
    given = answer.embeddings
    return given if isinstance(given, list) else given.floats, None


def _read_nova(body: bytes) -> tuple[list[Any] | None, Any]:
    """As `_read_titan`."""
    answer = decode_document(body, _nova, _LooseNova)
    return None if answer is None else [each.embedding for each in answer.embeddings], None


_READERS: Final = {Form.TITAN: _read_titan, Form.COHERE: _read_cohere, Form.NOVA: _read_nova}
