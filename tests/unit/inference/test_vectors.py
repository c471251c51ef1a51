"""Vectors as bytes: what becomes of base64 and of numbers, and what is no vector."""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import pytest

from trunkline.inference.adapters.adapter import ProviderFailed, Target
from trunkline.inference.adapters.azure import AzureEmbedder
from trunkline.inference.adapters.embedder import BadVector, Batch, Embedder
from trunkline.inference.adapters.google import GoogleEmbedder
from trunkline.inference.adapters.ollama import OllamaEmbedder
from trunkline.inference.adapters.openai import OpenAIEmbedder
from trunkline.inference.adapters.vectors import is_finite
from trunkline.inference.v1 import failure_pb2, result_pb2

TARGET = Target("acme", "model", "http://127.0.0.1:1/v1")
# Who is asked for base64.
VENDOR = Target("openai", "model", "http://127.0.0.1:1/v1", type="openai")
EMBEDDERS: dict[str, Embedder] = {
    "openai": OpenAIEmbedder(),
    "openai-base64": OpenAIEmbedder(),
    "azure": AzureEmbedder(),
    "google": GoogleEmbedder(),
    "ollama": OllamaEmbedder(),
}
BIG = 3.4e38


def pack(*numbers: float) -> bytes:
    """Return a vector as it goes over the wire."""
    return struct.pack(f"<{len(numbers)}f", *numbers)


def write(form: str, vectors: Sequence[Any]) -> bytes:
    """Return an answer in a format."""
    match form:
        case "openai-base64" | "azure":
            coded = [base64.b64encode(pack(*each)).decode() for each in vectors]
            return write("openai", coded)
        case "openai":
            data = [{"index": index, "embedding": each} for index, each in enumerate(vectors)]
            return json.dumps({"data": data, "usage": {"prompt_tokens": 7}}).encode()
        case "google":
            return json.dumps({"embeddings": [{"values": each} for each in vectors]}).encode()
        case _:
            return json.dumps({"embeddings": vectors, "prompt_eval_count": 7}).encode()


def read(form: str, body: bytes, count: int = 2, **fields: Any) -> list[bytes]:
    """Return the vectors of an answer to so many texts, of which the first is the caller's 10th."""
    batch = Batch(10, ["text"] * count, **fields)
    target = VENDOR if form == "openai-base64" else TARGET
    return EMBEDDERS[form].read(target, batch, body).vectors


every = pytest.mark.parametrize("form", EMBEDDERS)


@every
def test_numbers_become_float32(form: str) -> None:
    """Rounded once, and as the wire has them."""
    given = [[0.1, -1.0, 2.5], [0, 1, BIG]]
    assert read(form, write(form, given)) == [pack(*each) for each in given]


@every
@pytest.mark.parametrize(
    ("second", "count", "dimensions", "index"),
    [
        ([], 2, 0, 11),
        ([1.0, 2.0], 2, 0, 11),
        ([1.0, math.nan, 2.0], 2, 0, 11),
        ([1.0, -math.inf, 2.0], 2, 0, 11),
        ([1.0, 1.0, 1.0], 3, 0, 12),
        ([1.0, 1.0, 1.0], 2, 4, 10),
    ],
)
def test_what_is_no_vector_is_named(
    form: str, second: list[float], count: int, dimensions: int, index: int
) -> None:
    """Empty, shorter than the others or than asked for, not finite, missing."""
    body = write(form, [[0.5, 0.5, 0.5], second])
    with pytest.raises(BadVector) as caught:
        read(form, body, count, dimensions=dimensions)
    assert caught.value.index == index
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM


@pytest.mark.parametrize("form", ["openai", "google", "ollama"])
@pytest.mark.parametrize("value", [None, "one", [1.0], {}])
def test_what_is_no_number_makes_no_vector(form: str, value: Any) -> None:
    """A JavaScript server writes null for NaN."""
    with pytest.raises(BadVector) as caught:
        read(form, write(form, [[0.5, 0.5], [0.5, value]]))
    assert caught.value.index == 11


@pytest.mark.parametrize("number", ["1e39", "-1e39", "1e400"])
def test_a_number_beyond_float32_is_not_finite(number: str) -> None:
    """It would be infinite on the wire."""
    with pytest.raises(BadVector):
        read("ollama", b'{"embeddings":[[0.5],[%s]]}' % number.encode())


@every
@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"data":{}}', b'{"embeddings":1}'])
def test_what_is_no_answer_is_broken(form: str, body: bytes) -> None:
    """And no vector is blamed."""
    with pytest.raises(ProviderFailed) as caught:
        read(form, body)
    assert not isinstance(caught.value, BadVector)
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM


def test_an_error_in_the_place_of_vectors_is_told() -> None:
    """As in the place of a chat."""
    body = b'{"error":{"message":"Slow down.","code":"rate_limit_exceeded"}}'
    with pytest.raises(ProviderFailed) as caught:
        read("openai", body)
    assert caught.value.failure.kind == failure_pb2.ERROR_KIND_RATE_LIMITED


def test_vectors_are_put_in_the_order_of_their_texts() -> None:
    """Which their indices tell; none may come twice."""
    data = [{"index": 1, "embedding": [1.0]}, {"index": 0, "embedding": [0.0]}]
    assert read("openai", json.dumps({"data": data}).encode()) == [pack(0.0), pack(1.0)]
    data[1]["index"] = 1
    with pytest.raises(BadVector):
        read("openai", json.dumps({"data": data}).encode())


@pytest.mark.parametrize("coded", ["AAA", "AAAA", "####", "AACAPw==AA"])
def test_base64_that_is_none_makes_no_vector(coded: str) -> None:
    """Neither does half a number."""
    data = [{"index": 0, "embedding": "AACAPw=="}, {"index": 1, "embedding": coded}]
    with pytest.raises(BadVector) as caught:
        read("openai-base64", json.dumps({"data": data}).encode())
    assert caught.value.index == 11


def test_base64_that_nobody_asked_for_makes_no_vector() -> None:
    """Its numbers may be of another type, and would be taken for others."""
    with pytest.raises(BadVector) as caught:
        read("openai", write("openai-base64", [[0.5], [0.5]]))
    assert caught.value.index == 10
    assert read("openai-base64", write("openai", [[0.5], [0.5]])) == [pack(0.5), pack(0.5)]


@pytest.mark.parametrize("form", ["openai", "ollama"])
def test_what_it_took_is_read(form: str) -> None:
    """Google's older answers do not say."""
    body = write(form, [[0.5]])
    usage = EMBEDDERS[form].read(TARGET, Batch(0, ["text"]), body).usage
    assert usage == result_pb2.Usage(input_tokens=7, source=result_pb2.USAGE_SOURCE_REPORTED)
    assert EMBEDDERS["google"].read(TARGET, Batch(0, ["x"]), write("google", [[0.5]])).usage is None


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("place", [0, 1, 700, 1535])
def test_a_number_that_is_not_finite_is_found(number: float, place: int) -> None:
    """Wherever it stands."""
    numbers = [0.25] * 1536
    assert is_finite(pack(*numbers))
    numbers[place] = BIG
    assert is_finite(pack(*numbers))
    numbers[place] = number
    assert not is_finite(pack(*numbers))


def test_every_exponent_is_told_right() -> None:
    """For each pattern of sign and exponent, with and without a fraction."""
    for high in range(2**9):
        for fraction in (0, 1, 2**23 - 1):
            vector = struct.pack("<I", high << 23 | fraction)
            assert is_finite(vector) == math.isfinite(struct.unpack("<f", vector)[0])
