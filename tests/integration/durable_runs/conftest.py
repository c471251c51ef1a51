"""Processes that share a journal, each made with what its runs do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support.houses import Carry
from support.replica import Replica

StartReplica = Callable[..., Awaitable[Replica]]


@pytest.fixture
async def start_replica(tmp_path: Path) -> AsyncIterator[StartReplica]:
    """Start processes on one journal; they are killed at the end."""
    async with AsyncExitStack() as stack:

        async def start(carry: Carry, **settings: Any) -> Replica:
            replica = Replica(tmp_path / "journal.db", carry, **settings)
            stack.push_async_callback(replica.kill)
            await replica.start()
            return replica

        yield start
