"""A model is asked in the format that serves it, whatever its provider speaks."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.chats import ask
from support.deployment import Deployment, eventually
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONSES = "openai-responses"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Yield a deployment whose provider serves one of its models by Responses."""
    async with Deployment() as deployment:
        model = model_pb2.Model(name="sandbox/ok")
        model.facts.format.value = RESPONSES
        await deployment.catalog.UpdateModel(
            model_pb2.UpdateModelRequest(model=model), metadata=deployment.admin
        )
        yield deployment


async def test_a_model_by_its_own_format_and_the_rest_by_their_providers(
    deployment: Deployment,
) -> None:
    """One key and one address serve two formats, and both answer whole."""

    async def path_of(model: str) -> str:
        response = await deployment.inference.Chat(
            ask(f"sandbox/{model}"), metadata=deployment.admin, timeout=20
        )
        completed = response.completed
        assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
        assert completed.message.content[0].text
        return deployment.sandbox.seen[-1].path

    async def is_known() -> bool:
        return await path_of("ok") == "/v1/responses"

    await eventually(is_known)
    assert await path_of("echo") == "/v1/chat/completions"
    assert await path_of("ok") == "/v1/responses"
