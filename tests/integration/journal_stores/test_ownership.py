"""Who may write a run: one owner at a time, whatever the processes believe."""

from __future__ import annotations

import asyncio

import pytest

from integration.journal_stores.journals import (
    LONG_S,
    SHORT_S,
    Journal,
    begin,
    ending,
    get,
    new_run,
    segment,
    spans,
    write,
)
from trunkline.inference.journal.store import (
    MAX_TAKEOVERS,
    VERSION,
    Appended,
    Refusal,
    RunRecord,
    RunStore,
)
from trunkline.inference.v1 import run_pb2


async def test_a_new_run_is_read_as_it_was_written(store: RunStore, other: RunStore) -> None:
    """What is settled of a run comes back as it was, in another process too."""
    await store.renew("p1", LONG_S)
    run = new_run(continues=True, request_digest=b"digest", retention_s=1.5)
    assert await store.create(run) is None
    assert await get(other, run.run_id) == RunRecord(
        run_id=run.run_id,
        owner=run.owner,
        target=run.target,
        created_ns=run.created_ns,
        wrapped_key=run.wrapped_key,
        terms=run.terms,
        grace_s=15.0,
        continues=True,
        retention_s=1.5,
        request_digest=b"digest",
        process_id="p1",
        epoch=1,
        takeovers=0,
        version=VERSION,
        state=run_pb2.RUN_STATE_RUNNING,
        last_sequence=0,
        ended_ns=0,
        status=b"",
        readers=0,
        is_read_elsewhere=False,
        is_owned=True,
        is_ledgered=False,
    )


async def test_a_run_that_is_not_there_is_told(store: RunStore) -> None:
    """Whatever is asked of an unknown run is answered, and makes nothing."""
    await store.renew("p1", LONG_S)
    assert await store.load("run_none") is None
    assert await write(store, segment("run_none", 1, 1)) == [Appended.SUPERSEDED]
    assert await write(store, ending("run_none", epoch=0)) == [Appended.SUPERSEDED]
    assert await store.read("run_none", 0, 100) == []
    assert await store.inbox("run_none") == []
    assert await store.claim("run_none", "p1") is Refusal.ENDED
    await store.set_readers("run_none", "p1", 1)
    await store.set_readers("run_none", "p1", 0)
    await store.put("run_none", "item", b"digest", b"data")
    await store.compact("run_none", 1, b"data")
    await store.mark_ledgered(["run_none"])
    assert await store.load("run_none") is None


async def test_a_run_is_made_once(store: RunStore, other: RunStore) -> None:
    """Who is not sure that his run was written writes it again, and finds it."""
    run = new_run()
    assert await store.create(run) is None
    again = await other.create(run)
    assert again is not None
    assert again.run_id == run.run_id


async def test_appends_follow_each_other(store: RunStore) -> None:
    """Only what follows the last event is taken."""
    run_id = await begin(store)
    outcomes = [
        await write(store, segment(run_id, first, last))
        for first, last in ((1, 2), (4, 5), (2, 3), (3, 3), (1, 2))
    ]
    done, refused = [Appended.DONE], [Appended.SUPERSEDED]
    assert outcomes == [done, refused, refused, done, refused]
    assert await spans(store, run_id) == [(1, 2), (3, 3)]
    assert (await get(store, run_id)).last_sequence == 3


async def test_an_append_is_repeated_without_harm(store: RunStore) -> None:
    """Whoever did not hear what became of his append makes it again, and it lies there once."""
    run_id = await begin(store)
    for entry in (segment(run_id, 1, 2), segment(run_id, 3, 2), segment(run_id, 3, 5)):
        assert await write(store, entry, entry) == [Appended.DONE, Appended.DONE]
        assert await write(store, entry) == [Appended.DONE]
    other_content = segment(run_id, 3, 5, data=b"sealed anew")
    assert await write(store, other_content) == [Appended.SUPERSEDED]
    assert await write(store, segment(run_id, 1, 2)) == [Appended.SUPERSEDED]
    assert await spans(store, run_id) == [(1, 2), (3, 2), (3, 5)]


