"""The health service with its peers, for each test a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.health_harness import HealthHarness


@pytest.fixture
async def health(tmp_path: Path) -> AsyncIterator[HealthHarness]:
    """Give a health service that knows the providers `openai` and `groq`."""
    harness = HealthHarness(tmp_path)
    harness.catalog.put("openai", "groq")
    await harness.start_peers("catalog", "credential")
    await harness.start()
    yield harness
    await harness.close()
