"""A fleet that records, and clients of both worlds for it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from client.recorder import Fleet
from trunkline_client import AsyncClient, Client, Patience

TOKEN = "tl_of-the-recorder"

# Long enough for a busy machine, and without a wait that a test would notice.
QUICK = Patience(tries=8, total_s=20.0, first_wait_s=0.01, longest_wait_s=0.05)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """One replica."""
    with Fleet() as running:
        yield running


@pytest.fixture
def pair() -> Iterator[Fleet]:
    """Two replicas that share their runs."""
    with Fleet(2) as running:
        yield running


@pytest_asyncio.fixture
async def aclient(fleet: Fleet) -> AsyncIterator[AsyncClient]:
    """A client for asyncio, of one replica."""
    async with AsyncClient(fleet.addresses[0], TOKEN, patience=QUICK) as client:
        yield client


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    """A client without asyncio, of one replica."""
    with Client(fleet.addresses[0], TOKEN, patience=QUICK) as client:
        yield client


@pytest_asyncio.fixture
async def apair(pair: Fleet) -> AsyncIterator[AsyncClient]:
    """A client for asyncio, of two replicas."""
    async with AsyncClient(token=TOKEN, addresses=pair.addresses, patience=QUICK) as client:
        yield client
