"""How a tool loop ends: by its answer, by its client, by its bounds, or because nobody is there."""

from __future__ import annotations

import time

import pytest

from support.chats import leaving, limits
from support.conversations import Durability, attaching, starting, talking
from support.deployment import Deployment, eventually
from support.folding import fold
from trunkline.inference.v1 import result_pb2, run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def _state(deployment: Deployment, run_id: str) -> run_pb2.RunState.ValueType:
    return (await deployment.run(run_id)).state


async def test_loop_that_is_ended_while_it_waits_has_the_last_turn_for_its_answer(
    deployment: Deployment, durability: Durability
) -> None:
    """No more results come: the turn that waited is the end, its calls unanswered."""
    begin = starting("text-then-tool", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.turn()
        turn = talk.events[-1].turn_completed.message
        asked = len(deployment.sandbox.seen)
        await talk.end()
        await talk.rest()
    completed = talk.completed
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    assert completed.message == turn
    assert [attempt.number for attempt in completed.attempts] == [1]
    assert len(deployment.sandbox.seen) == asked


async def test_loop_that_is_ended_while_the_model_speaks_ends_with_that_turn(
    deployment: Deployment, durability: Durability
) -> None:
    """The turn under way comes whole, and what it asks for is asked of nobody."""
    begin = starting("every-500-ms-of-tool-loop-2", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.until("tool_call_started")
        await talk.end()
        await talk.rest()
    completed = talk.completed
    assert "turn_completed" not in talk.kinds
    assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    assert completed.message == fold(talk.events)
    assert completed.message.content[-1].HasField("tool_call")


async def test_end_that_comes_twice_is_no_error(deployment: Deployment) -> None:
    """Who does not know whether its word came says it again."""
    async with talking(deployment.channel, deployment.admin, starting("tool-loop-2")) as talk:
        await talk.turn()
        await talk.end()
        await talk.end()
        await talk.rest()
    assert talk.completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS


async def test_client_that_closes_its_side_still_hears_the_loop(deployment: Deployment) -> None:
    """Nothing more to say is not the end of the loop: others may bring its results."""
    async with talking(deployment.channel, deployment.admin, starting("tool-loop-2")) as talk:
        (call_id,) = await talk.turn()
        await talk.call.done_writing()
        back = attaching(talk.run_id, talk.events[-1].sequence)
        async with talking(deployment.channel, deployment.admin, back) as other:
            await other.answer(call_id)
            await talk.rest()
            await other.rest()
    assert talk.completed == other.completed


async def test_loop_that_asks_on_after_its_last_turn_fails(
    deployment: Deployment, durability: Durability
) -> None:
    """The bound is on turns of the model; the one that reaches it and asks on ends it."""
    begin = starting("tool-loop-3", max_turns=2, durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer(call_id)
        await talk.rest()
    failure = talk.failed
    assert (failure.code.name, failure.reason) == ("RESOURCE_EXHAUSTED", "TURN_LIMIT_REACHED")
    assert failure.metadata["max_turns"] == "2"
    assert talk.kinds.count("turn_completed") == 1
    assert await _state(deployment, talk.run_id) == run_pb2.RUN_STATE_FAILED


async def test_loop_whose_last_turn_answers_is_whole(deployment: Deployment) -> None:
    """As many turns as are allowed are allowed."""
    begin = starting("tool-loop-2", max_turns=2)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        await talk.answer(call_id)
        await talk.rest()
    assert talk.completed.finish_reason == result_pb2.FINISH_REASON_STOP


async def test_turn_with_too_many_calls_fails(
    deployment: Deployment, durability: Durability
) -> None:
    """Nobody is asked to run more at once than was allowed."""
    begin = starting("parallel-tools", max_parallel_calls=1, durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    failure = talk.failed
    assert (failure.code.name, failure.reason) == ("RESOURCE_EXHAUSTED", "CALL_LIMIT_REACHED")
    assert failure.metadata["max_parallel_calls"] == "1"
    assert "turn_completed" not in talk.kinds


async def test_results_that_do_not_come_end_the_loop(
    deployment: Deployment, durability: Durability
) -> None:
    """After the wait for tools the calls that are still open are named."""
    begin = starting("parallel-tools", tool_timeout_s=0.3, durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        calls = await talk.turn()
        await talk.answer(calls[0])
        await talk.rest()
    failure = talk.failed
    assert (failure.code.name, failure.reason) == ("DEADLINE_EXCEEDED", "TOOL_TIMED_OUT")
    assert failure.metadata["call_ids"].split(",") == calls[1:]
    # Who comes too late hears the same.
    async with talking(
        deployment.channel, deployment.admin, attaching(talk.run_id, talk.events[-1].sequence)
    ) as late:
        await late.answer(calls[1])
        await late.rest()
    assert late.failed.reason == "TOOL_TIMED_OUT"


async def test_loop_is_seen_to_wait(deployment: Deployment, durability: Durability) -> None:
    """GetRun and ListRuns tell a loop that waits from one that speaks."""
    issued = await deployment.issue()
    begin = starting("every-500-ms-of-tool-loop-2", durability=durability)

    async def listed(state: run_pb2.RunState.ValueType) -> list[str]:
        request = run_pb2.ListRunsRequest(state=state)
        found = await deployment.inference.ListRuns(request, metadata=issued.metadata)
        assert {run.state for run in found.runs} <= {state}
        return [run.id for run in found.runs]

    waiting, running = run_pb2.RUN_STATE_WAITING, run_pb2.RUN_STATE_RUNNING
    async with talking(deployment.channel, issued.metadata, begin) as talk:
        await talk.until("tool_call_started")
        assert await _state(deployment, talk.run_id) == running
        assert await listed(running) == [talk.run_id]
        (call_id,) = await talk.turn()
        assert await _state(deployment, talk.run_id) == waiting
        assert await listed(waiting) == [talk.run_id]
        assert await listed(running) == []
        await talk.answer(call_id)
        await talk.until("text_delta")
        assert await _state(deployment, talk.run_id) == running
        assert await listed(waiting) == []
        await talk.rest()
    assert await _state(deployment, talk.run_id) == run_pb2.RUN_STATE_SUCCEEDED


async def test_time_in_which_tools_run_does_not_count(
    deployment: Deployment, durability: Durability
) -> None:
    """A loop whose total time passes while it waits goes on."""
    begin = starting("tool-loop-2", limits=limits(total=1.0), durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        (call_id,) = await talk.turn()
        run = await deployment.run(talk.run_id)
        over_ns = run.create_time.ToNanoseconds() + 1_100_000_000
        await eventually(lambda: time.time_ns() > over_ns)
        await talk.answer(call_id)
        await talk.rest()
    assert talk.completed.finish_reason == result_pb2.FINISH_REASON_STOP


async def test_time_in_which_the_model_is_silent_counts(
    deployment: Deployment, durability: Durability
) -> None:
    """A model that is silent for the rest of the time ends the loop."""
    begin = starting(
        "stall-after-2-of-tool-loop-2",
        limits=limits(total=0.3, first_token=30, idle=30),
        durability=durability,
    )
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.reason) == ("DEADLINE_EXCEEDED", "RUN_TIMED_OUT")


async def test_loop_that_nobody_hears_ends_after_its_grace(
    deployment: Deployment, durability: Durability
) -> None:
    """A wait for tools is no reason to wait for a client that is gone."""
    begin = starting("tool-loop-2", disconnect=leaving(0.2), durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.turn()
    run_id = talk.run_id

    async def is_over() -> bool:
        return await _state(deployment, run_id) == run_pb2.RUN_STATE_CANCELLED

    await eventually(is_over)
    async with talking(deployment.channel, deployment.admin, attaching(run_id)) as late:
        await late.rest()
    assert (late.failed.reason, late.failed.metadata["by"]) == ("RUN_CANCELLED", "disconnect")


async def test_loop_that_is_cancelled_while_it_waits_ends_at_once(
    deployment: Deployment, durability: Durability
) -> None:
    """CancelChat ends it, and its client is told who did."""
    begin = starting("tool-loop-2", durability=durability)
    async with talking(deployment.channel, deployment.admin, begin) as talk:
        await talk.turn()
        await deployment.cancel(talk.run_id)
        await talk.rest()
    assert (talk.failed.code.name, talk.failed.reason) == ("CANCELLED", "RUN_CANCELLED")
    assert talk.failed.metadata["by"] == "cancel"
