"""The catalog with its peers, for each test a new one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from support.catalog_harness import CatalogHarness


@pytest.fixture
async def catalog(tmp_path: Path, store_url: str) -> AsyncIterator[CatalogHarness]:
    """Give a catalog that has no provider."""
    harness = CatalogHarness(tmp_path, store_url)
    await harness.start_peers("credential", "inference", "health")
    await harness.start()
    yield harness
    await harness.close()
