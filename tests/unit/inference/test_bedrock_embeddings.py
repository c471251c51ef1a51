"""Embeddings of Bedrock: a form for each family, signed requests, and what answers are read to."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from trunkline.inference.adapters.adapter import ProviderFailed
from trunkline.inference.adapters.bedrock import BedrockEmbedder
from trunkline.inference.adapters.embedder import BadVector, Batch
from trunkline.inference.v1 import embedding_pb2, failure_pb2, provider_pb2, result_pb2
from unit.inference.bedrock_rows import at

EMBEDDER = BedrockEmbedder()
TITAN_V1 = "amazon.titan-embed-text-v1"
TITAN_V2 = "amazon.titan-embed-text-v2:0"
COHERE_V3 = "cohere.embed-multilingual-v3"
COHERE_V4 = "us.cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
MODELS = (TITAN_V1, TITAN_V2, COHERE_V3, COHERE_V4, NOVA)

DOCUMENT = embedding_pb2.EMBEDDING_TASK_DOCUMENT
QUERY = embedding_pb2.EMBEDDING_TASK_QUERY
SIMILARITY = embedding_pb2.EMBEDDING_TASK_SIMILARITY
CLASSIFICATION = embedding_pb2.EMBEDDING_TASK_CLASSIFICATION
CLUSTERING = embedding_pb2.EMBEDDING_TASK_CLUSTERING
DROPPED = result_pb2.Loss.ACTION_DROPPED
TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED

every = pytest.mark.parametrize("model", MODELS)


def nova(purpose: str = "GENERIC_INDEX", cut: str = "NONE", **more: Any) -> dict[str, Any]:
    """Return the body of a request to Nova."""
    asked = {"embeddingPurpose": purpose, "text": {"truncationMode": cut, "value": "text"}, **more}
    return {"taskType": "SINGLE_EMBEDDING", "singleEmbeddingParams": asked}


def cohere(kind: str = "search_document", cut: str = "NONE", **more: Any) -> dict[str, Any]:
    """Return the body of a request to Cohere."""
    return {"texts": ["text"], "input_type": kind, "truncate": cut, **more}


def write(model: str, vectors: Sequence[Any]) -> bytes:
    """Return an answer in a model's form."""
    if "titan" in model:
        return json.dumps({"embedding": vectors[0], "inputTextTokenCount": 7}).encode()
    if model == NOVA:
        items = [{"embeddingType": "TEXT", "embedding": each} for each in vectors]
        return json.dumps({"embeddings": items}).encode()
    made: Any = {"float": vectors} if model == COHERE_V4 else vectors
    return json.dumps({"id": "1", "embeddings": made, "texts": ["text"]}).encode()


def lost(losses: Sequence[result_pb2.Loss]) -> dict[str, Any]:
    """Return what is lost, by its path."""
    return {loss.path: loss.action for loss in losses}


@pytest.mark.parametrize(
    ("model", "fields", "body"),
    [
        (TITAN_V1, {}, {"inputText": "text"}),
        (TITAN_V1, {"dimensions": 1536}, {"inputText": "text"}),
        # Refused by the service: vectors of another length than is asked for are of no use.
        (TITAN_V1, {"dimensions": 256}, {"inputText": "text", "dimensions": 256}),
        (TITAN_V2, {}, {"inputText": "text", "normalize": True}),
        (
            TITAN_V2,
            {"dimensions": 512, "truncate": True},
            {"inputText": "text", "normalize": True, "dimensions": 512},
        ),
        (COHERE_V3, {}, cohere()),
        (COHERE_V3, {"dimensions": 1024, "task": DOCUMENT}, cohere()),
        (COHERE_V3, {"dimensions": 256}, cohere(output_dimension=256)),
        (COHERE_V3, {"task": QUERY, "truncate": True}, cohere("search_query", "END")),
        (COHERE_V4, {"task": CLASSIFICATION}, cohere("classification")),
        (
            COHERE_V4,
            {"task": CLUSTERING, "dimensions": 1024},
            cohere("clustering", output_dimension=1024),
        ),
        (NOVA, {}, nova()),
        (NOVA, {"dimensions": 3072}, nova(embeddingDimension=3072)),
        (NOVA, {"task": DOCUMENT, "truncate": True}, nova(cut="END")),
        (NOVA, {"task": QUERY}, nova("TEXT_RETRIEVAL")),
        (NOVA, {"task": CLASSIFICATION}, nova("CLASSIFICATION")),
        (NOVA, {"task": CLUSTERING}, nova("CLUSTERING")),
    ],
)
def test_a_request(model: str, fields: dict[str, Any], body: dict[str, Any]) -> None:
    """The body is exactly this, at the model's own address, and nothing is lost."""
    built = EMBEDDER.build(at(model), Batch(0, ["text"], **fields))
    assert json.loads(built.request.content) == body
    assert built.request.method == "POST"
    segment = model.replace(":", "%3A")
    assert built.request.place.path == f"/model/{segment}/invoke".encode()
    assert built.request.headers["accept"] == "application/json"
    assert built.losses == ()


