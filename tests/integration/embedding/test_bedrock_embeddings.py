"""Embeddings of Bedrock from end to end: saved keys that sign, a real server, vectors."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from support.bedrock_server import DIMENSIONS, BedrockServer
from support.canary import MARK
from support.chats import refused
from support.deployment import Deployment
from trunkline.inference.v1 import embedding_pb2, result_pb2
from trunkline.inference.v1.provider_pb2 import AwsKeys
from trunkline.sandbox.vectors import make_vector

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = AwsKeys(
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key=f"{MARK}/secret+access/key",
    session_token=f"{MARK}//session+token==",
    region="eu-central-1",
)
TITAN = "amazon.titan-embed-text-v2:0"
COHERE = "us.cohere.embed-v4:0"
NOVA = "amazon.nova-2-multimodal-embeddings-v1:0"
# The last by name chats, which shows that the models are known.
MODELS = (TITAN, COHERE, NOVA, "zz.ok")


@dataclass(frozen=True)
class Line:
    """A deployment, and the server that it asks."""

    deployment: Deployment
    server: BedrockServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line() -> AsyncIterator[Line]:
    """Yield a deployment with one provider, whose keys were proven by the server."""
    async with BedrockServer(KEYS) as server, Deployment(connected=False) as deployment:
        await deployment.connect(
            server.base_url, "", MODELS, name="bedrock", kind="aws-bedrock", aws_keys=KEYS
        )
        yield Line(deployment, server)


async def embed(line: Line, model: str, texts: list[str], **fields: Any) -> Any:
    """Return the answer to a request for vectors; only what it asks stays in `asked`."""
    line.server.asked.clear()
    request = embedding_pb2.EmbedRequest(model=f"bedrock/{model}", inputs=texts, **fields)
    return await line.deployment.inference.Embed(
        request, metadata=line.deployment.admin, timeout=20
    )


@pytest.mark.parametrize(
    ("model", "requests", "reported"), [(TITAN, 100, True), (COHERE, 2, False), (NOVA, 100, False)]
)
async def test_each_text_has_its_vector(
    line: Line, model: str, requests: int, reported: bool
) -> None:
    """In the order of the texts, by as many signed requests as the family needs."""
    texts = [f"text number {index}" for index in range(100)]
    response = await embed(line, model, texts)
    assert [list(each.values) for each in response.embeddings] == [
        make_vector(text, DIMENSIONS) for text in texts
    ]
    assert len(line.server.asked) == requests
    segment = model.replace(":", "%3A")
    assert {each.path for each in line.server.asked} == {f"/model/{segment}/invoke"}
    usage = response.summary.usage
    if reported:
        assert usage.input_tokens == 3 * requests
        assert usage.source == result_pb2.USAGE_SOURCE_REPORTED
    else:
        assert usage.source == result_pb2.USAGE_SOURCE_ESTIMATED


@pytest.mark.parametrize(("model", "losses"), [(TITAN, ["task"]), (COHERE, []), (NOVA, [])])
async def test_length_and_task_are_asked_for(line: Line, model: str, losses: list[str]) -> None:
    """In the family's own fields; what it lacks is told once."""
    response = await embed(
        line, model, ["one", "two"], dimensions=256, task=embedding_pb2.EMBEDDING_TASK_QUERY
    )
    assert [list(each.values) for each in response.embeddings] == [
        make_vector(text, 256) for text in ("one", "two")
    ]
    assert [loss.path for loss in response.summary.losses] == losses


async def test_a_model_of_another_family_is_refused(line: Line) -> None:
    """Before it is asked; the error names models that do make embeddings."""
    failure = await refused(embed(line, "zz.ok", ["one"]))
    assert failure.reason == "NO_EMBEDDINGS"
    assert not line.server.asked
    assert f"bedrock/{COHERE}" in failure.metadata["capable"].split(",")
