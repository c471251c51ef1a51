"""Several processes write to one PostgreSQL database, and each sees what the others did."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from integration.kernel.reading import Reader, reading
from support.postgres import PostgresServer
from trunkline.kernel.database.postgres import PostgresDatabase

# What `typically 0.1 s` may take on a machine that does something else, too.
AT_ONCE_S = 1.0


@contextlib.asynccontextmanager
async def replicas(root: Path, url: str, count: int) -> AsyncIterator[Sequence[PostgresDatabase]]:
    """Open one database several times, as replicas of a service do."""
    opened = [storing.shared_database(root, url) for _ in range(count)]
    try:
        for each in opened:
            await each.open()
        yield opened
    finally:
        for each in opened:
            await each.close()


@pytest.fixture
async def pair(
    tmp_path: Path, postgres: PostgresServer
) -> AsyncIterator[Sequence[PostgresDatabase]]:
    """Two replicas of the notes."""
    async with (
        postgres.database(storing.NOTES_TEMPLATE) as url,
        replicas(tmp_path, url, 2) as opened,
    ):
        yield opened


async def listeners(kept: PostgresDatabase) -> list[int]:
    """Return the server's processes that serve listening connections."""
    async with kept.read() as session:
        return list((await session.exec(storing.listening_processes())).scalars())


async def all_listen(pair: Sequence[PostgresDatabase]) -> None:
    """Wait until each replica listens."""
    async with asyncio.timeout(LIMIT_S):
        while len(await listeners(pair[0])) < len(pair):
            await asyncio.sleep(0.01)


async def read_change(reader: Reader) -> tuple[str, float]:
    """Return the next change of a feed, and when it came."""
    change = (await reader.until("deleted_provider"))[-1]
    return change.deleted_provider, asyncio.get_running_loop().time()


async def test_a_change_of_one_replica_is_told_by_the_other_at_once(
    pair: Sequence[PostgresDatabase],
) -> None:
    """Whoever looks only each hour hears of it: the server says so at the commit."""
    loop = asyncio.get_running_loop()
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for each in pair:
            feed = storing.feed(each, heartbeat_s=3600)
            readers.append(await stack.enter_async_context(reading(feed)))
            await readers[-1].until("heartbeat")
        await all_listen(pair)
        for number in range(4):
            waiting = [asyncio.create_task(read_change(reader)) for reader in readers]
            written = loop.time()
            await storing.note(pair[number % 2], f"{number}")
            for text, told in await asyncio.gather(*waiting):
                assert text == f"{number}"
                assert told - written < AT_ONCE_S


async def test_a_notice_that_was_lost_is_made_up_for_by_looking(
    pair: Sequence[PostgresDatabase],
) -> None:
    """The connection that listens is cut, again and again; changes arrive within a second."""
    await all_listen(pair)
    loop = asyncio.get_running_loop()
    async with reading(storing.feed(pair[1], heartbeat_s=1.0)) as reader:
        await reader.until("heartbeat")
        for number in range(3):
            waiting = asyncio.create_task(read_change(reader))
            async with pair[0].read() as session:
                await session.exec(storing.cut_listening())
            await storing.note(pair[0], f"{number}")
            written = loop.time()
            text, told = await waiting
            assert text == f"{number}"
            assert told - written < 1.0 + AT_ONCE_S


async def test_a_connection_that_listens_comes_back(pair: Sequence[PostgresDatabase]) -> None:
    """By itself, as another one, and what it hears is told again."""
    await all_listen(pair)
    before = set(await listeners(pair[0]))
    async with pair[0].read() as session:
        await session.exec(storing.cut_listening())
    async with asyncio.timeout(LIMIT_S):
        while len(set(await listeners(pair[0])) - before) < len(pair):
            await asyncio.sleep(0.01)
    await test_a_change_of_one_replica_is_told_by_the_other_at_once(pair)


async def test_writers_of_all_replicas_take_turns(pair: Sequence[PostgresDatabase]) -> None:
    """Each reads what the one before wrote, wherever that was: no update is lost."""

    async def count_up(kept: PostgresDatabase) -> None:
        async with kept.write() as session:
            number = len(list(await session.exec(storing.all_texts())))
            await asyncio.sleep(0)
            await storing.add(session, f"{number}")

    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(count_up(pair[n % 2]) for n in range(40)))
    assert await storing.texts(pair[0]) == [f"{number}" for number in range(40)]


async def test_a_writer_waits_for_the_one_of_another_replica(
    pair: Sequence[PostgresDatabase],
) -> None:
    """Each replica serves its readers meanwhile."""
    async with pair[0].write() as session:
        await storing.add(session, "a")
        waiting = asyncio.create_task(storing.note(pair[1], "b"))
        assert await storing.texts(pair[1]) == []
        assert not waiting.done()
    async with asyncio.timeout(LIMIT_S):
        await waiting
    assert await storing.texts(pair[1]) == ["a", "b"]


async def test_revisions_are_in_the_order_of_commits(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    """Whoever writes where, and whoever fails: no gap, and what is seen is a whole beginning."""
    async with (
        postgres.database(storing.NOTES_TEMPLATE) as url,
        replicas(tmp_path, url, 3) as opened,
    ):
        loop = asyncio.get_running_loop()

        @settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
        @given(
            st.lists(
                st.tuples(st.integers(0, 2), st.integers(1, 3), st.booleans()),
                min_size=1,
                max_size=12,
            )
        )
        def holds(plan: list[tuple[int, int, bool]]) -> None:
            asyncio.run_coroutine_threadsafe(check_order(opened, plan), loop).result(LIMIT_S)

        await asyncio.to_thread(holds)


async def check_order(
    opened: Sequence[PostgresDatabase], plan: list[tuple[int, int, bool]]
) -> None:
    """Write by a plan, all at once, while a reader looks; compare what each has seen."""
    async with opened[0].read() as session:
        start = await storing.OUTBOX.revision(session)
    committed: list[list[int]] = []

    async def write(place: int, count: int, *, fails: bool) -> None:
        changes = [storing.change(f"{n}") for n in range(count)]
        with contextlib.suppress(ZeroDivisionError):
            async with opened[place].write() as session:
                await storing.OUTBOX.append(session, *changes)
                if fails:
                    raise ZeroDivisionError
            committed.append([change.revision for change in changes])

    async def look() -> None:
        seen = start
        while not done.is_set():
            async with opened[1].read() as session:
                changes = await storing.OUTBOX.after(session, seen)
            assert changes is not None
            numbers = [number for number, _ in changes]
            assert numbers == list(range(seen + 1, seen + 1 + len(numbers)))
            seen += len(numbers)

    done = asyncio.Event()
    looking = asyncio.create_task(look())
    await asyncio.gather(*(write(place, count, fails=fails) for place, count, fails in plan))
    done.set()
    await looking
    numbers = sorted(number for each in committed for number in each)
    assert numbers == list(range(start + 1, start + 1 + len(numbers)))
    # The changes of one transaction stand together.
    assert all(each == list(range(each[0], each[0] + len(each))) for each in committed)
    async with opened[2].read() as session:
        assert await storing.OUTBOX.revision(session) == start + len(numbers)
