"""Lists of runs: for people, for the sweep, for the ledger; and what is destroyed."""

from __future__ import annotations

import pytest

from integration.journal_stores.journals import (
    LONG_S,
    NOW_NS,
    SHORT_S,
    Journal,
    begin,
    ending,
    get,
    ids,
    new_run,
    segment,
    write,
)
from trunkline.inference.journal.store import RunQuery, RunStore
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import run_pb2

_SECOND = 1_000_000_000


async def test_runs_are_listed_newest_first(store: RunStore, other: RunStore) -> None:
    """A list is narrowed by whose, which state and since when, and goes on after a page."""
    await store.renew("p1", LONG_S)
    owners = [Owner("ann"), Owner("ann", "u1"), Owner("bob"), Owner("bob", "u1")]
    runs = [
        new_run(owner=owners[number % 4], created_ns=NOW_NS + number * _SECOND)
        for number in range(12)
    ]
    for run in runs:
        assert await store.create(run) is None
    for run in runs[4:8]:
        await write(store, ending(run.run_id))
    names = [run.run_id for run in runs]

    async def listed(**query: object) -> list[int]:
        found = await other.list_runs(RunQuery(**query))  # type: ignore[arg-type]
        return [names.index(run_id) for run_id in ids(found)]

    assert await listed() == list(range(11, -1, -1))
    assert await listed(limit=2) == [11, 10]
    assert await listed(before=names[10], limit=2) == [9, 8]
    assert await listed(before=names[0]) == []
    assert await listed(principal="ann") == [9, 8, 5, 4, 1, 0]
    assert await listed(principal="ann", on_behalf_of="") == [8, 4, 0]
    assert await listed(principal="bob", on_behalf_of="u1") == [11, 7, 3]
    assert await listed(principal="bob", on_behalf_of="u1", before=names[11], limit=1) == [7]
    assert await listed(principal="nobody") == []
    assert await listed(state=run_pb2.RUN_STATE_FAILED) == [7, 6, 5, 4]
    assert await listed(state=run_pb2.RUN_STATE_RUNNING, limit=5) == [11, 10, 9, 8, 3]
    assert await listed(since_ns=NOW_NS + 10 * _SECOND) == [11, 10]
    assert await listed(since_ns=NOW_NS + 10 * _SECOND, limit=1) == [11]
    assert await listed(since_ns=NOW_NS + 3600 * _SECOND) == []
    assert await listed(principal="bob", state=run_pb2.RUN_STATE_FAILED, limit=1) == [7]


async def test_a_list_leaves_out_what_was_asked(store: RunStore) -> None:
    """A thousand requests would not fit into memory: only a run's own record has its terms."""
    run_id = await begin(store)
    (listed,) = await store.list_runs(RunQuery())
    assert listed.terms == b""
    assert (await get(store, run_id)).terms == b"sealed terms"


async def test_runs_without_an_owner_are_found(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """Those that go on and whose process died, the longest gone first; the others not."""
    first = await begin(store, "died", SHORT_S)
    ended = await begin(store, "died", SHORT_S)
    await write(store, ending(ended))
    await begin(store, "lives", LONG_S)
    await journal.pass_s(2 * SHORT_S)
    second = await begin(store, "retired", LONG_S)
    await store.retire("retired")
    await journal.pass_s(2 * SHORT_S)
    found = await other.abandoned(10)
    assert ids([record for record, _ in found]) == [first, second]
    assert found[0][1] >= 2.5 * SHORT_S
    assert 1.5 * SHORT_S <= found[1][1] < found[0][1]
    assert ids([record for record, _ in await other.abandoned(1)]) == [first]
    await other.renew("p2", LONG_S)
    await other.claim(first, "p2")
    assert ids([record for record, _ in await other.abandoned(10)]) == [second]


async def test_ended_runs_wait_for_the_ledger(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """They are listed, the longest ended first, until their attempts are in it."""
    going, *names = [await begin(store) for _ in range(4)]
    for run_id in (names[1], names[0], names[2]):
        await write(store, ending(run_id))
        await journal.pass_s(SHORT_S / 10)
    assert ids(await other.unledgered(10)) == [names[1], names[0], names[2]]
    assert ids(await other.unledgered(2)) == [names[1], names[0]]
    await other.mark_ledgered([names[0], going, names[2]])
    assert ids(await store.unledgered(10)) == [names[1]]
    assert (await get(store, names[0])).is_ledgered
    assert not (await get(store, going)).is_ledgered


@pytest.mark.parametrize("is_compacted", [True, False])
async def test_a_run_whose_time_is_over_leaves_nothing(
    journal: Journal, store: RunStore, other: RunStore, is_compacted: bool
) -> None:
    """Neither record, segments, inbox nor its place in any list is left of it."""
    await store.renew("p1", LONG_S)
    run = new_run(retention_s=SHORT_S, idempotency_key=b"key")
    await store.create(run)
    run_id = run.run_id
    await store.set_readers(run_id, "p1", 1)
    await other.follow(run_id)
    await write(store, segment(run_id, 1, 1), segment(run_id, 2, 2))
    await other.put(run_id, "call", b"digest", b"data")
    await other.renew("p2", LONG_S)
    await other.set_readers(run_id, "p2", 1)
    await write(store, ending(run_id, 2))
    if is_compacted:
        await store.compact(run_id, 1, b"the whole")
    assert await other.trim(10) == 0
    await journal.pass_s(2 * SHORT_S)
    assert await other.trim(10) == 0  # its attempts are not in the ledger
    assert await store.load(run_id) is not None
    await other.mark_ledgered([run_id])
    assert await other.trim(10) == 1
    assert await store.load(run_id) is None
    assert await store.list_runs(RunQuery(principal="ann")) == []
    assert await store.unledgered(10) == []
    assert await store.read(run_id, 0, 100) == []
    assert await store.inbox(run_id) == []
    await store.set_readers(run_id, "p1", 0)
    assert await journal.traces() == []
    assert await store.create(new_run(idempotency_key=b"key")) is None


async def test_runs_are_destroyed_a_few_at_a_time(journal: Journal, store: RunStore) -> None:
    """As many as asked for, those whose time was over first; what is kept longer stays."""
    await store.renew("p1", LONG_S)
    names = []
    for retention_s in (3 * SHORT_S, SHORT_S, 2 * SHORT_S, LONG_S):
        run = new_run(retention_s=retention_s)
        await store.create(run)
        await write(store, ending(run.run_id))
        names.append(run.run_id)
    going = await begin(store)
    await store.mark_ledgered(names)
    await journal.pass_s(4 * SHORT_S)
    assert await store.trim(1) == 1
    assert sorted(ids(await store.list_runs(RunQuery()))) == [names[0], names[2], names[3], going]
    assert await store.trim(10) == 2
    assert sorted(ids(await store.list_runs(RunQuery()))) == [names[3], going]
