"""Whatever dies under a chat, every reader has the same events, and the text is right."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from enum import Enum
from itertools import product

import grpc
import pytest

from support import matrix
from support.chats import ask
from support.cuttable_line import CuttableLine
from support.deployment import eventually
from support.readers import Reader, check_history
from support.replicas import Replicas
from trunkline.inference.v1 import event_pb2, usage_pb2, usage_pb2_grpc
from trunkline.sandbox.scripts import say_words
from trunkline.sandbox.sightings import Sighting, State

EVENTS = 200
MODEL = f"tokens-100-per-second-of-long-{EVENTS}"
POINTS = 40 if matrix.is_full() else 10


class Fault(Enum):
    """What happens to the process that carries the runs, or to what it leans on."""

    KILLED_AND_BACK = "killed-and-back"
    KILLED = "killed"
    FROZEN = "frozen"
    STOPPED = "stopped"
    CLIENT_CUT_OFF = "client-cut-off"
    JOURNAL_CUT_OFF = "journal-cut-off"
    HEALTH_KILLED = "health-killed"


CELLS = matrix.cells("kill-it", product((False, True), Fault), sample=4)
_LIMIT_S = 40.0


@dataclass
class Watched:
    """A run and those who read it: through the process that began it, and through the other."""

    mark: str
    near: Reader
    far: Reader
    tasks: list[asyncio.Task[None]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("on_redis", [False, True], ids=["sqlite", "redis"])
async def test_every_reader_sees_one_history_whatever_dies(on_redis: bool) -> None:
    """A fault finds runs at all points of their answers; each has one history and its text."""
    faults = [fault for on, fault in CELLS if on is on_redis]
    if not faults:
        return
    async with Replicas(on_redis=on_redis, models=(MODEL,)) as fleet:
        for fault in faults:
            await _hurt(fleet, fault)
            matrix.ran("kill-it", POINTS)


async def _hurt(fleet: Replicas, fault: Fault) -> None:
    """Let a fault find runs at as many points, and hold them to their promises."""
    other, victim = fleet.pair
    with CuttableLine(victim.address) as line:
        near = grpc.aio.insecure_channel(line.address)
        far = other.channel()
        watched: list[Watched] = []
        for number in range(POINTS):
            watched.append(await _begin(fleet, f"{fault.value} {number}", near, far))
            await watched[-1].near.reach(EVENTS // POINTS)
        await _strike(fleet, fault, line, watched[-1])
        tasks = [task for each in watched for task in each.tasks]
        async with asyncio.timeout(_LIMIT_S):
            await asyncio.gather(*tasks)
        channels = [process.channel() for process in fleet.pair]
        for each in watched:
            await _check(fleet, each, channels)
        for channel in (near, far, *channels):
            await channel.close()


async def _begin(
    fleet: Replicas, mark: str, near: grpc.aio.Channel, far: grpc.aio.Channel
) -> Watched:
    """Begin a run at one process and follow it at the other."""
    first, second = Reader((near, far), fleet.admin), Reader((far, near), fleet.admin)
    request = ask(f"sandbox/{MODEL}", text=f"<{mark}>", idempotency_key=mark)
    tasks = [asyncio.create_task(first.begin(request))]
    async with asyncio.timeout(_LIMIT_S):
        await first.reach(1)
    tasks.append(asyncio.create_task(second.follow(first.run_id)))
    return Watched(mark, first, second, tasks)


async def _strike(fleet: Replicas, fault: Fault, line: CuttableLine, newest: Watched) -> None:
    """Let a fault happen, and mend it when it has had its effect."""
    other, victim = fleet.pair

    def is_taken_over() -> bool:
        return any(
            event.HasField("attempt_started") and event.attempt > 1 for event in newest.far.all
        )

    match fault:
        case Fault.KILLED_AND_BACK:
            await victim.end(signal.SIGKILL)
            await victim.start()
        case Fault.KILLED:
            await victim.end(signal.SIGKILL)
            await eventually(is_taken_over, _LIMIT_S)
            await victim.start()
        case Fault.FROZEN:
            before = other.log.read_text().count("journal_unavailable")
            victim.send(signal.SIGSTOP)
            # It may hold the lock of the file, and then nobody can do anything before it lives.
            await eventually(
                lambda: (
                    is_taken_over() or other.log.read_text().count("journal_unavailable") > before
                ),
                _LIMIT_S,
            )
            victim.send(signal.SIGCONT)
        case Fault.STOPPED:
            await victim.end(signal.SIGTERM)
            await eventually(is_taken_over, _LIMIT_S)
            await victim.start()
        case Fault.CLIENT_CUT_OFF:
            line.cut()
            await eventually(lambda: bool(newest.near.parted), _LIMIT_S)
        case Fault.JOURNAL_CUT_OFF:
            before = victim.log.read_text().count("journal_unavailable")
            with fleet.journal_away():
                await eventually(
                    lambda: victim.log.read_text().count("journal_unavailable") > before, _LIMIT_S
                )
        case Fault.HEALTH_KILLED:
            await fleet.health_process.end(signal.SIGKILL)
            await fleet.health_process.start()


async def _check(fleet: Replicas, watched: Watched, channels: list[grpc.aio.Channel]) -> None:
    """Hold a run to its promises, as whoever reads it afterwards at any process sees it too."""
    late = [Reader((channel,), fleet.admin) for channel in channels]
    async with asyncio.timeout(_LIMIT_S):
        for reader in late:
            await reader.follow(watched.near.run_id)
    events = check_history([watched.near, watched.far, *late], _expected())
    asked = _asked(fleet, f"<{watched.mark}>")
    started = [event for event in events if event.HasField("attempt_started")]
    assert 1 <= len(asked) <= len(started)
    # The last answered; every other one was closed.
    await eventually(lambda: all(each.state is not State.OPEN for each in asked), _LIMIT_S)
    await _check_ledger(fleet, watched.near.run_id, events)


def _expected() -> str:
    """Return the text of the answer."""

    return "".join(say_words(EVENTS)(None))  # type: ignore[arg-type] # it says the same to all


def _asked(fleet: Replicas, mark: str) -> list[Sighting]:
    """Return what the sandbox was asked with a mark in its question."""
    return [each for each in fleet.sandbox.seen if mark.encode() in each.raw_body]


async def _check_ledger(fleet: Replicas, run_id: str, events: list[event_pb2.ChatEvent]) -> None:
    """Hold the ledger to one row for each attempt that was begun."""
    started = [event.attempt for event in events if event.HasField("attempt_started")]
    usage = usage_pb2_grpc.UsageServiceStub(fleet.channel)
    request = usage_pb2.ListAttemptsRequest(filter=usage_pb2.UsageFilter(run_id=run_id))
    try:
        async with asyncio.timeout(_LIMIT_S):
            while True:
                listed = await usage.ListAttempts(request, metadata=fleet.admin)
                if sorted(entry.attempt.number for entry in listed.entries) == started:
                    return
                await asyncio.sleep(0.02)
    except grpc.aio.AioRpcError as error:
        # Until it is served.
        if error.code() is not grpc.StatusCode.UNIMPLEMENTED:
            raise
