"""Both kinds of store, each over a journal of the test's own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from integration.journal_stores.journals import Journal, RedisJournal, SqliteJournal
from support.redis import RedisServer
from trunkline.inference.journal.store import RunStore


@pytest.fixture(scope="session")
def redis_server() -> Iterator[RedisServer]:
    """A Redis server, for all tests of this process."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture(params=["sqlite", "redis"])
async def journal(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Journal]:
    """A journal that several processes may share."""
    made: Journal
    if request.param == "sqlite":
        made = SqliteJournal(tmp_path / "journal.db")
    else:
        made = RedisJournal(request.getfixturevalue("redis_server"))
    yield made
    await made.close()


@pytest.fixture
async def store(journal: Journal) -> RunStore:
    """One process's store."""
    return await journal.open()


@pytest.fixture
async def other(journal: Journal, store: RunStore) -> RunStore:
    """Another process's store over the same journal."""
    return await journal.open()
