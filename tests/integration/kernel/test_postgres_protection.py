"""What crosses a network to PostgreSQL is protected as was asked for, or not sent."""

from __future__ import annotations

import asyncio
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from integration.kernel.opening import database_name, refused
from support.certificates import make_authority, write
from support.postgres import PASSWORD_IN_URL, USER, PostgresServer


@dataclass(frozen=True, slots=True)
class Protected:
    """A server that speaks TLS on 127.0.0.1.

    Attributes:
        url: of a database, without a query.
        roots: file of what vouches for its certificate.
        others: file of what vouches for others.
    """

    url: str
    roots: Path
    others: Path


async def wait_for_tls(postgres: PostgresServer, wanted: str) -> None:
    """Wait until the server has read its settings again."""
    async with asyncio.timeout(LIMIT_S):
        while (await postgres.run("SHOW ssl"))[0][0] != wanted:
            await asyncio.sleep(0.01)


@pytest.fixture
async def protected(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Protected]:
    """The test server while it speaks TLS, and a database of the notes."""
    server = write(make_authority(), tmp_path / "server", ["127.0.0.1"])
    others = write(make_authority(), tmp_path / "other", ["127.0.0.1"])
    owner = (postgres.root / "data").stat()
    for name, file in (("server.crt", server.chain), ("server.key", server.key)):
        path = postgres.root / "data" / name
        path.write_bytes(file.read_bytes())
        path.chmod(stat.S_IRUSR | stat.S_IWUSR)
        os.chown(path, owner.st_uid, owner.st_gid)
    await postgres.run("ALTER SYSTEM SET ssl = on")
    await postgres.run("SELECT pg_reload_conf()")
    await wait_for_tls(postgres, "on")
    async with postgres.database(storing.NOTES_TEMPLATE) as url:
        yield Protected(postgres.tcp_url(database_name(url)), server.authority, others.authority)
    await postgres.run("ALTER SYSTEM RESET ssl")
    await postgres.run("SELECT pg_reload_conf()")
    await wait_for_tls(postgres, "off")


@pytest.mark.parametrize(
    "query",
    [
        "?sslmode=require",
        "?sslmode=verify-ca&sslrootcert={roots}",
        "?sslmode=verify-full&sslrootcert={roots}",
        "?sslmode=prefer",
    ],
)
async def test_tls_is_asked_for_as_libpq_spells_it(
    tmp_path: Path, protected: Protected, query: str
) -> None:
    """And the server sees it."""
    kept = storing.shared_database(tmp_path, protected.url + query.format(roots=protected.roots))
    await kept.open()
    async with kept.read() as session:
        seen = await session.exec(storing.is_protected())
        assert seen.scalar_one() is True
    await kept.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("?sslmode=verify-full&sslrootcert={others}", "unable to get local issuer"),
        ("?sslmode=verify-ca&sslrootcert={others}", "unable to get local issuer"),
        ("?sslmode=verify-full&sslrootcert=system", "certificate"),
        ("?sslmode=verify-full&sslrootcert=/nowhere.pem", "/nowhere.pem of sslrootcert"),
    ],
)
async def test_a_server_that_nobody_vouches_for_is_refused(
    tmp_path: Path, protected: Protected, query: str, said: str
) -> None:
    """At once, with what is wrong with its certificate."""
    url = protected.url + query.format(others=protected.others)
    error = await refused(storing.shared_database(tmp_path, url, database_wait_s=3600))
    assert said in error.what


async def test_a_server_without_tls_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    """Where TLS was asked for, it does not fall back."""
    url = postgres.tcp_url("postgres", query="?sslmode=require")
    error = await refused(storing.shared_database(tmp_path, url, database_wait_s=3600))
    assert "does not speak TLS" in error.what


@pytest.mark.parametrize("query", ["", "?sslmode=disable", "?sslmode=allow", "?sslmode=prefer"])
@pytest.mark.parametrize("host", ["db.example", "192.0.2.1", "[2001:db8::1]"])
async def test_no_secret_crosses_a_network_in_the_clear(
    tmp_path: Path, host: str, query: str
) -> None:
    """It is refused before anybody is asked, and what to write is said."""
    url = f"postgresql://{USER}:{PASSWORD_IN_URL}@{host}/trunkline{query}"
    error = await refused(storing.shared_database(tmp_path, url, database_wait_s=3600))
    assert "in the clear" in error.what
    assert host in error.what
    assert "sslmode=require" in error.advice
