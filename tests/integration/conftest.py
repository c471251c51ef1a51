"""The stores that tests run on: SQLite in a directory, and a real PostgreSQL.

What a test asks of a store it asks of both kinds. Tests of a whole service do so by a
sample, and all of them in a full run.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from support import matrix
from support.postgres import SERVICES, PostgresServer, Template

_SQLITE, _POSTGRESQL = "sqlite", "postgresql"
_MATRIX = "services-on-postgresql"
_SAMPLE = 16


def pytest_configure(config: pytest.Config) -> None:
    """Say what the marks mean."""
    config.addinivalue_line("markers", "both_stores: always runs on both kinds of store")
    config.addinivalue_line("markers", "one_store: runs on SQLite alone")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what this run has no time for on PostgreSQL."""
    sampled, left_out = [], []
    for item in items:
        if not isinstance(item, pytest.Function) or not _is_on_postgresql(item):
            continue
        if item.get_closest_marker("one_store") is not None:
            left_out.append(item)
        elif item.get_closest_marker("both_stores") is None:
            sampled.append(item)
    # By name: a worker may have them in another order, and must choose the same.
    sampled.sort(key=lambda item: item.nodeid)
    names = [item.nodeid for item in sampled]
    chosen = set(matrix.cells(_MATRIX, names, sample=_SAMPLE))
    # Who names tests means them.
    if config.args == config.getini("testpaths"):
        left_out += [item for item in sampled if item.nodeid not in chosen]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        gone = set(left_out)
        items[:] = [item for item in items if item not in gone]


def _is_on_postgresql(item: pytest.Function) -> bool:
    """Tell whether a test is one for PostgreSQL."""
    return hasattr(item, "callspec") and item.callspec.params.get("store_url") == _POSTGRESQL


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server, for all tests of this process."""
    server = PostgresServer()
    try:
        server.create()
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def template() -> Template | None:
    """What a PostgreSQL database holds at first: the newest schema of every service."""
    return SERVICES


@pytest.fixture(params=[_SQLITE, _POSTGRESQL])
async def store_url(
    request: pytest.FixtureRequest, template: Template | None
) -> AsyncIterator[str]:
    """The URL of a database of the test's own; empty: SQLite, in a directory."""
    if request.param == _SQLITE:
        yield ""
        return
    server: PostgresServer = request.getfixturevalue("postgres")
    async with server.database(template) as url:
        yield url
    if request.node.get_closest_marker("both_stores") is None:
        matrix.ran(_MATRIX)


@pytest.fixture
async def postgres_url(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL of an empty PostgreSQL database."""
    async with postgres.database(None) as url:
        yield url
