"""Runs that go on: begun, read by somebody, seen by the provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import grpc

from support.chats import Failure, Reading, ask, read, run_id_of, stream
from support.deployment import Deployment, Metadata, eventually
from trunkline.inference.v1 import result_pb2, run_pb2
from trunkline.sandbox.sightings import Sighting


@dataclass(frozen=True, slots=True)
class Begun:
    """A run that goes on, and its two ends.

    Attributes:
        run_id: its id.
        call: of its first reader.
        sighting: what the provider saw of it.
    """

    run_id: str
    call: grpc.aio.UnaryStreamCall[Any, bytes]
    sighting: Sighting


async def begin(
    deployment: Deployment,
    model: str = "stall-after-20",
    metadata: Metadata | None = None,
    timeout: float | None = None,
    channel: grpc.aio.Channel | None = None,
    **fields: Any,
) -> Begun:
    """Begin a run and wait until its provider is asked; two at a time would be mixed up.

    Args:
        deployment: the one that is asked.
        model: of the sandbox, as it calls it.
        metadata: of the call; None: an ADMIN's.
        timeout: of the call, in seconds; None: it has none.
        channel: to the deployment; None: the one that it gives.
        fields: further ones of the request.
    """
    seen = deployment.sandbox.seen
    before = len(seen.of_model(model))
    request = ask(f"sandbox/{model}", **fields)
    caller = metadata or deployment.admin
    call = stream(channel or deployment.channel, "StreamChat", request, caller, timeout)
    run_id = run_id_of(await call.initial_metadata())
    await eventually(lambda: len(seen.of_model(model)) > before)
    return Begun(run_id, call, seen.of_model(model)[-1])


async def resume(
    deployment: Deployment,
    run_id: str,
    after: int = 0,
    *,
    metadata: Metadata | None = None,
    count: int | None = None,
) -> Reading:
    """Read a run to its end, or leave after some events.

    Args:
        deployment: the one that is asked.
        run_id: of the run.
        after: the last event that is not wanted.
        metadata: of the call; None: an ADMIN's.
        count: leave after so many events; None: stay.
    """
    request = run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=after)
    call = stream(deployment.channel, "ResumeChat", request, metadata or deployment.admin)
    return await read(call, count)


async def await_readers(deployment: Deployment, run_id: str, count: int) -> None:
    """Wait until a run has so many readers."""

    async def are_there() -> bool:
        return (await deployment.run(run_id)).readers == count

    await eventually(are_there)


def check_cancelled(failure: Failure, model: str) -> None:
    """Check that the attempt which the end caught under way is told as cancelled."""
    (attempt,) = failure.attempts
    assert attempt.model == f"sandbox/{model}"
    assert attempt.outcome == result_pb2.ATTEMPT_OUTCOME_CANCELLED
    said = attempt.HasField("time_to_first_token")
    estimated, unknown = result_pb2.USAGE_SOURCE_ESTIMATED, result_pb2.USAGE_SOURCE_UNKNOWN
    assert attempt.usage.source == (estimated if said else unknown)
    assert not attempt.HasField("failure")
