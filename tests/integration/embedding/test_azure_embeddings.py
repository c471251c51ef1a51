"""Embeddings of Azure OpenAI from end to end: a saved key, both kinds of addresses, vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.azure_server import DIMENSIONS, AzureServer
from support.canary import MARK
from support.deployment import Deployment
from trunkline.inference.v1 import embedding_pb2, result_pb2
from trunkline.sandbox.vectors import make_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEY = f"{MARK}-azure-key"


@dataclass(frozen=True)
class Line:
    """A deployment, and the server that it asks."""

    deployment: Deployment
    server: AzureServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line() -> AsyncIterator[Line]:
    """Yield a deployment with a provider at each kind of address."""
    async with AzureServer(KEY) as server, Deployment(connected=False) as deployment:
        for name, path in (("newer", "/openai/v1"), ("older", "/openai/deployments")):
            await deployment.connect(
                server.url + path, KEY, ["vectors"], name=name, kind="azure-openai"
            )
        yield Line(deployment, server)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("newer", "/openai/v1/embeddings"),
        ("older", "/openai/deployments/vectors/embeddings?api-version=2024-10-21"),
    ],
)
async def test_a_deployment_makes_embeddings(line: Line, name: str, path: str) -> None:
    """With the resource's key, in base64, and what it took is told."""
    deployment = line.deployment
    line.server.asked.clear()
    texts = ["one", "two", "three"]
    response = await deployment.inference.Embed(
        embedding_pb2.EmbedRequest(model=f"{name}/vectors", inputs=texts),
        metadata=deployment.admin,
        timeout=20,
    )
    assert [list(each.values) for each in response.embeddings] == [
        make_vector(text, DIMENSIONS) for text in texts
    ]
    assert response.summary.usage == result_pb2.Usage(
        input_tokens=3, source=result_pb2.USAGE_SOURCE_REPORTED
    )
    (asked,) = line.server.asked
    assert asked.path == path
    assert asked.body == {"model": "vectors", "input": texts, "encoding_format": "base64"}
