"""The health service with its peers, for each test a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.health_harness import HealthHarness


@pytest.fixture
async def health(tmp_path: Path, store_url: str) -> AsyncIterator[HealthHarness]:
    """Give a health service that knows the providers `openai` and `groq`."""
    harness = HealthHarness(tmp_path, store_url)
    harness.catalog.put("openai", "groq")
    await harness.start_peers("catalog", "credential")
    await harness.start()
    yield harness
    await harness.close()


@pytest.fixture
async def probing(health: HealthHarness) -> HealthHarness:
    """Give a health service that can have its providers probed."""
    await health.start_peers("inference")
    return health
