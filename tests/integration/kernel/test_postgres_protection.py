"""What crosses a network to PostgreSQL is protected as was asked for, or not sent."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import pytest

from integration.kernel import storing
from integration.kernel.opening import database_name, refused
from support.certificates import Files, make_authority, write
from support.postgres import PASSWORD_IN_URL, USER, PostgresServer

# Eight bytes long, and the number that asks for TLS.
_SSL_REQUEST = struct.pack("!II", 8, 80_877_103)


class TlsFront:
    """Speaks TLS in front of a server, which may be built without it.

    https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL

    Args:
        server: what lies behind it.
        files: its certificate.

    Attributes:
        port: on 127.0.0.1.
        protected: how many connections spoke TLS.
    """

    def __init__(self, server: PostgresServer, files: Files) -> None:
        self._socket = server.socket_dir / f".s.PGSQL.{server.port}"
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(files.chain, files.key)
        self.port = 0
        self.protected = 0

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[Self]:
        """Listen."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one connection, which has to ask for TLS."""
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            assert await reader.readexactly(len(_SSL_REQUEST)) == _SSL_REQUEST
            writer.write(b"S")
            await writer.start_tls(self._context)
            self.protected += 1
            inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket)
            await asyncio.gather(_pass_on(reader, inner_writer), _pass_on(inner_reader, writer))
        writer.close()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, until nothing does."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    writer.close()


@dataclass(frozen=True, slots=True)
class Protected:
    """A server that speaks TLS on 127.0.0.1.

    Attributes:
        front: what speaks it.
        url: of a database, without a query.
        roots: file of what vouches for its certificate.
        others: file of what vouches for others.
    """

    front: TlsFront
    url: str
    roots: Path
    others: Path


@pytest.fixture
async def protected(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Protected]:
    """A server that speaks TLS, and a database of the notes."""
    server = write(make_authority(), tmp_path / "server", ["127.0.0.1"])
    others = write(make_authority(), tmp_path / "other", ["127.0.0.1"])
    async with (
        TlsFront(postgres, server).listening() as front,
        postgres.database(storing.NOTES_TEMPLATE) as url,
    ):
        outside = f"postgresql://{USER}@127.0.0.1:{front.port}/{database_name(url)}"
        yield Protected(front, outside, server.authority, others.authority)


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
    """And all that is sent goes by it."""
    kept = storing.shared_database(tmp_path, protected.url + query.format(roots=protected.roots))
    await kept.open()
    assert await storing.texts(kept) == []
    assert protected.front.protected >= 2
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
