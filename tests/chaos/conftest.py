"""Two processes of inference on one journal, which the tests of a module share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support import matrix
from support.replicas import Replicas
from trunkline.sandbox.scripts import say_words

WORDS = 50
QUICK = f"tokens-50-per-second-of-long-{WORDS}"
SLOW = "tokens-20-per-second-of-long-1500"
TALK = "tool-loop-2"
TEXT = "".join(say_words(WORDS)(None))  # type: ignore[arg-type] # it says the same to all

STORES = matrix.cells("stores-of-replicas", (False, True), sample=1)


@pytest_asyncio.fixture(
    scope="module",
    loop_scope="module",
    params=STORES,
    ids=["redis" if on_redis else "sqlite" for on_redis in STORES],
)
async def replicas(request: pytest.FixtureRequest) -> AsyncIterator[Replicas]:
    """Both, on a journal in a file or in Redis."""
    async with Replicas(on_redis=request.param, models=(QUICK, SLOW, TALK)) as made:
        yield made
    matrix.ran("stores-of-replicas")


@pytest_asyncio.fixture(loop_scope="module")
async def fleet(replicas: Replicas) -> Replicas:
    """The same, both alive and nobody asked."""
    await replicas.restore()
    return replicas
