"""Redis on another machine: TLS, with a certificate for that host."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.journal_stores.journals import begin, get
from support.certificates import Files, make_authority, write
from support.redis import PASSWORD_IN_URL, RedisServer
from trunkline.inference.journal.redis import RedisStore
from trunkline.kernel.database import DatabaseError


class Front:
    """Speaks TLS before a server that does not, and counts what got through."""

    def __init__(self, server: RedisServer, files: Files) -> None:
        self._server = server
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        self._context.load_cert_chain(files.chain, files.key)
        self.entered = 0

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[int]:
        """Listen; give the port."""
        listener = await asyncio.start_server(
            self._relay, "127.0.0.1", 0, ssl=self._context, ssl_shutdown_timeout=1
        )
        try:
            yield listener.sockets[0].getsockname()[1]
        finally:
            listener.close()
            await listener.wait_closed()

    async def _relay(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.entered += 1
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._server.port)
        ways = [
            asyncio.create_task(_pour(reader, far_writer)),
            asyncio.create_task(_pour(far_reader, writer)),
        ]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for end in (far_writer, writer):
            end.close()
        await asyncio.gather(*ways, return_exceptions=True)
        for end in (far_writer, writer):
            with contextlib.suppress(OSError):
                await end.wait_closed()


async def _pour(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()


@pytest.mark.parametrize("is_known", [True, False])
async def test_a_server_proves_who_it_is(
    redis_server: RedisServer, tmp_path: Path, is_known: bool
) -> None:
    """One that our authority vouches for is used; to another no password is sent."""
    files = write(make_authority(), tmp_path / "server")
    roots = files if is_known else write(make_authority(), tmp_path / "other")
    front = Front(redis_server, files)
    async with front.open() as port:
        store = RedisStore(
            f"rediss://:{PASSWORD_IN_URL}@localhost:{port}?ssl_ca_certs={roots.authority}",
            prefix=redis_server.new_prefix(),
        )
        try:
            if is_known:
                await store.open()
                run_id = await begin(store)
                assert (await get(store, run_id)).run_id == run_id
            else:
                with pytest.raises(DatabaseError, match="cannot be protected"):
                    await store.open()
        finally:
            await store.close()
    assert (front.entered > 0) == is_known


async def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """A path that is misspelt is told at the start."""
    missing = tmp_path / "ca.pem"
    store = RedisStore(f"rediss://:hunter2@localhost?ssl_ca_certs={missing}")
    with pytest.raises(DatabaseError, match="cannot be read") as told:
        await store.open()
    assert str(missing) in str(told.value)
    assert "hunter2" not in str(told.value)
