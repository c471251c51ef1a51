"""Time limits: what each of them ends, and what it leaves alone."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from support.begun import begin, check_cancelled, resume
from support.chats import ask, kind_name, leaving, limits, read, stream
from support.deployment import Deployment
from trunkline.inference.v1 import chat_pb2, result_pb2, run_pb2
from trunkline.sandbox.sightings import State

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_deadline_of_a_call_ends_that_call_only(deployment: Deployment) -> None:
    """The call's time is over; its run goes on for who comes back."""
    begun = await begin(deployment, "tokens-20-per-second", timeout=0.15)
    reading = await read(begun.call)
    assert reading.failed.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert (await deployment.run(begun.run_id)).state == run_pb2.RUN_STATE_RUNNING
    rest = await resume(deployment, begun.run_id, len(reading.events))
    assert reading.sequences + rest.sequences == list(range(1, rest.sequences[-1] + 1))
    assert rest.completed.finish_reason == result_pb2.FINISH_REASON_STOP


async def test_deadline_of_the_first_call_and_the_grace_bound_the_run(
    deployment: Deployment,
) -> None:
    """Without a limit of its own a run may take what was left of its first call, and the grace."""
    begun = await begin(deployment, timeout=0.3, disconnect=leaving(0.4))
    # Somebody reads all the time, so that it is not for want of a reader.
    failure = (await resume(deployment, begun.run_id)).failed
    assert (failure.code.name, failure.reason) == ("DEADLINE_EXCEEDED", "RUN_TIMED_OUT")
    run = await deployment.run(begun.run_id)
    took = run.end_time.ToNanoseconds() - run.create_time.ToNanoseconds()
    assert 0.5e9 <= took <= 1.7e9
    assert await begun.sighting.ended(1) is State.CLIENT_CLOSED


@pytest.mark.parametrize("model", ["stall-after-20", "no-first-token", "silent"])
async def test_total_limit_ends_the_run(deployment: Deployment, model: str) -> None:
    """The run's own time is over: it failed, its socket is closed."""
    begun = await begin(deployment, model, limits=limits(total=0.3))
    failure = (await read(begun.call)).failed
    assert (failure.code.name, failure.reason) == ("DEADLINE_EXCEEDED", "RUN_TIMED_OUT")
    assert failure.metadata["limit"] == "0.3s"
    assert await begun.sighting.ended(1) is State.CLIENT_CLOSED
    assert (await deployment.run(begun.run_id)).state == run_pb2.RUN_STATE_FAILED
    check_cancelled(failure, model)


@pytest.mark.parametrize(
    ("model", "limit"),
    [
        ("no-first-token", "first_token"),
        ("silent", "first_token"),
        ("stall-after-20", "idle"),
        ("stall-after-20", "attempt"),
        ("no-first-token", "attempt"),
        ("silent", "attempt"),
        ("slow", "attempt"),
    ],
)
async def test_provider_that_is_silent_for_too_long_has_failed(
    deployment: Deployment, model: str, limit: str
) -> None:
    """A limit of the attempt passes: it failed as silent, its socket is closed."""
    begun = await begin(deployment, model, limits=limits(**{limit: 0.3}))
    reading = await read(begun.call)
    failure = reading.failed
    assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "NO_FALLBACK")
    assert failure.metadata["kind"] == "SILENT"
    (attempt,) = failure.attempts
    assert kind_name(attempt.failure) == "SILENT"
    assert attempt.failure.mid_stream == (model in ("stall-after-20", "slow"))
    assert 0.29e9 <= attempt.duration.ToNanoseconds() <= 1.5e9
    assert await begun.sighting.ended(1) is State.CLIENT_CLOSED
    assert reading.kinds[-1] == "attempt_failed"


async def test_idle_limit_counts_between_reads_and_not_for_the_whole(
    deployment: Deployment,
) -> None:
    """An answer that takes longer than its idle limit comes to its end."""
    request = ask("sandbox/slow", max_output_tokens=25, limits=limits(idle=0.4))
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    assert reading.completed.attempts[0].duration.ToNanoseconds() > 0.6e9


async def test_limits_longer_than_any_run_are_no_limits(deployment: Deployment) -> None:
    """The contract bounds them from below only; the longest that can be written are kept."""
    endless = Duration(seconds=2**63 - 1)
    request = ask(
        limits=chat_pb2.TimeLimits(
            connect=endless, first_token=endless, idle=endless, attempt=endless, total=endless
        )
    )
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    assert reading.completed.HasField("message")
