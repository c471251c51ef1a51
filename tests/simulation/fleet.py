"""Replicas, health and providers together, for as long as a scenario lasts."""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass

from simulation.health_peer import HealthPeer
from simulation.provider import Outage, Provider
from simulation.record import Record
from simulation.replica import Replica
from simulation.site import FIRST, SECOND, Site
from simulation.virtual_time import VirtualClock, live_through


@dataclass(frozen=True, slots=True)
class Scenario:
    """What is simulated; times are seconds since the simulation began.

    Attributes:
        replicas: processes of inference.
        per_s: requests a second, of all replicas together.
        end_s: when the last request comes.
        outage: of the first provider.
        has_fallback: there is a second provider, which is never down.
        health_leaves_s, health_returns_s: when health goes away and comes back; None: never.
        seed: of all that is drawn.
    """

    replicas: int
    per_s: float
    end_s: float
    outage: Outage
    has_fallback: bool = True
    health_leaves_s: float | None = None
    health_returns_s: float | None = None
    seed: int = 1


def simulate(scenario: Scenario) -> Record:
    """Live through a scenario; return what happened."""
    return live_through(_simulate(scenario))


async def _simulate(scenario: Scenario) -> Record:
    """Live through a scenario in the running loop."""
    # Of waits, health draws from the generator that all share.
    random.seed(scenario.seed)
    draw = random.Random(scenario.seed)
    clock = VirtualClock()
    record = Record(clock.monotonic)
    names = (FIRST, SECOND) if scenario.has_fallback else (FIRST,)
    outages = {FIRST: scenario.outage}
    providers = {name: Provider(name, outages.get(name), draw, record) for name in names}
    site = Site(names, clock)
    health = HealthPeer(site.catalog, site.credentials, clock, draw, record)
    replicas = [
        Replica(site, providers, health.channel(), clock, draw, record)
        for _ in range(scenario.replicas)
    ]
    async with asyncio.TaskGroup() as background:
        running = [background.create_task(replica.run()) for replica in replicas]
        running.append(background.create_task(health.run()))
        running.append(background.create_task(_turn(health, scenario)))
        async with asyncio.TaskGroup() as serving:
            for replica in replicas:
                serving.create_task(
                    replica.serve(scenario.per_s / scenario.replicas, scenario.end_s)
                )
        for task in running:
            task.cancel()
    return record


async def _turn(health: HealthPeer, scenario: Scenario) -> None:
    """Let health go away and come back."""
    for at, turn in (
        (scenario.health_leaves_s, health.leave),
        (scenario.health_returns_s, health.come_back),
    ):
        if at is not None:
            await asyncio.sleep(at - asyncio.get_running_loop().time())
            turn()
