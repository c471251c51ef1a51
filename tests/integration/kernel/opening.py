"""How a PostgreSQL database refuses to be opened."""

from __future__ import annotations

import asyncio
from urllib.parse import urlsplit

import pytest

from integration.kernel.listening import LIMIT_S
from support.postgres import PASSWORD, PASSWORD_IN_URL
from trunkline.kernel.database import DatabaseError
from trunkline.kernel.database.postgres import PostgresDatabase


async def refused(database: PostgresDatabase) -> DatabaseError:
    """Return why a database does not open, in a sentence and an advice; it must not."""
    with pytest.raises(DatabaseError) as caught:
        async with asyncio.timeout(LIMIT_S):
            await database.open()
    error = caught.value
    assert error.what.endswith(".")
    assert error.advice.endswith(".")
    assert "\n" not in error.what + error.advice
    for secret in (PASSWORD, PASSWORD_IN_URL):
        assert secret not in error.what + error.advice
    return error


def database_name(url: str) -> str:
    """Return the name of the database in a URL of the test server."""
    return urlsplit(url).path.removeprefix("/")
