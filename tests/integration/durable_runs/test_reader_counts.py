"""A run ends for want of readers only where nobody reads it, at no process."""

from __future__ import annotations

import asyncio

from integration.durable_runs.conftest import StartReplica
from support.replica import LEASE_S, keep_saying
from support.service_calls import eventually, settled
from trunkline.inference.journal.store import Append, Appended

GRACE_S = 0.4


async def test_reader_of_a_superseded_owner_keeps_the_run(start_replica: StartReplica) -> None:
    """Who stood still and lost a run tells of the readers it has, as any other process."""
    frozen, heir = await start_replica(keep_saying), await start_replica(keep_saying)
    run = await frozen.begin(grace_s=GRACE_S)
    async with frozen.reading(run) as staying:
        await settled(lambda: len(staying.sequences) > 1)
        await frozen.store.retire(frozen.durable.ownership.process_id)
        async with heir.reading(run):
            await settled(lambda: heir.durable.ownership.owned == [run.id])
            await settled(lambda: not run.is_owned)
        seen = len(staying.sequences)
        await asyncio.sleep(3 * GRACE_S)
        await settled(lambda: len(staying.sequences) > seen + 1)
        assert not staying.has_ended


async def test_count_that_was_lost_is_told_again(start_replica: StartReplica) -> None:
    """A store that does not answer for a moment ends no run under a reader."""
    owner, other = await start_replica(keep_saying), await start_replica(keep_saying)
    run = await owner.begin(grace_s=GRACE_S)
    set_readers = other.store.set_readers
    other.lossy.refuse("set_readers")
    async with other.reading(run) as reader:
        await settled(lambda: bool(reader.sequences))
        other.store.set_readers = set_readers  # type: ignore[method-assign] # it answers again

        async def count() -> int:
            return (await other.record(run)).readers

        assert await eventually(count, bool) == 1
        await asyncio.sleep(3 * GRACE_S)
        assert not reader.has_ended
        assert run.is_live


async def test_heir_does_not_count_the_readers_it_had_before(start_replica: StartReplica) -> None:
    """When the last reader of the process that took a run over leaves, the run ends."""
    dying, heir = await start_replica(keep_saying), await start_replica(keep_saying)
    run = await dying.begin(grace_s=GRACE_S)
    async with heir.reading(run) as reader:
        await settled(lambda: bool(reader.sequences))
        await dying.kill()
        await settled(lambda: heir.durable.ownership.owned == [run.id])
    await settled(lambda: not reader.run.is_live)


async def test_end_is_not_tried_again_at_once(start_replica: StartReplica) -> None:
    """While somebody reads elsewhere, a run without any grace asks about once a second."""
    owner, other = await start_replica(keep_saying), await start_replica(keep_saying)
    run = await owner.begin(grace_s=0.0)
    run.add_reader()
    tried = 0
    append = owner.store.append

    async def count(appends: list[Append]) -> list[Appended]:
        nonlocal tried
        tried += any(each.end is not None for each in appends)
        return await append(appends)

    owner.store.append = count  # type: ignore[assignment,method-assign] # counts what it does
    async with other.reading(run) as reader:
        await settled(lambda: bool(reader.sequences))

        async def is_told() -> bool:
            return bool((await other.record(run)).readers)

        await eventually(is_told, bool)
        run.remove_reader()
        await asyncio.sleep(1.5 * LEASE_S)
        assert run.is_live
    assert 1 <= tried <= 3
