"""A credential service that runs, and its directories."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest_asyncio

from support.credential_harness import CredentialHarness


@pytest_asyncio.fixture
async def house(tmp_path: Path, store_url: str) -> AsyncIterator[CredentialHarness]:
    """Yield the harness of a service that does not run yet."""
    harness = CredentialHarness(tmp_path, url=store_url)
    yield harness
    await harness.close()


@pytest_asyncio.fixture
async def suite(house: CredentialHarness) -> CredentialHarness:
    """Return the harness of a service that runs, with its peers."""
    await house.start_peers()
    await house.start()
    return house
