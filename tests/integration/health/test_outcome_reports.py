"""Inference tells health what attempts came to, and knows at once what cools by it."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.health_harness import HealthHarness
from support.service_calls import running, settled
from trunkline.health.v1 import health_service_pb2, health_service_pb2_grpc
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.channel import connect
from trunkline.kernel.clock import SystemClock, duration
from trunkline.kernel.server import prepare_socket
from trunkline.views.health import HALF_OPEN, HealthView

ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
WAIT_S = 0.2


@dataclass
class Reporter:
    """One process's reports, with the view that its chats plan by.

    Attributes:
        outcomes: the reports.
        view: does not follow health: what it knows was answered.
        clock: of the process.
    """

    outcomes: Outcomes
    view: HealthView
    clock: SystemClock = field(default_factory=SystemClock)

    def end(self, kind: int = 0, *, wait_s: float = 0.0, **more: Any) -> None:
        """Let an attempt end."""
        failure = None
        if kind:
            failure = failure_pb2.AttemptFailure(kind=failure_pb2.ErrorKind.ValueType(kind))
            if wait_s:
                failure.reply.retry_after.CopyFrom(duration(wait_s))
        self.outcomes.add(
            model="openai/a",
            credential_id="",
            began=self.clock.monotonic(),
            first_token=None,
            failure=failure,
            **more,
        )

    def find(self) -> Any:
        """Return how the route stands."""
        return self.view.find("openai/a", "cred_1", self.clock.monotonic())


@pytest.fixture
async def reporter(health: HealthHarness) -> AsyncIterator[Reporter]:
    """Report as inference does."""
    await health.get()
    clock = SystemClock()
    view = HealthView(health.channel("inference"), clock)
    made = Reporter(Outcomes(health.channel("inference"), clock, view), view, clock)
    async with running(made.outcomes.run()):
        yield made


async def test_a_failure_is_told_and_known_at_once(reporter: Reporter) -> None:
    """With what waited before it; one that is asked again does not cool."""
    reporter.end(ERROR, will_retry=True)
    await reporter.outcomes.flush()
    assert reporter.find() is None
    reporter.end(ERROR, wait_s=WAIT_S)
    await settled(lambda: reporter.find() is not None)
    assert reporter.find().is_forbidden
    assert reporter.find().failures == 1


async def test_a_trials_end_is_told_at_once(health: HealthHarness, reporter: Reporter) -> None:
    """And the route is free for everybody here."""
    reporter.end(ERROR, wait_s=WAIT_S)
    trial = await health.granted()
    assert reporter.find().state == HALF_OPEN
    reporter.end(trial_id=trial)
    await settled(lambda: reporter.find() is None)
    assert not (await health.get()).cooldowns


class Peer(health_service_pb2_grpc.HealthServiceServicer):
    """Records the reports, and takes none while it is away."""

    def __init__(self) -> None:
        self.asked: list[health_service_pb2.ReportOutcomesRequest] = []
        self.is_away = True

    async def ReportOutcomes(
        self, request: health_service_pb2.ReportOutcomesRequest, context: Any
    ) -> health_service_pb2.ReportOutcomesResponse:
        """Record the report."""
        self.asked.append(request)
        if self.is_away:
            await context.abort(grpc.StatusCode.UNAVAILABLE)
        return health_service_pb2.ReportOutcomesResponse()


@pytest.fixture
async def peer(socket_path: Path) -> AsyncIterator[Peer]:
    """Be the health service."""
    server = grpc.aio.server()
    servicer = Peer()  # type: ignore[abstract] # abstract for the checker only
    health_service_pb2_grpc.add_HealthServiceServicer_to_server(servicer, server)
    server.add_insecure_port(prepare_socket(socket_path))
    await server.start()
    yield servicer
    await server.stop(None)


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        yield Path(directory) / "health"


async def test_what_cannot_be_told_is_told_later(peer: Peer, socket_path: Path) -> None:
    """With the time of the attempt; who is away is not asked again without a pause."""
    clock = SystemClock()
    async with connect(socket_path) as channel:
        view = HealthView(channel, clock)
        reporter = Reporter(Outcomes(channel, clock, view), view, clock)
        async with running(reporter.outcomes.run()):
            reporter.end(ERROR)
            await settled(lambda: bool(peer.asked))
            # Each would be told at once.
            for _ in range(50):
                reporter.end(ERROR)
                await asyncio.sleep(0)
            peer.is_away = False
            await settled(lambda: len(peer.asked[-1].outcomes) == 51)
    assert len(peer.asked) < 10
    ages = [each.start_age.ToNanoseconds() for each in peer.asked[-1].outcomes]
    assert ages == sorted(ages, reverse=True)
    assert ages[0] > 0
