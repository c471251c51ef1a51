"""A run is carried by exactly one process, whichever answer of the store is lost."""

from __future__ import annotations

import pytest

from integration.durable_runs.conftest import StartReplica
from support.replica import keep_saying, say_once
from support.service_calls import settled
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import Unavailable

CANCELLED = run_pb2.RUN_STATE_CANCELLED


async def test_dead_owner_is_noticed_beside_a_lively_run(start_replica: StartReplica) -> None:
    """Wakes for one run do not put off the look at another, of which nobody tells."""
    dying, reading = await start_replica(say_once), await start_replica(say_once)
    lively = await start_replica(keep_saying)
    run, other = await dying.begin(), await lively.begin()
    async with reading.reading(run), reading.reading(other) as beside:
        await settled(lambda: bool(beside.sequences))
        await dying.kill()
        await settled(lambda: reading.durable.ownership.owned == [run.id])


@pytest.mark.parametrize("lost", ["claim", "load", "read", "inbox"])
async def test_claim_survives_a_lost_answer(start_replica: StartReplica, lost: str) -> None:
    """Who has a run by the store, and did not hear of it, carries it on all the same."""
    dying, heir = await start_replica(say_once), await start_replica(say_once)
    run = await dying.begin()
    async with heir.reading(run) as reader:
        await settled(lambda: bool(reader.sequences))
        await dying.kill()
        heir.lossy.lose(lost, 2)
        await settled(lambda: heir.durable.ownership.owned == [run.id])
        await settled(lambda: (found := heir.runs.known(run.id)) is not None and bool(found.task))
    record = await heir.record(run)
    assert record.is_owned
    assert record.process_id == heir.durable.ownership.process_id


async def test_end_by_another_is_heard_though_the_store_fails(start_replica: StartReplica) -> None:
    """An owner whose run was cancelled elsewhere ends it, as soon as the store answers."""
    owner, other = await start_replica(keep_saying), await start_replica(say_once)
    run = await owner.begin()
    async with owner.reading(run) as reader:
        await settled(lambda: len(reader.sequences) > 1)
        owner.lossy.lose("load", 3)
        await other.registry.cancel(await other.find(run.id))
        await settled(lambda: reader.has_ended)
    assert run.state == CANCELLED
    assert not owner.durable.ownership.owned


async def test_process_that_stops_takes_no_run_back(start_replica: StartReplica) -> None:
    """What it gave free is free for others from then on, and no takeover for them."""
    stopping, other = await start_replica(keep_saying), await start_replica(say_once)
    run = await stopping.begin(continues=True)
    stopping.runs.refuse()
    await stopping.durable.release()
    with pytest.raises(Unavailable):
        await stopping.find(run.id)
    await settled(lambda: other.durable.ownership.owned == [run.id])
    record = await other.record(run)
    assert record.takeovers == 0
    assert not await stopping.store.unledgered(10)


async def test_cancel_that_cannot_be_stored_is_refused(start_replica: StartReplica) -> None:
    """Whoever cancels is told, since another process carries the run on."""
    owner = await start_replica(keep_saying)
    run = await owner.begin()
    run.add_reader()
    owner.lossy.refuse("append", "renew")
    with pytest.raises(Unavailable) as refused:
        await owner.registry.cancel(run)
    assert refused.value.reason == "JOURNAL_UNAVAILABLE"
