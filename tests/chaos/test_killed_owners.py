"""Whatever dies under a chat, every reader has the same events, and the text is right."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Sequence
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
from trunkline.inference.v1 import result_pb2, usage_pb2, usage_pb2_grpc
from trunkline.sandbox.scripts import say_words
from trunkline.sandbox.sightings import State

COMPLETED = result_pb2.ATTEMPT_OUTCOME_COMPLETED
REPORTED = result_pb2.USAGE_SOURCE_REPORTED
ESTIMATED = result_pb2.USAGE_SOURCE_ESTIMATED

EVENTS = 200
MODEL = f"tokens-100-per-second-of-long-{EVENTS}"


class Fault(Enum):
    """What happens to the process that carries the runs, or to what it leans on."""

    KILLED_AND_BACK = "killed-and-back"
    KILLED = "killed"
    FROZEN = "frozen"
    STOPPED = "stopped"
    CLIENT_CUT_OFF = "client-cut-off"
    JOURNAL_CUT_OFF = "journal-cut-off"
    HEALTH_KILLED = "health-killed"


@dataclass(frozen=True, slots=True)
class Kind:
    """Of what the processes of a cell are.

    Attributes:
        on_redis: where their journal lies; else in a file.
        lease_s: of each.
        points: at which a fault finds runs.
    """

    on_redis: bool
    lease_s: float
    points: int

    def __str__(self) -> str:
        """Return its name."""
        return f"{'redis' if self.on_redis else 'sqlite'}-lease-{self.lease_s:g}"


QUICK = [Kind(on_redis, 1.0, 40 if matrix.is_full() else 10) for on_redis in (False, True)]
# As it is published, and only where all run: each fault takes its time.
PUBLISHED = [Kind(on_redis, 5.0, 1) for on_redis in (False, True)]
CELLS = [
    *matrix.cells("kill-it", product(QUICK, Fault), sample=1),
    *(product(PUBLISHED, Fault) if matrix.is_full() else ()),
]
KINDS = [kind for kind in (*QUICK, *PUBLISHED) if any(kind == each for each, _ in CELLS)]
_LIMIT_S = 40.0


@dataclass
class Watched:
    """A run and those who read it: through the process that began it, and through the other."""

    mark: str
    near: Reader
    far: Reader
    tasks: list[asyncio.Task[None]]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("kind", KINDS, ids=str)
async def test_every_reader_sees_one_history_whatever_dies(kind: Kind) -> None:
    """A fault finds runs at all points of their answers; each has one history and its text."""
    async with Replicas(on_redis=kind.on_redis, lease_s=kind.lease_s, models=(MODEL,)) as fleet:
        for each, fault in CELLS:
            if each == kind:
                await _hurt(fleet, fault, kind.points)
                matrix.ran("kill-it", kind.points)


async def _hurt(fleet: Replicas, fault: Fault, points: int) -> None:
    """Let a fault find runs at as many points, and hold them to their promises."""
    other, victim = fleet.pair
    with CuttableLine(victim.address) as line:
        near = grpc.aio.insecure_channel(line.address)
        far = other.channel()
        watched: list[Watched] = []
        for number in range(points):
            watched.append(await _begin(fleet, f"{fault.value} {number}", near, far))
            await watched[-1].near.reach(EVENTS // max(points, 2))
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
    check_history([watched.near, watched.far, *late], _expected())
    asked = fleet.asked(f"<{watched.mark}>")
    # The last answered; every other one was closed.
    await eventually(lambda: all(each.state is not State.OPEN for each in asked), _LIMIT_S)
    attempts = watched.near.completed.attempts
    assert [attempt.outcome for attempt in attempts[-1:]] == [COMPLETED]
    # One whose process died between the journal and the wire was never asked, and gave nothing.
    spoke = [attempt for attempt in attempts if attempt.usage.output_tokens]
    assert len(spoke) <= len(asked) <= len(attempts)
    await _check_ledger(fleet, watched.near.run_id, attempts)


def _expected() -> str:
    """Return the text of the answer."""

    return "".join(say_words(EVENTS)(None))  # type: ignore[arg-type] # it says the same to all


async def _check_ledger(
    fleet: Replicas, run_id: str, attempts: Sequence[result_pb2.Attempt]
) -> None:
    """Hold the ledger to the attempts that were begun, each closed and once."""
    usage = usage_pb2_grpc.UsageServiceStub(fleet.channel)
    request = usage_pb2.ListAttemptsRequest(filter=usage_pb2.UsageFilter(run_id=run_id))
    expected = [(attempt.number, attempt.outcome) for attempt in attempts]
    rows: list[result_pb2.Attempt] = []

    async def is_entered() -> bool:
        listed = await usage.ListAttempts(request, metadata=fleet.admin)
        rows[:] = sorted((entry.attempt for entry in listed.entries), key=lambda row: row.number)
        return len(rows) >= len(expected)

    await eventually(is_entered, _LIMIT_S)
    assert [(row.number, row.outcome) for row in rows] == expected
    for row in rows:
        assert row.usage.source in (
            (REPORTED,) if row.outcome == COMPLETED else (REPORTED, ESTIMATED)
        ), row.number
