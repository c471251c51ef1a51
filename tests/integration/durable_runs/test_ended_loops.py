"""What the client of a loop said holds, though the process that heard it dies."""

from __future__ import annotations

from integration.durable_runs.conftest import StartReplica
from support.service_calls import settled
from trunkline.inference.conversation import Loop
from trunkline.inference.run import Run
from trunkline.inference.v1 import result_pb2, run_pb2


async def test_end_is_kept_for_who_takes_over(start_replica: StartReplica) -> None:
    """The owner hears it and dies; the heir waits for no more results."""

    async def wait_for_the_end(run: Run) -> None:
        assert run.conversation is not None
        await settled(lambda: run.conversation is not None and run.conversation.is_ending)
        run.finish(result_pb2.Completed())

    async def hear_nothing(run: Run) -> None:
        await settled(lambda: not run.is_live)

    dying, heir = await start_replica(hear_nothing), await start_replica(wait_for_the_end)
    run = await dying.begin(loop=Loop(8, 8, 5.0))
    run.add_reader()
    await dying.registry.end_loop(run)
    await dying.kill()
    async with heir.reading(run) as reader:
        await settled(lambda: reader.has_ended)
    assert reader.run.state == run_pb2.RUN_STATE_SUCCEEDED
