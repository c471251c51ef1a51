"""One deployment for the tests of tool loops, which change nothing of it but their own runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.conversations import Durability
from support.deployment import Deployment
from trunkline.inference.v1 import chat_pb2

MODELS = (
    "every-15-ms-of-tool-loop-2",
    "every-500-ms-of-tool-loop-2",
    "long-10000",
    "stall-after-2-of-tool-loop-2",
    "tool-loop-2",
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment with default settings."""
    async with Deployment(models=MODELS) as running:
        yield running


@pytest.fixture(
    params=[chat_pb2.DURABILITY_MEMORY, chat_pb2.DURABILITY_DURABLE], ids=["memory", "durable"]
)
def durability(request: pytest.FixtureRequest) -> Durability:
    """What the loop survives: nothing, or its process."""
    chosen: Durability = request.param
    return chosen
