"""An idempotency key is free again only where nothing was said: no tool is called twice."""

from __future__ import annotations

import asyncio

from integration.durable_runs.conftest import StartReplica
from support.replica import say, say_once
from support.service_calls import settled
from trunkline.inference.conversation import Loop
from trunkline.inference.journal.store import Append, Appended
from trunkline.inference.run import Run
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2, run_pb2
from trunkline.kernel.errors import Unavailable

SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED
CALL_ID = "call_1"


def call(run: Run) -> None:
    """Let a run call a tool."""
    started = event_pb2.ToolCallStarted(block=1, call_id=CALL_ID, name="pay")
    completed = event_pb2.ToolCallCompleted(block=1, call_id=CALL_ID, name="pay")
    run.append(event_pb2.ChatEvent(tool_call_started=started))
    run.append(event_pb2.ChatEvent(tool_call_completed=completed))


async def test_loop_that_fails_after_a_call_keeps_its_key(start_replica: StartReplica) -> None:
    """Though the turn in which it fails had said nothing yet."""

    async def fail_in_the_second_turn(run: Run) -> None:
        assert run.conversation is not None
        call(run)
        run.complete_turn()
        await run.conversation.wait()
        run.next_turn()
        raise Unavailable("NO_FALLBACK", "The provider is busy.")

    replica = await start_replica(fail_in_the_second_turn)
    loop = Loop(8, 8, 5.0)
    run = await replica.begin(key="paid-once", loop=loop)
    run.add_reader()
    await settled(lambda: run.state == run_pb2.RUN_STATE_WAITING)
    run.take_result(message_pb2.ToolResult(call_id=CALL_ID))
    await run.journal.wait_closed()
    assert not run.frees_key
    assert await replica.begin(key="paid-once", loop=loop) is run


async def test_run_that_ends_well_meanwhile_keeps_its_key(start_replica: StartReplica) -> None:
    """An end for want of readers that comes too late is none, and frees nothing."""
    may_end = asyncio.Event()

    async def end_when_told(run: Run) -> None:
        say(run)
        await may_end.wait()
        run.finish(result_pb2.Completed())

    owner, other = await start_replica(end_when_told), await start_replica(say_once)
    run = await owner.begin(key="key", grace_s=0.1)
    run.add_reader()
    append = owner.store.append

    async def end_first(appends: list[Append]) -> list[Appended]:
        if any(each.end is not None and each.end.unread_for_s is not None for each in appends):
            may_end.set()
            await settled(lambda: not run.is_live)
        return await append(appends)

    owner.store.append = end_first  # type: ignore[assignment,method-assign] # a slow one
    async with other.reading(run) as reader:
        await settled(lambda: bool(reader.sequences))
        run.remove_reader()
        await settled(lambda: reader.has_ended)
    assert (run.state, run.frees_key) == (SUCCEEDED, False)
    assert (await other.begin(key="key")).id == run.id
