"""Redis is away, is no server of ours, or forgot everything: what is said, and that it heals."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from integration.journal_stores.journals import (
    LONG_S,
    begin,
    get,
    new_run,
    segment,
    write,
)
from integration.journal_stores.test_wakes import Woken
from support.ports import free_ports
from support.redis import PASSWORD_IN_URL, RedisServer
from support.waiting import eventually
from trunkline.inference.journal.redis import RedisStore
from trunkline.inference.journal.store import (
    Appended,
    JournalUnavailable,
    RunQuery,
    RunStore,
)
from trunkline.kernel.database import DatabaseError

_WAIT_S = 0.3
_CALLS: dict[str, Callable[[RunStore], Awaitable[object]]] = {
    "renew": lambda store: store.renew("p1", LONG_S),
    "retire": lambda store: store.retire("p1"),
    "create": lambda store: store.create(new_run()),
    "load": lambda store: store.load("run_1"),
    "append": lambda store: write(store, segment("run_1", 1, 1)),
    "read": lambda store: store.read("run_1", 0, 1),
    "compact": lambda store: store.compact("run_1", 1, b"data"),
    "claim": lambda store: store.claim("run_1", "p1"),
    "set_readers": lambda store: store.set_readers("run_1", "p1", 1),
    "put": lambda store: store.put("run_1", "item", b"digest", b"data"),
    "inbox": lambda store: store.inbox("run_1"),
    "abandoned": lambda store: store.abandoned(1),
    "list_runs": lambda store: store.list_runs(RunQuery()),
    "unledgered": lambda store: store.unledgered(1),
    "mark_ledgered": lambda store: store.mark_ledgered(["run_1"]),
    "trim": lambda store: store.trim(1),
    "take_turn": lambda store: store.take_turn("sweep", "p1", LONG_S),
    "follow": lambda store: store.follow("run_1"),
}


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that a test may stop."""
    server = RedisServer()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
async def store(server: RedisServer) -> AsyncIterator[RunStore]:
    """A store over that server."""
    store = RedisStore(server.tcp_url, wait_s=_WAIT_S)
    await store.open()
    yield store
    await store.close()


async def _answers(store: RunStore) -> bool:
    """Tell whether a store answers."""
    try:
        await store.load("run_1")
    except JournalUnavailable:
        return False
    return True


async def test_a_silent_server_holds_nobody_for_long(server: RedisServer, store: RunStore) -> None:
    """Every call fails in its time, more at once than there are connections; then all works."""
    run_id = await begin(store)
    server.pause()
    async with asyncio.timeout(30 * _WAIT_S):
        outcomes = await asyncio.gather(
            *(call(store) for call in _CALLS.values()), return_exceptions=True
        )
    assert {type(outcome) for outcome in outcomes} == {JournalUnavailable}
    server.resume()
    await eventually(lambda: _answers(store))
    assert await write(store, segment(run_id, 1, 1)) == [Appended.DONE]


async def test_a_server_that_comes_back_is_used_again(server: RedisServer, store: RunStore) -> None:
    """Calls and wakes work again after a restart, by themselves."""
    woken = Woken(store)
    await store.follow("run_1")
    server.stop()
    for call in _CALLS.values():
        with pytest.raises(JournalUnavailable):
            await call(store)
    server.start()
    await eventually(lambda: _answers(store))
    other = RedisStore(server.url)
    await other.open()
    await other.renew("p2", LONG_S)
    assert await other.create(new_run("p2", run_id="run_1")) is None
    await woken.hears("run_1")
    await write(other, segment("run_1", 1, 1))
    await woken.hears("run_1")
    await other.close()


async def test_a_lost_line_loses_no_wake(server: RedisServer, store: RunStore) -> None:
    """What was told while nobody heard it is found nevertheless."""
    run_id = await begin(store)
    woken = Woken(store)
    await store.follow(run_id)
    with server.connect() as client:
        assert client.client_kill_filter(_type="pubsub") == 1
    await write(store, segment(run_id, 1, 1))
    await woken.hears(run_id)


async def test_who_is_cancelled_ends_at_once(server: RedisServer, store: RunStore) -> None:
    """A caller that leaves is gone, and its answer is not taken for somebody else's."""
    runs = [await begin(store) for _ in range(8)]
    server.pause()
    tasks = [asyncio.create_task(store.load(run_id)) for run_id in runs]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    done, pending = await asyncio.wait(tasks, timeout=_WAIT_S / 2)
    assert not pending
    assert all(task.cancelled() for task in done)
    server.resume()
    await eventually(lambda: _answers(store))
    found = await asyncio.gather(*(get(store, run_id) for run_id in runs))
    assert [record.run_id for record in found] == runs


async def test_a_server_without_our_scripts_gets_them(server: RedisServer, store: RunStore) -> None:
    """Scripts that the server forgot are sent again."""
    run_id = await begin(store)
    with server.connect() as client:
        client.script_flush()
    assert await write(store, segment(run_id, 1, 1)) == [Appended.DONE]


async def test_a_server_that_is_not_there_is_told_at_the_start() -> None:
    """Opening fails in its time, and may be tried again."""
    server = RedisServer()
    store = RedisStore(server.tcp_url, wait_s=_WAIT_S)
    with pytest.raises(JournalUnavailable):
        await store.open()
    with pytest.raises(JournalUnavailable):
        await store.load("run_1")
    server.start()
    try:
        await store.open()
        assert await store.load("run_1") is None
    finally:
        await store.close()
        server.close()


async def test_a_wrong_password_is_told_without_it(
    server: RedisServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whoever is not let in learns where, and sees no part of the password."""
    wrong = "hunter2"
    store = RedisStore(server.tcp_url.replace(PASSWORD_IN_URL, wrong))
    with pytest.raises(DatabaseError, match=f"127.0.0.1:{server.port} does not let us in") as told:
        await store.open()
    assert told.value.__cause__ is None
    assert wrong not in f"{told.value} {told.value.advice} {store!r}"
    assert wrong not in "".join(capsys.readouterr())


async def test_a_cluster_is_refused() -> None:
    """Keys of one run would lie on several servers: that is said at the start."""
    server = RedisServer(**{"cluster-enabled": "yes"})
    # Its bus listens at the port that is higher by 10,000.
    server.port = min(free_ports(16))
    server.start()
    try:
        with pytest.raises(DatabaseError, match="is a Redis Cluster"):
            await RedisStore(server.tcp_url).open()
    finally:
        server.close()
