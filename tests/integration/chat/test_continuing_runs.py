"""Runs that go on without readers."""

from __future__ import annotations

import pytest

from support.begun import begin, resume
from support.chats import ask, read, stream
from support.deployment import Deployment, eventually
from trunkline.inference.v1 import chat_pb2, run_pb2

KIB = 1024

GOES_ON = chat_pb2.DisconnectPolicy(action=chat_pb2.DisconnectPolicy.ACTION_CONTINUE)
DURABILITIES = [chat_pb2.DURABILITY_MEMORY, chat_pb2.DURABILITY_DURABLE]


@pytest.mark.parametrize("durability", DURABILITIES, ids=["memory", "durable"])
async def test_run_goes_on_to_its_end_without_a_reader(
    durability: chat_pb2.Durability.ValueType,
) -> None:
    """Nobody reads, the answer is longer than what is kept for nobody, and it becomes whole."""
    # Far less than the answer: a provider that waited for a reader would wait for ever.
    async with Deployment(journal_untaken_bytes=KIB, run_grace_s=0.1) as deployment:
        question = ask("sandbox/slow", disconnect=GOES_ON, durability=durability)
        call = stream(deployment.channel, "StreamChat", question, deployment.admin)
        first = await read(call, 2)
        run_id = first.events[0].run_started.run_id

        async def has_ended() -> bool:
            return (await deployment.run(run_id)).state == run_pb2.RUN_STATE_SUCCEEDED

        await eventually(has_ended)
        reading = await resume(deployment, run_id, 0)
        assert reading.completed.HasField("message")
        assert reading.raw[:2] == first.raw


async def test_run_without_a_reader_waits_for_its_grace_only() -> None:
    """What does not say that it goes on ends as before."""
    async with Deployment(run_grace_s=0.1) as deployment:
        begun = await begin(deployment)
        begun.call.cancel()

        async def has_ended() -> bool:
            return (await deployment.run(begun.run_id)).state == run_pb2.RUN_STATE_CANCELLED

        await eventually(has_ended)
