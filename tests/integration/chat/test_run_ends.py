"""How a run ends, and that its provider's socket is closed when it does."""

from __future__ import annotations

import asyncio
import time

import grpc
import pytest

from support.begun import await_readers, begin, check_cancelled, resume
from support.chats import (
    ask,
    failure_of,
    leaving,
    read,
    run_id_of,
    stream,
)
from support.deployment import Deployment, eventually
from trunkline.inference.v1 import run_pb2
from trunkline.sandbox.sightings import State

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANCELLED = run_pb2.RUN_STATE_CANCELLED
RUNNING = run_pb2.RUN_STATE_RUNNING

# A provider that says nothing more, in the ways in which one can.
STALLS = ("stall-after-20", "no-first-token", "silent")


@pytest.mark.parametrize("model", STALLS)
async def test_cancel_closes_the_providers_socket(deployment: Deployment, model: str) -> None:
    """Wherever the run waits, a cancel closes its socket and ends its readers."""
    begun = await begin(deployment, model)
    reader = asyncio.create_task(read(begun.call))
    run = await deployment.cancel(begun.run_id)
    assert run.state == CANCELLED
    assert await begun.sighting.ended(1) is State.CLIENT_CLOSED
    failure = (await reader).failed
    assert (failure.code.name, failure.reason) == ("CANCELLED", "RUN_CANCELLED")
    assert failure.metadata["by"] == "cancel"
    assert failure.metadata["run_id"] == begun.run_id
    assert run.HasField("end_time")
    check_cancelled(failure, model)


async def test_cancel_of_a_run_that_ended_changes_nothing(deployment: Deployment) -> None:
    """A run that has ended stays as it is, and that is no error."""
    answer = await deployment.inference.Chat(ask(), metadata=deployment.admin)
    before = await deployment.run(answer.run_id)
    before.ClearField("completed")
    cancelled = await deployment.cancel(answer.run_id)
    assert cancelled == before
    assert cancelled.state == run_pb2.RUN_STATE_SUCCEEDED
    assert (await resume(deployment, answer.run_id)).completed == answer.completed


@pytest.mark.parametrize("how", ["cancel", "connection"])
async def test_run_that_nobody_reads_ends_after_its_grace(deployment: Deployment, how: str) -> None:
    """The last reader leaves: after the grace, and not before, the socket is closed."""
    other = deployment.open_stubs()
    channel = deployment.channel if how == "cancel" else other.channel
    begun = await begin(deployment, channel=channel, disconnect=leaving(0.3))
    left = time.monotonic()
    if how == "cancel":
        begun.call.cancel()
    await other.close()
    assert await begun.sighting.ended(1.3) is State.CLIENT_CLOSED
    assert time.monotonic() - left >= 0.29
    failure = (await resume(deployment, begun.run_id)).failed
    assert (failure.reason, failure.metadata["by"]) == ("RUN_CANCELLED", "disconnect")


async def test_reader_that_comes_back_in_time_keeps_the_run(deployment: Deployment) -> None:
    """Within the grace a reader stops the clock; when it leaves, the clock begins anew."""
    begun = await begin(deployment, disconnect=leaving(0.4))
    begun.call.cancel()
    await await_readers(deployment, begun.run_id, 0)
    request = run_pb2.ResumeChatRequest(run_id=begun.run_id)
    back = stream(deployment.channel, "ResumeChat", request, deployment.admin)
    await await_readers(deployment, begun.run_id, 1)
    with pytest.raises(TimeoutError):
        await begun.sighting.ended(0.6)
    back.cancel()
    left = time.monotonic()
    assert await begun.sighting.ended(1.4) is State.CLIENT_CLOSED
    assert time.monotonic() - left >= 0.39


