"""One process of inference, as far as it decides whom to ask."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Mapping

import grpc

from simulation.chat import Chat, Means
from simulation.provider import Provider
from simulation.record import Record
from simulation.site import Site
from trunkline.inference.cooling import Cooling
from trunkline.inference.latencies import Latencies
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.plan import draw_up
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.settings import InferenceSettings
from trunkline.kernel.clock import Clock
from trunkline.views.health import HealthView


class Replica:
    """A process with a view, a budget and a reporter of its own.

    Args:
        site: what there is to ask.
        providers: by name.
        health: a channel to it.
        clock: the time.
        draw: of arrivals.
        record: is told what comes and what becomes of it.
    """

    def __init__(
        self,
        site: Site,
        providers: Mapping[str, Provider],
        health: grpc.aio.Channel,
        clock: Clock,
        draw: random.Random,
        record: Record,
    ) -> None:
        self._site = site
        self._draw = draw
        self._record = record
        self._view = HealthView(health, clock)
        settings = InferenceSettings()
        self._means = Means(
            providers=providers,
            cooling=Cooling(health, self._view, clock),
            outcomes=Outcomes(health, clock, self._view),
            budget=RetryBudget(settings.retry_budget),
            latencies=Latencies(clock),
            settings=settings,
            clock=clock,
        )

    async def run(self) -> None:
        """Follow health, and tell it how attempts went, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._view.follower.run())
            tasks.create_task(self._means.outcomes.run())

    async def serve(self, per_s: float, until_s: float) -> None:
        """Serve requests that come at random, and wait for their ends.

        Args:
            per_s: how many come in a second.
            until_s: no more come from then on.
        """
        await self._view.follower.wait_ready()
        async with asyncio.TaskGroup() as chats:
            while True:
                await asyncio.sleep(self._draw.expovariate(per_s))
                if self._means.clock.monotonic() >= until_s:
                    return
                chats.create_task(self._serve_one())

    async def _serve_one(self) -> None:
        """Carry one request to its end."""
        came = self._record.note_request()
        self._means.budget.earn()
        site = self._site
        plan = draw_up(
            site.request,
            site.caller,
            site.catalog,
            site.credentials,
            self._draw.random,
            self._means.latencies.of,
            lambda _: None,
        )
        if not await Chat(plan, self._means).carry():
            self._record.note_failed(came)
