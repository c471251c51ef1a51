"""Embeddings by the client, in both worlds, against a real deployment."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from client.conftest import QUICK
from support.deployment import Deployment
from trunkline.inference.v1 import result_pb2
from trunkline.sandbox.vectors import make_vector
from trunkline_client import (
    AsyncClient,
    BadVector,
    CallTimedOut,
    Client,
    ModelNotFound,
    NoEmbeddings,
    RunTimedOut,
    Unreachable,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment with a provider that makes embeddings, and one that does not."""
    async with Deployment(models=("vectors-1536",)) as running:
        sandbox = running.sandbox
        await running.connect(
            sandbox.addresses["anthropic"],
            sandbox.api_key,
            name="anthropic",
            kind="sandbox-anthropic",
        )
        yield running


@pytest.fixture
def token(deployment: Deployment) -> str:
    """The token of an ADMIN."""
    return str(deployment.admin[0][1].removeprefix("Bearer "))


def expected(texts: list[str], dimensions: int) -> list[array[float]]:
    """Return the vectors that the sandbox makes of texts."""
    return [array("f", make_vector(text, dimensions)) for text in texts]


async def test_each_text_has_its_vector(deployment: Deployment, token: str) -> None:
    """Also more of them than one message of a default channel holds."""
    texts = [f"text number {index}" for index in range(800)]
    async with AsyncClient(deployment.suite.address, token, patience=QUICK) as client:
        found = await client.embed("sandbox/vectors-1536", texts)
        assert found.vectors == expected(texts, 1536)
        assert (found.model, found.dimensions) == ("sandbox/vectors-1536", 1536)
        assert found.usage.source == result_pb2.USAGE_SOURCE_REPORTED
        assert found.run_id.startswith("run_")
        small = await client.embed("sandbox/ok", ["Hello"], dimensions=12, task="query")
        assert small.vectors == expected(["Hello"], 12)
        assert [loss.path for loss in small.summary.losses] == ["task"]


async def test_the_world_without_asyncio_does_the_same(deployment: Deployment, token: str) -> None:
    """In a thread of its own."""
    texts = [f"text number {index}" for index in range(250)]

    def embed() -> list[array[float]]:
        with Client(deployment.suite.address, token, patience=QUICK) as client:
            with pytest.raises(ModelNotFound):
                client.embed("sandbox/nothing", texts)
            return client.embed("sandbox/vectors-16", texts).vectors

    assert await asyncio.to_thread(embed) == expected(texts, 16)


async def test_failures_have_types(deployment: Deployment, token: str) -> None:
    """With what a program needs to act on them."""
    async with AsyncClient(deployment.suite.address, token, patience=QUICK) as client:
        with pytest.raises(NoEmbeddings) as none:
            await client.embed("anthropic/ok", ["Hello"])
        assert none.value.metadata["role"] == "embedder"
        with pytest.raises(BadVector) as bad:
            await client.embed("sandbox/vectors-nan", ["Hello", "there"])
        assert bad.value.metadata["index"] == "1"
        with pytest.raises((CallTimedOut, RunTimedOut)):
            await client.embed("sandbox/silent", ["Hello"], timeout_s=0.2)


async def test_a_server_that_is_away_is_tried_again(token: str) -> None:
    """For as long as the client has patience."""
    async with AsyncClient("127.0.0.1:9", token, patience=QUICK) as client:
        with pytest.raises(Unreachable):
            await client.embed("sandbox/ok", ["Hello"])