async def test_grace_counts_from_the_last_reader(deployment: Deployment) -> None:
    """As long as one of several readers stays, nothing happens."""
    begun = await begin(deployment, disconnect=leaving(0.2))
    request = run_pb2.ResumeChatRequest(run_id=begun.run_id)
    stays = stream(deployment.channel, "ResumeChat", request, deployment.admin)
    await await_readers(deployment, begun.run_id, 2)
    begun.call.cancel()
    await await_readers(deployment, begun.run_id, 1)
    with pytest.raises(TimeoutError):
        await begun.sighting.ended(0.4)
    stays.cancel()
    assert await begun.sighting.ended(1.2) is State.CLIENT_CLOSED


async def test_run_has_one_end_however_many_come_at_once(deployment: Deployment) -> None:
    """A cancel that races the answer: every reader gets the one or the other, and all the same."""

    async def race(pause: float | None) -> str:
        call = stream(deployment.channel, "StreamChat", ask(), deployment.admin)
        run_id = run_id_of(await call.initial_metadata())
        reader = asyncio.create_task(read(call))
        await (asyncio.wait([reader]) if pause is None else asyncio.sleep(pause))
        said = await asyncio.gather(*(deployment.cancel(run_id) for _ in range(3)))
        first, again = await reader, await resume(deployment, run_id)
        assert (first.raw, first.failure) == (again.raw, again.failure)
        ended = first.kinds.count("completed")
        assert ended == (first.failure is None)
        assert len({run.state for run in said}) == 1
        state = run_pb2.RUN_STATE_SUCCEEDED if ended else CANCELLED
        assert said[0].state == (await deployment.run(run_id)).state == state
        return "completed" if ended else "cancelled"

    ends = [await race(pause / 1000) for pause in range(30)]
    assert {"completed", "cancelled"} == set(ends)


async def test_unary_chat_whose_client_leaves_is_cancelled_at_once(deployment: Deployment) -> None:
    """Nobody could come back to it: its socket is closed without a grace."""
    seen = deployment.sandbox.seen
    before = len(seen.of_model("stall-after-30"))
    call = deployment.inference.Chat(ask("sandbox/stall-after-30"), metadata=deployment.admin)
    await eventually(lambda: len(seen.of_model("stall-after-30")) > before)
    (run,) = await _live_runs(deployment, "sandbox/stall-after-30")
    call.cancel()
    assert await seen.of_model("stall-after-30")[-1].ended(1) is State.CLIENT_CLOSED
    assert (await deployment.run(run.id)).state == CANCELLED


async def test_unary_chat_waits_for_a_reader_when_it_is_told_to(deployment: Deployment) -> None:
    """With a grace of its own a unary chat's run can be come back to."""
    request = ask("sandbox/tokens-20-per-second", disconnect=leaving(5))
    call = deployment.inference.Chat(request, metadata=deployment.admin)

    async def is_live() -> bool:
        return bool(await _live_runs(deployment, request.model))

    await eventually(is_live)
    (run,) = await _live_runs(deployment, request.model)
    call.cancel()
    await await_readers(deployment, run.id, 0)
    assert (await resume(deployment, run.id)).completed.HasField("message")


async def test_ended_run_is_forgotten_after_its_time() -> None:
    """What is said of retention holds: then the run is not found."""
    async with Deployment(run_retention_s=0.2) as deployment:
        answer = await deployment.inference.Chat(ask(), metadata=deployment.admin)
        first = (await resume(deployment, answer.run_id)).events[0]
        assert first.run_started.retention.ToMilliseconds() == 200
        run = await deployment.run(answer.run_id)
        kept = run.expire_time.ToMilliseconds() - run.end_time.ToMilliseconds()
        assert kept == 200

        async def is_forgotten() -> bool:
            try:
                await deployment.run(answer.run_id)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason == "RUN_NOT_FOUND"
            return False

        await eventually(is_forgotten)
        listed = await deployment.inference.ListRuns(
            run_pb2.ListRunsRequest(), metadata=deployment.admin
        )
        assert answer.run_id not in [kept.id for kept in listed.runs]


async def _live_runs(deployment: Deployment, target: str) -> list[run_pb2.Run]:
    request = run_pb2.ListRunsRequest(state=RUNNING)
    listed = await deployment.inference.ListRuns(request, metadata=deployment.admin)
    return [run for run in listed.runs if run.target == target]
