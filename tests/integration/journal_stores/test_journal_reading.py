"""What is read of a run, and what lies in its inbox."""

from __future__ import annotations

from integration.journal_stores.journals import (
    LONG_S,
    Journal,
    begin,
    ending,
    segment,
    spans,
    write,
)
from trunkline.inference.journal.store import Append, RunRecord, RunStore
from trunkline.inference.v1 import run_pb2


async def test_what_comes_after_a_sequence_is_read(store: RunStore, other: RunStore) -> None:
    """The first segment may begin before it, and holds an event after it."""
    run_id = await begin(store)
    await write(store, segment(run_id, 1, 3))
    await write(store, segment(run_id, 4, 4), segment(run_id, 5, 300))
    whole = [(1, 3), (4, 4), (5, 300)]
    assert await spans(other, run_id) == whole
    assert await spans(other, run_id, 2) == whole
    assert await spans(other, run_id, 3) == whole[1:]
    assert await spans(other, run_id, 4) == await spans(other, run_id, 299) == whole[2:]
    assert await spans(other, run_id, 300) == await spans(other, run_id, 301) == []
    first, *_ = await other.read(run_id, 0, 1)
    assert (first.epoch, first.data) == (1, f"{run_id}:1:1-3".encode())


async def test_a_segment_without_events_lies_before_what_follows(store: RunStore) -> None:
    """It comes to those who read across the place where it lies, in its order."""
    run_id = await begin(store)
    for number, (first, last) in enumerate(((1, 0), (1, 2), (3, 2), (3, 2), (3, 9), (10, 9))):
        await write(store, segment(run_id, first, last, data=b"sealed %d" % number))
    assert await spans(store, run_id) == [(1, 0), (1, 2), (3, 2), (3, 2), (3, 9), (10, 9)]
    assert await spans(store, run_id, 1) == [(1, 2), (3, 2), (3, 2), (3, 9), (10, 9)]
    assert await spans(store, run_id, 2) == [(3, 2), (3, 2), (3, 9), (10, 9)]
    assert await spans(store, run_id, 3) == [(3, 9), (10, 9)]
    assert await spans(store, run_id, 9) == [(10, 9)]
    assert await spans(store, run_id, 10) == []


async def test_a_read_is_bounded_by_its_bytes(store: RunStore) -> None:
    """It stops before the bound, and after one segment in any case."""
    run_id = await begin(store)
    for number in range(1, 6):
        await write(store, segment(run_id, number, number, data=b"x" * 1_000))
    for size, count in ((1, 1), (1_999, 1), (2_000, 2), (4_500, 4), (10**6, 5)):
        assert len(await store.read(run_id, 0, size)) == count
    assert [part.first for part in await store.read(run_id, 3, 1)] == [4]


async def test_a_long_journal_comes_whole_in_pieces(store: RunStore) -> None:
    """Reading on from the last event of each piece leaves nothing out, whatever the bound."""
    run_id = await begin(store)
    expected = []
    for number in range(300):
        expected.append((2 * number + 1, 2 * number + 2))
    await write(store, *(segment(run_id, *span, data=b"x" * 100) for span in expected))
    found: list[tuple[int, int]] = []
    while parts := await store.read(run_id, found[-1][1] if found else 0, 1_750):
        assert len(parts) <= 17
        found += [(part.first, part.last) for part in parts]
    assert found == expected


async def test_a_state_changes_without_a_segment(store: RunStore, other: RunStore) -> None:
    """A commit may hold nothing but that a run waits."""
    run_id = await begin(store)
    await write(store, Append(run_id, 1, 1, 0, b"", state=run_pb2.RUN_STATE_WAITING))
    found = await other.load(run_id)
    assert found is not None
    assert found.state == run_pb2.RUN_STATE_WAITING
    assert await store.read(run_id, 0, 100) == []


async def test_each_segment_names_the_epoch_it_was_written_in(
    store: RunStore, other: RunStore
) -> None:
    """A journal of two owners tells who wrote what, for whoever opens the seals."""
    run_id = await begin(store)
    await write(store, segment(run_id, 1, 1))
    await store.retire("p1")
    await other.renew("p2", LONG_S)
    assert isinstance(await other.claim(run_id, "p2"), RunRecord)
    await write(other, segment(run_id, 2, 1, epoch=2), segment(run_id, 2, 2, epoch=2))
    assert [part.epoch for part in await store.read(run_id, 0, 100)] == [1, 2, 2]


async def test_an_inbox_holds_each_item_once(store: RunStore, other: RunStore) -> None:
    """What is put twice lies there once; another one of its id is refused."""
    run_id = await begin(store)
    assert await other.put(run_id, "call_2", b"digest", b"two")
    assert await store.put(run_id, "call_1", b"digest", b"one")
    assert await store.put(run_id, "call_2", b"digest", b"sealed anew")
    assert not await other.put(run_id, "call_2", b"another", b"three")
    assert await store.inbox(run_id) == [("call_2", b"two"), ("call_1", b"one")]


async def test_nothing_is_put_into_what_ended(journal: Journal, store: RunStore) -> None:
    """What comes after the end is dropped: nobody will take it."""
    run_id = await begin(store)
    await write(store, ending(run_id))
    assert await store.put(run_id, "call", b"digest", b"data")
    assert await store.inbox(run_id) == []
