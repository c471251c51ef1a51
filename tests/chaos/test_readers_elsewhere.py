"""Readers come, leave, come back and end a run at whichever process answers them."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Final

import grpc
import pytest

from chaos.conftest import QUICK, SLOW, TEXT
from support import matrix
from support.chats import ask, leaving, read, stream
from support.deployment import eventually
from support.readers import Reader, check_history
from support.replicas import Replicas
from trunkline.inference.v1 import inference_service_pb2_grpc, run_pb2
from trunkline.sandbox.sightings import State

pytestmark = pytest.mark.asyncio(loop_scope="module")

CALLS: Final = 100
# The published grace and a second on each side of it, or all of it in less time.
GRACE_S, BACK_S, LATE_S = (15.0, 14.0, 16.0) if matrix.is_full() else (2.0, 1.0, 2.2)
_LEASES: Final = 3
_LIMIT_S: Final = 40.0


def _chats(channel: grpc.aio.Channel) -> inference_service_pb2_grpc.InferenceServiceAsyncStub:
    return inference_service_pb2_grpc.InferenceServiceStub(channel)


async def _wait_until(moment: float) -> None:
    """Wait for a moment of the monotonic clock: the processes have clocks of their own."""
    await eventually(lambda: time.monotonic() >= moment, _LIMIT_S)


async def test_of_a_hundred_calls_with_one_key_at_two_processes_one_begins(
    fleet: Replicas,
) -> None:
    """Streams and unary calls at once: one question is asked, and all get its answer."""
    request = ask(f"sandbox/{QUICK}", text="Only one asks.", idempotency_key="of-a-hundred")
    async with fleet.channels() as channels, asyncio.timeout(_LIMIT_S):
        readers = [Reader((channels[number % 2],), fleet.admin) for number in range(CALLS // 2)]
        streams = [reader.begin(request) for reader in readers]
        calls = [
            _chats(channels[number % 2]).Chat(request, metadata=fleet.admin)
            for number in range(CALLS // 2)
        ]
        answers, _ = await asyncio.gather(asyncio.gather(*calls), asyncio.gather(*streams))
    assert len(fleet.asked("Only one asks.")) == 1
    check_history(readers, TEXT)
    for answer in answers:
        assert (answer.run_id, answer.completed) == (readers[0].run_id, readers[0].completed)


@pytest.mark.parametrize("dies", [False, True], ids=["alive", "killed"])
async def test_unary_call_that_was_cut_attaches_at_the_other_process(
    fleet: Replicas, dies: bool
) -> None:
    """Sent again under its key it gets the answer that it began, though its process died."""
    words = f"Cut and sent again, {dies}."
    request = ask(f"sandbox/{QUICK}", text=words, idempotency_key=words)
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        cut = _chats(owner).Chat(request, metadata=fleet.admin)
        await eventually(lambda: len(fleet.asked(words)) == 1)
        cut.cancel()
        if dies:
            await fleet.pair[1].end(signal.SIGKILL)
        again = _chats(other).Chat(request, metadata=fleet.admin)
        answer = await again
        metadata = dict(await again.initial_metadata())
    assert metadata["trunkline-attached"] == "true"
    assert "".join(part.text for part in answer.completed.message.content) == TEXT
    assert len(answer.completed.attempts) == len(fleet.asked(words)) == (2 if dies else 1)


@pytest.mark.timeout(180)
async def test_run_waits_for_readers_of_any_process_for_its_grace(fleet: Replicas) -> None:
    """Who comes back elsewhere in time keeps it alive for as long as he stays; then it ends."""
    words = "I leave and come back."
    request = ask(f"sandbox/{SLOW}", text=words, idempotency_key=words, disconnect=leaving(GRACE_S))
    async with fleet.channels() as (other, owner), asyncio.timeout(3 * _LIMIT_S):
        first = await read(stream(owner, "StreamChat", request, fleet.admin), 5)
        run_id = first.events[0].run_started.run_id
        await _wait_until(time.monotonic() + BACK_S)
        resume = run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=5)
        call = stream(other, "ResumeChat", resume, fleet.admin)
        staying = asyncio.create_task(read(call))
        await _wait_until(time.monotonic() + LATE_S)
        (asked,) = fleet.asked(words)
        assert asked.state is State.OPEN
        left = time.monotonic()
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await staying

        assert await asked.ended(_LIMIT_S) is State.CLIENT_CLOSED
        assert time.monotonic() - left >= GRACE_S
        resume.after_sequence = 0
        late = [
            await read(stream(channel, "ResumeChat", resume, fleet.admin))
            for channel in (other, owner)
        ]
    for reading in late:
        assert (reading.failed.reason, reading.failed.metadata["by"]) == (
            "RUN_CANCELLED",
            "disconnect",
        )
        assert reading.raw == late[0].raw
        assert reading.failed.status == late[0].failed.status
        assert reading.raw[:5] == first.raw


async def test_run_is_cancelled_from_any_process(fleet: Replicas) -> None:
    """The provider is left at once, and readers of both processes get the same end."""
    words = "Somebody else ends me."
    request = ask(f"sandbox/{SLOW}", text=words)
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        near, far = Reader((owner,), fleet.admin), Reader((other,), fleet.admin)
        tasks = [asyncio.create_task(near.begin(request))]
        await near.reach(5)
        tasks.append(asyncio.create_task(far.follow(near.run_id)))
        await far.reach(5)
        cancel = run_pb2.CancelChatRequest(run_id=near.run_id)
        cancelled = await _chats(other).CancelChat(cancel, metadata=fleet.admin)
        (asked,) = fleet.asked(words)
        assert await asked.ended(_LIMIT_S) is State.CLIENT_CLOSED
        await asyncio.gather(*tasks)
        late = Reader((owner,), fleet.admin)
        await late.follow(near.run_id)
    assert cancelled.run.state == run_pb2.RUN_STATE_CANCELLED
    assert late.ended is not None
    for reader in (near, far, late):
        assert reader.ended is not None
        assert (reader.ended.reason, reader.ended.metadata["by"]) == ("RUN_CANCELLED", "cancel")
        assert reader.ended.status == late.ended.status
        assert reader.events == late.events


async def test_closed_lid_ends_no_run(fleet: Replicas) -> None:
    """Everything stands still for several leases: the attempts that were under way go on."""
    words = "The lid closes."
    async with fleet.channels() as channels, asyncio.timeout(_LIMIT_S):
        readers = [Reader((channel,), fleet.admin) for channel in channels]
        requests = [ask(f"sandbox/{QUICK}", text=f"{words} {number}") for number in range(2)]
        tasks = [
            asyncio.create_task(reader.begin(request))
            for reader, request in zip(readers, requests, strict=True)
        ]
        for reader in readers:
            await reader.reach(10)
        for each in fleet.processes:
            each.send(signal.SIGSTOP)
        await _wait_until(time.monotonic() + _LEASES * fleet.lease_s)
        for each in fleet.processes:
            each.send(signal.SIGCONT)
        await asyncio.gather(*tasks)
    for reader in readers:
        check_history([reader], TEXT)
        assert len(reader.completed.attempts) == 1
        assert not reader.parted
    assert len(fleet.asked(words)) == 2