@pytest.mark.parametrize(
    ("model", "task", "action"),
    [
        (TITAN_V1, QUERY, DROPPED),
        (TITAN_V2, SIMILARITY, DROPPED),
        (COHERE_V3, SIMILARITY, TRANSLATED),
        (COHERE_V4, SIMILARITY, TRANSLATED),
        (NOVA, SIMILARITY, TRANSLATED),
    ],
)
def test_a_task_that_a_family_lacks_is_a_loss(model: str, task: Any, action: Any) -> None:
    """What is sent is what is sent where nobody says what vectors are for."""
    built = EMBEDDER.build(at(model), Batch(0, ["text"], task=task))
    plain = EMBEDDER.build(at(model), Batch(0, ["text"]))
    assert lost(built.losses) == {"task": action}
    assert built.request.content == plain.request.content


@pytest.mark.parametrize(("model", "most"), [(COHERE_V3, 2048), (NOVA, 50_000)])
def test_what_the_model_would_not_cut_is_cut(model: str, most: int) -> None:
    """By characters, and only where that is asked for; the model cuts the rest by tokens."""
    texts = ["é" * (most + 1)]
    built = EMBEDDER.build(at(model), Batch(5, texts, truncate=True))
    assert lost(built.losses) == {"inputs[5]": DROPPED}
    assert json.dumps("é" * most).strip('"') in json.dumps(json.loads(built.request.content))
    assert json.dumps(texts[0]).strip('"') not in json.dumps(json.loads(built.request.content))
    whole = EMBEDDER.build(at(model), Batch(5, texts))
    assert texts[0] in whole.request.content.decode()
    assert whole.losses == ()


def test_several_texts_go_to_cohere() -> None:
    """In one request, in their order."""
    body = json.loads(EMBEDDER.build(at(COHERE_V4), Batch(0, ["a", "b"])).request.content)
    assert body["texts"] == ["a", "b"]


@every
def test_requests_are_signed(model: str) -> None:
    """As chats are, for the moment that the target tells; a key is a bearer's."""
    keys = provider_pb2.AwsKeys(
        access_key_id="AKIDEXAMPLE", secret_access_key="secret", region="eu-central-1"
    )
    target = replace(
        at(model),
        base_url="http://127.0.0.1:1",
        secret=provider_pb2.ProviderSecret(aws_keys=keys),
        time_ns=1_795_222_923 * 10**9,
    )
    headers = EMBEDDER.build(target, Batch(0, ["text"])).request.headers
    assert headers["x-amz-date"] == "20261121T010203Z"
    assert headers["authorization"].startswith(
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20261121/eu-central-1/bedrock/aws4_request"
    )
    target = replace(target, secret=provider_pb2.ProviderSecret(api_key="the-key"))
    headers = EMBEDDER.build(target, Batch(0, ["text"])).request.headers
    assert headers["authorization"] == "Bearer the-key"


