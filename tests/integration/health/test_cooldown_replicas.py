"""Three processes of health on one database, one with a clock ten minutes ahead: they agree."""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from support import matrix
from support.health_harness import NOT_AUTHORIZED, HealthHarness, outcome
from support.postgres import PostgresServer
from support.service_calls import eventually, running, settled
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration
from trunkline.views.health import HALF_OPEN, OPEN, Cooldown, HealthView

ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
CLOSED = health_pb2.COOLDOWN_STATE_CLOSED
AHEAD_S = 600.0
WAIT_S = 1.5


class Fleet:
    """Three processes with the same peers, each watched by an inference of its own.

    Attributes:
        replicas: the processes; the clock of the last one is ahead.
        views: what each one's watcher knows.
    """

    def __init__(self, root: Path, database_url: str) -> None:
        self.replicas = [HealthHarness(root / name, database_url) for name in "abc"]
        first = self.replicas[0]
        for replica in self.replicas[1:]:
            replica.catalog = first.catalog
            replica.credentials = first.credentials
        self.replicas[-1].clock.turn(AHEAD_S)
        self.views: list[HealthView] = []

    async def start(self, stack: AsyncExitStack) -> None:
        """Start all, and their watchers."""
        for replica in self.replicas:
            stack.push_async_callback(replica.close)
            await replica.start_peers("catalog", "credential")
            await replica.start()
            await replica.known("openai")
            view = HealthView(replica.channel("inference"), replica.clock)
            await stack.enter_async_context(running(view.follower.run()))
            await view.follower.wait_ready(10)
            self.views.append(view)

    def find(self, key: str = "", model: str = "openai/a") -> list[Cooldown | None]:
        """Return how a route stands to each watcher."""
        return [
            view.find(model, key, replica.clock.monotonic())
            for view, replica in zip(self.views, self.replicas, strict=True)
        ]

    async def acquire_everywhere(self) -> list[health_service_pb2.AcquireTrialResponse]:
        """Ask every process for a trial twice, all at once."""
        return await asyncio.gather(*(replica.acquire() for replica in self.replicas * 2))


@pytest.fixture
async def fleet(tmp_path: Path, postgres: PostgresServer) -> AsyncIterator[Fleet]:
    """Start three processes that know the providers `openai` and `groq`."""
    async with AsyncExitStack() as stack:
        made = Fleet(tmp_path, await stack.enter_async_context(postgres.database()))
        made.replicas[0].catalog.put("openai", "groq")
        await made.start(stack)
        yield made


async def test_nobody_asks_before_the_providers_time_and_then_one_tries(fleet: Fleet) -> None:
    """Whoever was told, whatever his clock says; the trial's end opens the route for all."""
    began = time.monotonic()
    await fleet.replicas[2].report(outcome(kind=LIMITED, wait_s=WAIT_S))
    await settled(lambda: all(fleet.find()))
    for standing in fleet.find():
        assert standing is not None
        assert standing.is_forbidden
        assert standing.remaining_s <= WAIT_S
    trials: list[str] = []
    while not trials:
        answers = await fleet.acquire_everywhere()
        trials = [answer.trial_id for answer in answers if answer.trial_id]
        assert time.monotonic() < began + 20 * WAIT_S
    assert len(trials) == 1
    assert time.monotonic() - began >= WAIT_S
    assert not [each for each in await fleet.acquire_everywhere() if each.trial_id]
    await settled(lambda: all(each and each.trial_remaining_s for each in fleet.find()))
    assert {each.state for each in fleet.find() if each} == {HALF_OPEN}
    # Its outcome may reach another process than the one that granted it.
    (closed,) = await fleet.replicas[1].report(outcome(trial=trials[0]))
    assert closed.state == CLOSED
    await settled(lambda: not any(fleet.find()))
    for replica in fleet.replicas:
        await eventually(replica.get, lambda seen: not seen.cooldowns)


async def test_what_one_knows_all_act_on(fleet: Fleet) -> None:
    """A second failure elsewhere is the second step; one user's 401 is nobody else's."""
    mine = fleet.replicas[0].credentials.put("openai", owner="ann")
    other = fleet.replicas[0].credentials.put("openai", owner="bob")
    await fleet.replicas[0].report(outcome(kind=ERROR, wait_s=WAIT_S))
    await eventually(fleet.replicas[1].get, lambda seen: bool(seen.cooldowns))
    trial = await fleet.replicas[1].granted()
    (failed,) = await fleet.replicas[2].report(outcome(kind=ERROR, trial=trial, wait_s=300))
    assert (failed.failures, failed.state) == (2, OPEN)
    await settled(lambda: all(each and each.failures == 2 for each in fleet.find()))
    await eventually(
        lambda: fleet.replicas[0].report(outcome("openai/b", NOT_AUTHORIZED, key=mine)), bool
    )
    await settled(lambda: all(fleet.find(mine, "openai/b")))
    assert fleet.find(other, "openai/b") == [None] * 3
    assert fleet.find("", "openai/b") == [None] * 3


async def test_deadlines_never_shrink_whoever_reports(fleet: Fleet) -> None:
    """Within a generation, and generations only grow, in any order of reports to all of them."""
    chance = random.Random(f"{matrix.choose_seed()}:cooldown-reports")
    trials: list[str] = []

    async def act() -> None:
        replica = chance.choice(fleet.replicas)
        if chance.random() < 0.3:
            answer = await replica.acquire()
            trials.extend([answer.trial_id] if answer.trial_id else [])
            return
        made = outcome(
            kind=chance.choice((0, ERROR, LIMITED)),
            wait_s=chance.choice((0.0, 0.01, 0.03, 0.1)),
            trial=chance.choice(trials) if trials and chance.random() < 0.5 else "",
        )
        made.start_age.CopyFrom(duration(chance.choice((0.0, 0.005, 0.05))))
        await replica.report(made)

    for _ in range(6):
        await asyncio.gather(*(act() for _ in range(6)))
    rows = await fleet.replicas[0].run_sql("SELECT payload FROM outbox ORDER BY revision")
    told = [health_service_pb2.WatchHealthResponse.FromString(row[0]) for row in rows]
    changes = [message.cooldown for message in told if message.HasField("cooldown")]
    assert changes
    for route in {each.route.model + each.route.credential_id for each in changes}:
        _check_order(
            each for each in changes if each.route.model + each.route.credential_id == route
        )


def _check_order(changes: Iterable[Any]) -> None:
    """Check that what was told of one route only ever moves on."""
    for before, after in itertools.pairwise(changes):
        assert after.generation >= before.generation
        if before.state == CLOSED:
            assert after.generation > before.generation
        elif after.state != CLOSED:
            # In the outbox the deadline stands in place of what remains.
            assert after.remaining.ToNanoseconds() >= before.remaining.ToNanoseconds()
        else:
            assert after.generation == before.generation
