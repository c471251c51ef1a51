"""How a run ends in the journal: once, and only when nobody reads where that matters."""

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
from trunkline.inference.journal.store import Append, Appended, End, RunStore
from trunkline.inference.v1 import run_pb2


async def test_the_last_events_and_the_end_are_one(store: RunStore, other: RunStore) -> None:
    """An answer's last segment and that it ended are written together."""
    run_id = await begin(store)
    last = segment(run_id, 1, 2, end=End(run_pb2.RUN_STATE_SUCCEEDED))
    assert await write(store, last) == [Appended.DONE]
    record = await get(other, run_id)
    assert record.state == run_pb2.RUN_STATE_SUCCEEDED
    assert (record.last_sequence, record.status) == (2, b"")
    assert record.ended_ns > 0
    assert await spans(other, run_id) == [(1, 2)]


async def test_the_first_end_wins(store: RunStore, other: RunStore) -> None:
    """Of all who end a run at once, one does, and nothing is written after it."""
    run_id = await begin(store)
    outcomes = await asyncio.gather(
        *(
            write(either, ending(run_id, epoch=epoch, status=f"{epoch} {number}".encode()))
            for number in range(5)
            for either, epoch in ((store, 1), (other, 0))
        )
    )
    assert outcomes.count([Appended.DONE]) == 1
    assert outcomes.count([Appended.ENDED]) == 9
    before = await get(store, run_id)
    assert await write(store, segment(run_id, 1, 1)) == [Appended.ENDED]
    assert await get(store, run_id) == before


async def test_somebody_else_ends_a_run_whatever_its_epoch(
    store: RunStore, other: RunStore
) -> None:
    """Who cancels knows neither the epoch nor the last sequence."""
    run_id = await begin(store)
    await write(store, segment(run_id, 1, 7))
    cancelled = End(run_pb2.RUN_STATE_CANCELLED, b"why")
    assert await other.append([Append(run_id, 0, 1, 0, b"", end=cancelled)]) == [Appended.DONE]
    record = await get(store, run_id)
    assert (record.state, record.status) == (run_pb2.RUN_STATE_CANCELLED, b"why")
    assert record.last_sequence == 7
    assert await write(store, segment(run_id, 8, 8)) == [Appended.ENDED]


async def test_an_end_needs_no_sequence(store: RunStore, other: RunStore) -> None:
    """Who ends a run of an epoch need not know how far it came, and holds no event."""
    run_id = await begin(store)
    await write(store, segment(run_id, 1, 7))
    end = End(run_pb2.RUN_STATE_CANCELLED, b"why")
    assert await other.append([Append(run_id, 2, 0, -1, b"", end=end)]) == [Appended.SUPERSEDED]
    assert await other.append([Append(run_id, 1, 0, -1, b"", end=end)]) == [Appended.DONE]
    record = await get(store, run_id)
    assert (record.state, record.last_sequence) == (run_pb2.RUN_STATE_CANCELLED, 7)
    assert await spans(store, run_id) == [(1, 7)]


async def test_an_end_for_want_of_readers_finds_them_anywhere(
    store: RunStore, other: RunStore
) -> None:
    """A run that is read in another process does not end because its owner sees nobody."""
    run_id = await begin(store)
    await other.renew("p2", LONG_S)
    await other.set_readers(run_id, "p2", 2)
    await store.set_readers(run_id, "p1", 1)
    assert (await get(store, run_id)).readers == 3
    await store.set_readers(run_id, "p1", 0)
    assert await write(store, ending(run_id, unread_for_s=0)) == [Appended.READ]
    assert (await get(store, run_id)).ended_ns == 0
    await other.set_readers(run_id, "p2", 0)
    assert await write(store, ending(run_id, unread_for_s=LONG_S)) == [Appended.READ]
    assert await write(store, ending(run_id, unread_for_s=0)) == [Appended.DONE]


async def test_a_reader_that_left_is_waited_for(journal: Journal, store: RunStore) -> None:
    """The grace begins when the last reader leaves."""
    run_id = await begin(store)
    await store.set_readers(run_id, "p1", 1)
    await store.set_readers(run_id, "p1", 0)
    assert await write(store, ending(run_id, unread_for_s=LONG_S)) == [Appended.READ]
    await journal.pass_s(2 * SHORT_S)
    assert await write(store, ending(run_id, unread_for_s=SHORT_S)) == [Appended.DONE]


async def test_readers_of_a_dead_process_left_with_it(
    journal: Journal, store: RunStore, other: RunStore
) -> None:
    """They count as gone since its lease ended, and have their grace from then on."""
    run_id = await begin(store)
    await other.renew("p2", SHORT_S)
    await other.set_readers(run_id, "p2", 1)
    await journal.pass_s(2 * SHORT_S)
    assert (await get(store, run_id)).readers == 0
    assert await write(store, ending(run_id, unread_for_s=LONG_S)) == [Appended.READ]
    await journal.pass_s(2 * SHORT_S)
    assert await write(store, ending(run_id, unread_for_s=2 * SHORT_S)) == [Appended.DONE]


async def test_a_run_that_nobody_ever_read_may_end(store: RunStore) -> None:
    """Its owner measures the grace of a run without a first reader."""
    run_id = await begin(store)
    assert await write(store, ending(run_id, unread_for_s=LONG_S)) == [Appended.DONE]


async def test_an_ended_run_is_compacted(store: RunStore, other: RunStore) -> None:
    """All its segments become one, which whoever reads on gets."""
    run_id = await begin(store)
    for number in range(1, 6):
        await write(store, segment(run_id, number, number))
    await store.compact(run_id, 1, b"too early")
    await write(store, ending(run_id, 5))
    await store.compact(run_id, 2, b"of another epoch")
    assert len(await store.read(run_id, 0, 2**20)) == 5
    await store.compact(run_id, 1, b"the whole")
    (whole,) = await other.read(run_id, 3, 1)
    assert (whole.epoch, whole.first, whole.last, whole.data) == (1, 1, 5, b"the whole")
    assert await other.read(run_id, 5, 1) == []


@pytest.mark.parametrize("frees", [True, False])
async def test_one_key_is_one_run(store: RunStore, other: RunStore, frees: bool) -> None:
    """Of many who begin with one key one run comes; its end frees the key when it says so."""
    await store.renew("p1", LONG_S)
    runs = [new_run(idempotency_key=b"key", request_digest=b"digest") for _ in range(50)]
    found = await asyncio.gather(
        *((store, other)[number % 2].create(run) for number, run in enumerate(runs))
    )
    (won,) = [run.run_id for run, there in zip(runs, found, strict=True) if there is None]
    assert {there.run_id for there in found if there is not None} == {won}
    assert {there.request_digest for there in found if there is not None} == {b"digest"}
    lost = [run.run_id for run in runs if run.run_id != won]
    assert [await store.load(run_id) for run_id in lost] == [None] * 49
    assert await store.create(new_run(idempotency_key=b"another")) is None
    await write(store, ending(won, frees_key=frees))
    again = await other.create(new_run(idempotency_key=b"key"))
    assert (again is None) == frees
    assert again is None or again.run_id == won