@pytest.mark.parametrize(
    ("model", "items", "truncates"),
    [
        (TITAN_V1, 1, False),
        ("us.amazon.titan-embed-text-v2:0", 1, False),
        ("arn:aws:bedrock:us-east-1::foundation-model/amazon.titan-embed-text-v2:0", 1, False),
        ("cohere.embed-english-v3", 96, True),
        (COHERE_V3, 96, True),
        ("global.cohere.embed-v4:0", 96, True),
        (NOVA, 1, True),
    ],
)
def test_limits_are_the_family_s(model: str, items: int, truncates: bool) -> None:
    """By the model's id, whatever area stands before it."""
    limits = EMBEDDER.limits("https://x", model, provider_type="aws-bedrock")
    assert limits is not None
    assert (limits.items, limits.truncates) == (items, truncates)


@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-pro-v1:0",
        "amazon.titan-embed-image-v1",
        "cohere.command-r-v1:0",
        "my-cohere.embed-v4",
        "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/x1",
    ],
)
def test_an_unknown_family_makes_no_embeddings(model: str) -> None:
    """Its form is not known; nobody is asked."""
    assert EMBEDDER.limits("https://x", model, provider_type="aws-bedrock") is None
    with pytest.raises(ValueError, match="makes no embeddings"):
        EMBEDDER.build(at(model), Batch(0, ["text"]))


@every
def test_an_answer_is_read(model: str) -> None:
    """Numbers become float32; what it took is told by Titan alone."""
    embedded = EMBEDDER.read(at(model), Batch(0, ["text"]), write(model, [[0.1, -1, 2.5]]))
    assert embedded.vectors == [struct.pack("<3f", 0.1, -1, 2.5)]
    reported = result_pb2.Usage(input_tokens=7, source=result_pb2.USAGE_SOURCE_REPORTED)
    assert embedded.usage == (reported if "titan" in model else None)


def test_either_form_of_cohere_is_read() -> None:
    """Lists stand by the type of their numbers where types were asked for, or always."""
    for model, other in ((COHERE_V3, COHERE_V4), (COHERE_V4, COHERE_V3)):
        body = write(other, [[1.0], [2.0]])
        read = EMBEDDER.read(at(model), Batch(0, ["a", "b"]), body)
        assert read.vectors == [struct.pack("<f", 1), struct.pack("<f", 2)]


@every
@pytest.mark.parametrize(
    "vector", [[], [1.0, math.nan], [math.inf, 1.0], [1e39, 1.0], None, "one", [None], [[1.0]]]
)
def test_what_is_no_vector_is_named(model: str, vector: Any) -> None:
    """Empty, not finite, or no list of numbers."""
    with pytest.raises(BadVector) as caught:
        EMBEDDER.read(at(model), Batch(10, ["text"]), write(model, [vector]))
    assert caught.value.index == 10
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM


@every
def test_another_length_than_was_asked_for_is_no_answer(model: str) -> None:
    """As a model gives it whose length cannot be chosen."""
    with pytest.raises(BadVector):
        EMBEDDER.read(at(model), Batch(0, ["text"], dimensions=2), write(model, [[1.0, 2.0, 3.0]]))


@pytest.mark.parametrize("model", [COHERE_V3, COHERE_V4, NOVA])
def test_a_missing_vector_is_named(model: str) -> None:
    """The first text without one."""
    for vectors, count, index in (([[1.0]], 2, 11), ([], 1, 10)):
        with pytest.raises(BadVector) as caught:
            EMBEDDER.read(at(model), Batch(10, ["text"] * count), write(model, vectors))
        assert caught.value.index == index


@every
@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"{}", b'{"embeddings":1}', b'{"embeddings":{"int8":[[1]]}}']
)
def test_what_is_no_answer_is_broken(model: str, body: bytes) -> None:
    """And no vector is blamed."""
    with pytest.raises(ProviderFailed) as caught:
        EMBEDDER.read(at(model), Batch(0, ["text"]), body)
    assert not isinstance(caught.value, BadVector)
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM


@every
def test_an_error_in_the_place_of_vectors_is_told(model: str) -> None:
    """As in the place of a chat."""
    body = b'{"__type":"ThrottlingException","message":"Too many requests."}'
    with pytest.raises(ProviderFailed) as caught:
        EMBEDDER.read(at(model), Batch(0, ["text"]), body)
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_RATE_LIMITED