async def test_each_append_of_a_commit_stands_for_itself(store: RunStore) -> None:
    """One that is refused keeps none of the others from being written, in their order."""
    mine, ended = await begin(store), await begin(store)
    await write(store, ending(ended))
    outcomes = await write(
        store,
        segment(mine, 1, 1),
        segment(ended, 1, 1),
        segment("run_none", 1, 1),
        segment(mine, 2, 3),
        segment(mine, 3, 4),
        segment(mine, 4, 4, epoch=2),
        segment(mine, 4, 4, state=run_pb2.RUN_STATE_WAITING),
    )
    assert outcomes == [
        Appended.DONE,
        Appended.ENDED,
        Appended.SUPERSEDED,
        Appended.DONE,
        Appended.SUPERSEDED,
        Appended.SUPERSEDED,
        Appended.DONE,
    ]
    assert await spans(store, mine) == [(1, 1), (2, 3), (4, 4)]
    assert (await get(store, mine)).state == run_pb2.RUN_STATE_WAITING


async def test_of_two_owners_one_writes(journal: Journal, store: RunStore, other: RunStore) -> None:
    """When the new owner has claimed, the old one writes nothing more."""
    run_id = await begin(store, "p1", SHORT_S)
    await write(store, segment(run_id, 1, 1))
    await journal.pass_s(2 * SHORT_S)
    await other.renew("p2", LONG_S)
    claimed = await other.claim(run_id, "p2")
    assert isinstance(claimed, RunRecord)
    assert (claimed.process_id, claimed.epoch, claimed.takeovers) == ("p2", 2, 1)
    assert claimed.is_owned
    both = await asyncio.gather(
        *(write(store, segment(run_id, 2, 2, data=b"old %d" % n)) for n in range(5)),
        *(write(other, segment(run_id, 2, 2, epoch=2, data=b"new %d" % n)) for n in range(5)),
    )
    assert sum(outcome == [Appended.DONE] for outcome in both) == 1
    assert [outcome for outcome in both[:5] if outcome != [Appended.SUPERSEDED]] == []
    last = (await store.read(run_id, 0, 2**20))[-1]
    assert (last.epoch, last.data[:3]) == (2, b"new")


async def test_one_of_many_claims(journal: Journal, store: RunStore, other: RunStore) -> None:
    """Many who want an abandoned run at once: one has it, the others are told so."""
    run_id = await begin(store, "gone", SHORT_S)
    await journal.pass_s(2 * SHORT_S)
    names = [f"p{number}" for number in range(10)]
    for name in names:
        await store.renew(name, LONG_S)
    claims = await asyncio.gather(
        *((store, other)[number % 2].claim(run_id, name) for number, name in enumerate(names))
    )
    (won,) = [claim for claim in claims if isinstance(claim, RunRecord)]
    assert claims.count(Refusal.OWNED) == 9
    assert (await get(store, run_id)).process_id == won.process_id


