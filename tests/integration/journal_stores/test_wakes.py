"""Who hears of what others wrote."""

from __future__ import annotations

from integration.journal_stores.journals import (
    LONG_S,
    SHORT_S,
    Journal,
    begin,
    ending,
    get,
    segment,
    write,
)
from support.waiting import eventually
from trunkline.inference.journal.store import RunRecord, RunStore


class Woken:
    """Records the runs for which a store called."""

    def __init__(self, store: RunStore) -> None:
        self._runs: list[str] = []
        store.on_wake(self._runs.append)

    async def hears(self, run_id: str) -> None:
        """Wait until there was a call for a run, and forget all."""

        async def heard() -> bool:
            return run_id in self._runs

        await eventually(heard)
        self._runs.clear()

    def heard(self, run_id: str) -> bool:
        """Tell whether there was a call for a run."""
        return run_id in self._runs


async def test_a_tail_hears_of_every_change(store: RunStore, other: RunStore) -> None:
    """New segments, another owner, and the end wake whoever follows."""
    run_id = await begin(store)
    woken = Woken(other)
    await other.follow(run_id)
    await write(store, segment(run_id, 1, 1))
    await woken.hears(run_id)
    await write(store, segment(run_id, 2, 1))
    await woken.hears(run_id)
    await store.retire("p1")
    await store.renew("p2", LONG_S)
    assert isinstance(await store.claim(run_id, "p2"), RunRecord)
    await woken.hears(run_id)
    await write(store, ending(run_id, 1, epoch=2))
    await woken.hears(run_id)


async def test_a_tail_hears_of_its_run_alone(store: RunStore, other: RunStore) -> None:
    """A process is woken neither for others' runs nor for one it follows no longer."""
    followed, left, foreign = [await begin(store) for _ in range(3)]
    woken = Woken(other)
    await other.follow(left)
    await other.follow(followed)
    await other.unfollow(left)
    await write(store, segment(left, 1, 1), segment(foreign, 1, 1))
    await write(store, segment(followed, 1, 1))
    await woken.hears(followed)
    assert not woken.heard(left)
    assert not woken.heard(foreign)


async def test_a_tail_hears_of_what_its_own_process_wrote(store: RunStore, other: RunStore) -> None:
    """Whoever cancels a run from where it is tailed ends the tail, too."""
    run_id = await begin(store)
    woken = Woken(other)
    await other.follow(run_id)
    await write(other, ending(run_id, epoch=0))
    await woken.hears(run_id)


async def test_an_owner_hears_of_its_inbox_and_its_end(store: RunStore, other: RunStore) -> None:
    """What others put into a run, and that they ended it, wakes its owner."""
    run_id = await begin(store)
    woken = Woken(store)
    await other.put(run_id, "call", b"digest", b"data")
    await woken.hears(run_id)
    assert await store.inbox(run_id) == [("call", b"data")]
    await write(other, ending(run_id, epoch=0))
    await woken.hears(run_id)


async def test_an_owner_hears_of_its_own_process(store: RunStore) -> None:
    """A call that came to the owner's own process wakes it as well."""
    run_id = await begin(store)
    woken = Woken(store)
    await store.put(run_id, "call", b"digest", b"data")
    await woken.hears(run_id)
    await write(store, ending(run_id, epoch=0))
    await woken.hears(run_id)


async def test_a_new_owner_hears(journal: Journal, store: RunStore, other: RunStore) -> None:
    """After a takeover it is the new owner who is woken."""
    run_id = await begin(store, "p1", SHORT_S)
    await journal.pass_s(2 * SHORT_S)
    await other.renew("p2", LONG_S)
    assert isinstance(await other.claim(run_id, "p2"), RunRecord)
    woken = Woken(other)
    await store.put(run_id, "call", b"digest", b"data")
    await woken.hears(run_id)


async def test_an_owner_hears_of_readers_elsewhere(store: RunStore, other: RunStore) -> None:
    """The first reader of another process wakes it, and so does the last one that leaves."""
    run_id = await begin(store)
    await other.renew("p2", LONG_S)
    woken = Woken(store)
    for count, is_read in ((1, True), (0, False)):
        await other.set_readers(run_id, "p2", count)
        await woken.hears(run_id)
        assert (await get(store, run_id)).is_read_elsewhere is is_read
    await store.set_readers(run_id, "p1", 1)
    found = await get(other, run_id)
    assert (found.readers, found.is_read_elsewhere) == (1, False)
