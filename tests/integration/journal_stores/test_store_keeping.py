"""What a store does for itself: it forgets the dead, and finishes what was cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.journal_stores.journals import (
    LONG_S,
    SHORT_S,
    Journal,
    RedisJournal,
    SqliteJournal,
    begin,
    ending,
    get,
    new_run,
    segment,
    write,
)
from support.redis import RedisServer
from trunkline.inference.journal import sqlite_trimming
from trunkline.inference.journal.redis import RedisStore
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import Refusal, RunStore


async def test_processes_that_are_long_gone_are_forgotten(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """Unless they own something that goes on: that is still found, and taken over."""
    ended = await begin(store, "died")
    await write(store, ending(ended))
    left = await begin(store, "owner")
    await store.retire("owner")
    taken = await begin(store, "retired")
    await other.renew("p2", LONG_S)
    await store.retire("retired")
    await other.claim(taken, "p2")
    assert await journal.processes() == {"retired", "died", "owner", "p2"}
    await journal.pass_days(2)
    await other.renew("p2", LONG_S)
    await other.trim(1)
    assert await journal.processes() == {"owner", "p2"}
    assert [found.run_id for found, _ in await other.abandoned(10)] == [left]


async def test_a_clock_that_is_set_back_keeps_nobody_alive(tmp_path: Path) -> None:
    """A lease that ends long after it could have was given before: it holds no longer."""
    journal = SqliteJournal(tmp_path / "journal.db")
    store = await journal.open()
    run_id = await begin(store, "died", SHORT_S)
    await journal.pass_s(-3600)
    await store.renew("p2", LONG_S)
    assert not (await get(store, run_id)).is_owned
    assert await store.take_turn("sweep", "died", LONG_S)
    await journal.pass_s(-3600)
    assert await store.take_turn("sweep", "p2", LONG_S)
    await journal.close()


async def test_a_trim_that_was_cut_off_is_finished(tmp_path: Path) -> None:
    """A process that dies after it destroyed the key leaves the rest to the next one."""
    journal = SqliteJournal(tmp_path / "journal.db")
    store = await journal.open()
    await store.renew("p1", LONG_S)
    run = new_run(retention_s=0.0)
    await store.create(run)
    await write(store, segment(run.run_id, 1, 1))
    await write(store, ending(run.run_id, 1))
    await store.mark_ledgered([run.run_id])
    assert isinstance(store, SqliteStore)
    doomed = await store._write(lambda db, now: sqlite_trimming.doom(db, now, 10))
    assert doomed == 1
    assert await store.load(run.run_id) is None
    assert len(await journal.traces()) == 2
    again = await journal.open()
    assert await again.trim(10) == 0
    assert await journal.traces() == []
    await journal.close()


async def test_redis_lets_go_of_what_nobody_trims(redis_server: RedisServer) -> None:
    """Ledgered runs have an end on the server itself, an hour after their time."""
    journal = RedisJournal(redis_server)
    store = await journal.open()
    await store.renew("p1", LONG_S)
    run = new_run(retention_s=60.0, idempotency_key=b"key")
    await store.create(run)
    await store.set_readers(run.run_id, "p1", 1)
    await write(store, segment(run.run_id, 1, 1))
    await store.put(run.run_id, "item", b"digest", b"data")
    await write(store, ending(run.run_id, 1))
    content = [key for key in await journal.traces() if "run:" in key or "key:" in key]
    assert len(content) == 6
    with redis_server.connect() as client:
        assert {client.pttl(key) for key in content} == {-1}
        await store.mark_ledgered([run.run_id])
        await store.compact(run.run_id, 1, b"the whole")
        assert all(0 < int(str(client.pttl(key))) <= 3_660_000 for key in content)
    await journal.close()


async def test_runs_that_were_deleted_on_the_server_stop_nothing(
    redis_server: RedisServer,
) -> None:
    """Whoever looks for abandoned runs, or for those to ledger, gets all the others."""
    journal = RedisJournal(redis_server)
    store = await journal.open()
    lost, left = [await begin(store, "died") for _ in range(2)]
    lost_end, left_end = [await begin(store, "died") for _ in range(2)]
    await write(store, ending(lost_end), ending(left_end))
    await store.retire("died")
    with redis_server.connect() as client:
        client.delete(f"{journal.prefix}run:{lost}", f"{journal.prefix}run:{lost_end}")
    for _ in range(2):
        assert [found.run_id for found, _ in await store.abandoned(10)] == [left]
        assert [found.run_id for found in await store.unledgered(10)] == [left_end]
    await journal.close()


async def test_a_server_that_may_throw_runs_away_is_told_of(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A policy that evicts any key takes runs that go on; whoever starts reads of it."""
    server = RedisServer(**{"maxmemory-policy": "allkeys-lru"})
    server.start()
    store = RedisStore(server.url)
    try:
        await store.open()
        assert "journal_may_be_evicted" in capsys.readouterr().out
        assert await store.claim("run_none", "p1") is Refusal.ENDED
    finally:
        await store.close()
        server.close()