async def test_an_owner_that_lives_keeps_its_run(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """A lease that is renewed lasts; one that is not ends, and the run is nobody's."""
    run_id = await begin(store, "p1", SHORT_S)
    await store.renew("p1", LONG_S)
    await other.renew("p2", LONG_S)
    await journal.pass_s(2 * SHORT_S)
    assert await other.claim(run_id, "p2") is Refusal.OWNED
    assert (await get(other, run_id)).is_owned
    await store.renew("p1", SHORT_S)
    await journal.pass_s(2 * SHORT_S)
    assert not (await get(other, run_id)).is_owned


async def test_a_claim_of_what_was_given_up_is_no_takeover(
    store: RunStore, other: RunStore
) -> None:
    """A process that says that it ends leaves its runs and readers at once."""
    run_id = await begin(store)
    await store.set_readers(run_id, "p1", 2)
    await other.renew("p2", LONG_S)
    await store.retire("p1")
    found = await get(other, run_id)
    assert (found.is_owned, found.readers) == (False, 0)
    claimed = await other.claim(run_id, "p2")
    assert isinstance(claimed, RunRecord)
    assert (claimed.epoch, claimed.takeovers) == (2, 0)


async def test_an_owner_that_was_away_has_its_run_back(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """Who lost its lease goes on when nobody claimed, and else does not."""
    run_id = await begin(store, "p1", SHORT_S)
    await journal.pass_s(2 * SHORT_S)
    await store.renew("p1", SHORT_S)
    again = await store.claim(run_id, "p1", 1)
    assert isinstance(again, RunRecord)
    assert (again.epoch, again.takeovers, again.process_id) == (2, 0, "p1")
    assert await write(store, segment(run_id, 1, 1, epoch=2)) == [Appended.DONE]
    await journal.pass_s(2 * SHORT_S)
    await other.renew("p2", LONG_S)
    assert isinstance(await other.claim(run_id, "p2"), RunRecord)
    await store.renew("p1", LONG_S)
    assert await store.claim(run_id, "p1", 2) is Refusal.OWNED


async def test_a_run_is_taken_over_a_few_times(journal: Journal, store: RunStore) -> None:
    """A run that kills whoever takes it is taken no more."""
    run_id = await begin(store, "p0", SHORT_S)
    for number in range(1, MAX_TAKEOVERS + 1):
        await journal.pass_s(2 * SHORT_S)
        await store.renew(f"p{number}", SHORT_S)
        assert isinstance(await store.claim(run_id, f"p{number}"), RunRecord)
    await journal.pass_s(2 * SHORT_S)
    await store.renew("last", LONG_S)
    assert await store.claim(run_id, "last") is Refusal.EXHAUSTED
    record = await get(store, run_id)
    assert (record.takeovers, record.epoch) == (MAX_TAKEOVERS, MAX_TAKEOVERS + 1)


async def test_an_older_build_leaves_a_newer_ones_run(
    journal: Journal, store: RunStore, other: RunStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record of a newer writer is not claimed by one that may not understand it."""
    journal.write_as(VERSION + 1, monkeypatch)
    run_id = await begin(store, "newer")
    journal.write_as(VERSION, monkeypatch)
    await other.renew("older", LONG_S)
    assert await other.claim(run_id, "older") is Refusal.OWNED
    await store.retire("newer")
    assert await other.claim(run_id, "older") is Refusal.NEWER
    assert (await get(other, run_id)).version == VERSION + 1
    journal.write_as(VERSION + 1, monkeypatch)
    assert isinstance(await other.claim(run_id, "older"), RunRecord)


async def test_a_run_that_ended_is_not_claimed(store: RunStore, other: RunStore) -> None:
    """There is nothing left to go on with."""
    run_id = await begin(store)
    await write(store, ending(run_id))
    await store.retire("p1")
    await other.renew("p2", LONG_S)
    assert await other.claim(run_id, "p2") is Refusal.ENDED
    assert await store.claim(run_id, "p1", 1) is Refusal.ENDED


async def test_work_of_the_fleet_is_done_by_one(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """A turn is one process's until it ends, or until that process does."""
    assert await store.take_turn("sweep", "p1", LONG_S)
    assert not await other.take_turn("sweep", "p2", LONG_S)
    assert await other.take_turn("another", "p2", LONG_S)
    assert await store.take_turn("sweep", "p1", SHORT_S)
    await journal.pass_s(2 * SHORT_S)
    assert await other.take_turn("sweep", "p2", LONG_S)
    assert not await store.take_turn("sweep", "p1", LONG_S)
    await other.retire("p2")
    assert await store.take_turn("sweep", "p1", LONG_S)
    assert await store.take_turn("another", "p1", LONG_S)
