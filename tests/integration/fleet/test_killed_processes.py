"""A process that dies in the middle of a chat, and comes back."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import product

import grpc
import pytest

from support import matrix
from support.begun import begin
from support.chats import ask, failure_of, read, stream
from support.deployment import eventually
from support.fleet import SERVICES, Fleet, Shape, make_fleet
from trunkline.inference.v1 import run_pb2

CELLS = matrix.cells(
    "kills",
    product((Shape.FOUR, Shape.FOUR_SECURE), SERVICES, (signal.SIGTERM, signal.SIGKILL)),
    sample=1,
)
SLOW = "tokens-20-per-second"

# What a new chat may say while a process is away: what is missing, by name.
_NAMED = {"PEER_UNAVAILABLE", "SECURITY_VIEW_STALE", "NOT_SERVING"}
# A chat waits 2 s for a view and asks a peer for a few seconds more: nothing takes longer.
_LIMIT_S = 20.0


@pytest.mark.parametrize(
    ("shape", "service", "number"),
    CELLS,
    ids=[f"{shape}-{service}-{number.name}" for shape, service, number in CELLS],
)
async def test_what_goes_on_goes_on_and_what_is_missing_is_named(
    request: pytest.FixtureRequest, shape: Shape, service: str, number: signal.Signals
) -> None:
    """Runs of an inference that lives end well; new ones answer or name what is missing."""
    async with make_fleet(request, shape, models=(SLOW,), time_scale=1.0) as fleet:
        begun = await begin(fleet, SLOW)
        reader = asyncio.create_task(read(begun.call))
        await fleet.members[service].end(number)
        reason = await _ask(fleet)
        if service == "inference":
            assert reason == "UNAVAILABLE"
        else:
            assert reason in {"", *_NAMED}
        reading = await asyncio.wait_for(reader, _LIMIT_S)
        if service != "inference":
            assert reading.completed.HasField("message")
            assert reading.sequences == list(range(1, len(reading.events) + 1))
        elif number is signal.SIGTERM:
            # Told to stop, it gives what goes on free, and sends its readers elsewhere.
            assert reading.failed.reason == "NOT_SERVING"
        else:
            assert reading.failed.code is grpc.StatusCode.UNAVAILABLE
        member = fleet.members[service]
        await member.start()
        await member.serving()

        async def answers() -> bool:
            return await _ask(fleet) == ""

        await eventually(answers, _LIMIT_S)
        if service == "inference":
            resume = run_pb2.ResumeChatRequest(
                run_id=begun.run_id, after_sequence=len(reading.events)
            )
            resumed = await asyncio.wait_for(
                read(stream(fleet.channel, "ResumeChat", resume, fleet.admin)), _LIMIT_S
            )
            assert resumed.completed.HasField("message")
            sequences = [*reading.sequences, *resumed.sequences]
            assert sequences == list(range(1, len(sequences) + 1))
    matrix.ran("kills")


async def _ask(fleet: Fleet) -> str:
    """Chat once; return the reason for which it failed, empty when it did not."""
    began = time.monotonic()
    try:
        await fleet.inference.Chat(ask(), metadata=fleet.admin, timeout=_LIMIT_S)
    except grpc.aio.AioRpcError as error:
        assert time.monotonic() - began < _LIMIT_S
        return failure_of(error).reason or error.code().name
    return ""
