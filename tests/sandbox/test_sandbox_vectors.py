"""The vectors of each face: a text has always the same one; names say what is wrong with them."""

from __future__ import annotations

import base64
import json
import math
from array import array
from typing import Any

import httpx
import pytest

from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.vectors import make_vector

FACES = ("openai", "google", "ollama")


async def embed(sandbox: Sandbox, face: str, model: str, *texts: str, **more: Any) -> Any:
    """Ask a face for vectors; return the answer's JSON, NaN allowed."""
    base = sandbox.addresses[face]
    if face == "google":
        url = f"{base}/models/{model}:batchEmbedContents"
        each = {"model": f"models/{model}", **more}
        body: Any = {"requests": [{**each, "content": {"parts": [{"text": t}]}} for t in texts]}
    else:
        url = f"{base}/embeddings" if face == "openai" else f"{base}/api/embed"
        body = {"model": model, "input": list(texts), **more}
    headers = {"authorization": f"Bearer {sandbox.api_key}", "x-goog-api-key": sandbox.api_key}
    async with httpx.AsyncClient() as client:
        reply = await client.post(url, json=body, headers=headers)
    return json.loads(reply.content)


def vectors_of(face: str, answer: Any) -> list[list[float]]:
    """Return the vectors of an answer."""
    match face:
        case "openai":
            return [each["embedding"] for each in answer["data"]]
        case "google":
            return [each["values"] for each in answer["embeddings"]]
        case _:
            return list(answer["embeddings"])


@pytest.mark.parametrize("face", FACES)
async def test_a_text_has_one_vector(sandbox: Sandbox, face: str) -> None:
    """Of the length that the model's name says."""
    answer = await embed(sandbox, face, "vectors-12", "one", "two")
    assert vectors_of(face, answer) == [make_vector("one", 12), make_vector("two", 12)]


@pytest.mark.parametrize("face", FACES)
async def test_flaws_are_of_the_last_vector(sandbox: Sandbox, face: str) -> None:
    """The ones before it are sound."""
    sound = make_vector("one", 8)
    few = await embed(sandbox, face, "vectors-few", "one", "two")
    assert vectors_of(face, few) == [sound]
    empty = await embed(sandbox, face, "vectors-empty", "one", "two")
    assert vectors_of(face, empty) == [sound, []]
    short = await embed(sandbox, face, "vectors-short", "one", "two")
    assert [len(each) for each in vectors_of(face, short)] == [8, 7]
    wrong = vectors_of(face, await embed(sandbox, face, "vectors-nan", "one", "two"))
    assert wrong[0] == sound
    assert math.isnan(wrong[1][-1])


async def test_base64_holds_the_same_numbers(sandbox: Sandbox) -> None:
    """As little-endian float32."""
    answer = await embed(sandbox, "openai", "vectors-12", "one", encoding_format="base64")
    [vector] = vectors_of("openai", answer)
    assert array("f", base64.b64decode(str(vector))).tolist() == make_vector("one", 12)


@pytest.mark.parametrize("face", FACES)
async def test_faults_are_those_of_answers(sandbox: Sandbox, face: str) -> None:
    """A model that refuses chats refuses texts."""
    answer = await embed(sandbox, face, "503-of-vectors-12", "one")
    assert "error" in answer
