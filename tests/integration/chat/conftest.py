"""One deployment for all tests of a file that change nothing of it but their own runs."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest_asyncio

from support.deployment import Deployment

# Beside those that the sandbox lists.
MODELS = (
    "big-tool-5000000",
    "chars-10000",
    "cut-after-0",
    "cut-after-2-of-tool",
    "end-after-0",
    "malformed-after-2-of-tool",
    "stall-after-30",
    *(
        f"tokens-50-per-second-of-{script}"
        for script in ("ok", "reason", "tool", "parallel-tools", "refuse", "unicode")
    ),
)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """Yield a deployment with default settings; its tests share its loop."""
    async with Deployment(models=MODELS) as running:
        yield running
