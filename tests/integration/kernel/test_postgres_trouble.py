"""What a service says while its PostgreSQL is away, and that it goes on by itself."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from support.postgres import PostgresServer
from trunkline.kernel.database import Session, StoreUnavailable
from trunkline.kernel.database.postgres import PostgresDatabase
from trunkline.kernel.errors import InvalidArgument


@pytest.fixture(scope="module")
def server() -> Iterator[PostgresServer]:
    """A server of this module's own, which nobody else needs."""
    own = PostgresServer()
    try:
        own.create()
        own.start()
        yield own
    finally:
        own.close()


@pytest.fixture
async def kept(tmp_path: Path, server: PostgresServer) -> AsyncIterator[PostgresDatabase]:
    """An open database, whose transactions are cut after a second."""
    async with server.database(storing.NOTES_TEMPLATE) as url:
        opened = storing.shared_database(tmp_path, url, transaction_limit_s=1.0)
        await opened.open()
        yield opened
        await opened.close()


async def settled(action: Callable[[], Awaitable[object]]) -> None:
    """Repeat something until the database answers; it fails as unavailable, or not at all."""
    async with asyncio.timeout(LIMIT_S):
        while True:
            with contextlib.suppress(StoreUnavailable):
                await action()
                return
            await asyncio.sleep(0.02)


async def cut(server: PostgresServer, session: Session) -> None:
    """Cut a transaction's connection, as the server's operator can."""
    found = await session.exec(storing.server_process())
    await server.run("SELECT pg_terminate_backend($1)", found.scalar_one())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
async def test_a_server_that_restarts_is_found_again(
    kept: PostgresDatabase, server: PostgresServer, number: signal.Signals
) -> None:
    """Calls are told that it is away, and work again when it is back; nothing is lost."""
    await storing.note(kept, "before")
    # Several connections lie in the pool, and all of them are lost.
    await asyncio.gather(*(storing.texts(kept) for _ in range(6)))
    # What it takes from the log after a crash must be there: it waits for no disk.
    await server.run("CHECKPOINT")
    with capture_logs() as logs:
        await asyncio.to_thread(server.stop, number)
        for _ in range(3):
            with pytest.raises(StoreUnavailable) as caught:
                await storing.texts(kept)
            with pytest.raises(StoreUnavailable):
                await storing.note(kept, "meanwhile")
        assert caught.value.reason == "STORE_UNAVAILABLE"
        server.start()
        await settled(lambda: storing.texts(kept))
        assert await storing.texts(kept) == ["before"]
        await asyncio.gather(*(storing.texts(kept) for _ in range(6)))
        await storing.note(kept, "after")
    assert await storing.texts(kept) == ["before", "after"]
    events = [line["event"] for line in logs if line["event"].startswith("database_")]
    assert events == ["database_unavailable", "database_available"]


async def test_connections_that_were_cut_at_rest_are_not_noticed(
    kept: PostgresDatabase, server: PostgresServer
) -> None:
    """As by a server that restarted between two calls: the next call succeeds."""
    await asyncio.gather(*(storing.texts(kept) for _ in range(6)))
    await asyncio.to_thread(server.stop)
    server.start()
    await asyncio.gather(*(storing.texts(kept) for _ in range(6)))
    await storing.note(kept, "a")
    assert await storing.texts(kept) == ["a"]


@pytest.mark.parametrize("writes", [True, False])
async def test_a_connection_lost_in_the_middle_takes_everything_back(
    kept: PostgresDatabase, server: PostgresServer, writes: bool
) -> None:
    """Whether the next statement notices, or only the end."""

    async def lose(*, notices: bool) -> None:
        async with (kept.write if writes else kept.read)() as session:
            if writes:
                await storing.add(session, "never")
            await cut(server, session)
            if notices:
                await session.exec(storing.all_texts())

    for notices in (True, False):
        with pytest.raises(StoreUnavailable):
            await lose(notices=notices)
    assert await storing.texts(kept) == []
    await storing.note(kept, "a")
    assert await storing.texts(kept) == ["a"]


async def test_a_body_that_fails_on_a_lost_connection_tells_its_own_error(
    kept: PostgresDatabase, server: PostgresServer
) -> None:
    """What happened first says more."""

    async def fail() -> None:
        async with kept.write() as session:
            await cut(server, session)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    await storing.note(kept, "a")
    assert await storing.texts(kept) == ["a"]


async def test_a_network_that_swallows_everything_is_cut(
    kept: PostgresDatabase, server: PostgresServer
) -> None:
    """Nobody waits for ever, and the next transaction has a connection of its own."""
    await asyncio.gather(*(storing.texts(kept) for _ in range(3)))
    server.pause()
    try:
        async with asyncio.timeout(LIMIT_S):
            told = await asyncio.gather(
                storing.texts(kept), storing.note(kept, "never"), return_exceptions=True
            )
    finally:
        server.resume()
    assert [type(error) for error in told] == [StoreUnavailable] * 2
    await settled(lambda: storing.texts(kept))
    await storing.note(kept, "a")
    assert (await storing.texts(kept))[-1] == "a"


async def test_closing_does_not_wait_for_a_server_that_says_nothing(
    kept: PostgresDatabase, server: PostgresServer
) -> None:
    """A process that is told to stop does so."""
    await asyncio.gather(*(storing.texts(kept) for _ in range(3)))
    server.pause()
    try:
        async with asyncio.timeout(LIMIT_S):
            await kept.close()
    finally:
        server.resume()


async def test_a_statement_that_takes_too_long_is_ended(
    tmp_path: Path, server: PostgresServer
) -> None:
    """By the server, after the time that is set."""
    async with server.database(storing.NOTES_TEMPLATE) as url:
        kept = storing.shared_database(tmp_path, url, database_statement_timeout_s=0.1)
        await kept.open()
        with pytest.raises(StoreUnavailable):
            async with asyncio.timeout(LIMIT_S), kept.read() as session:
                await session.exec(storing.sleep_for(3600))
        assert await storing.texts(kept) == []
        await kept.close()


async def test_more_readers_than_connections_wait_for_a_while_only(
    tmp_path: Path, server: PostgresServer
) -> None:
    """Then they are told to try again."""
    async with server.database(storing.NOTES_TEMPLATE) as url:
        kept = storing.shared_database(tmp_path, url, turn_wait_s=0.1, database_pool_size=2)
        await kept.open()
        async with kept.read() as one, kept.read() as two:
            await one.exec(storing.all_texts())
            await two.exec(storing.all_texts())
            with pytest.raises(StoreUnavailable):
                async with asyncio.timeout(LIMIT_S):
                    await storing.texts(kept)
        assert await storing.texts(kept) == []
        await kept.close()


async def test_text_that_postgresql_cannot_hold_is_the_callers_mistake(
    kept: PostgresDatabase,
) -> None:
    """It has no room for U+0000; that is no trouble of the server's."""
    with pytest.raises(InvalidArgument) as caught:
        await storing.note(kept, "a\0b")
    assert "U+0000" in caught.value.violations[0].description
    assert await storing.texts(kept) == []


async def test_a_reader_cannot_write(kept: PostgresDatabase) -> None:
    """The server holds it to that; it is a mistake of ours, and no trouble that passes."""
    with pytest.raises(Exception, match="read-only") as caught:
        async with kept.read() as session:
            await storing.add(session, "a")
    assert not isinstance(caught.value, StoreUnavailable)
    assert await storing.texts(kept) == []
