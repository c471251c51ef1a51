"""Run scenarios against whatever answers chats, with the sandbox as its provider."""

from __future__ import annotations

import asyncio
from typing import Protocol

from trunkline.benchmark.judge import Judgement, Tempo, judge
from trunkline.benchmark.observation import Attempt, Call, Observation
from trunkline.benchmark.scenarios import HEALTHY, MODELS, HealthyAfterwards, Scenario
from trunkline.sandbox.scripts import OK_TEXT
from trunkline.sandbox.server import Sandbox


class Driver(Protocol):
    """Ask what is judged."""

    async def ask(self, model: str, fallback: str, limit_s: float) -> Call:
        """Ask one question as a stream, and take all of its answer.

        Args:
            model: the primary, by the name that the provider knows.
            fallback: the model to fall back to, by the same rule.
            limit_s: when to leave a call that has not ended, in seconds.
        """
        ...


def make_provider(*, host: str, port: int, api_key: str, scale: float) -> Sandbox:
    """Make the provider of a run, which is not started yet.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for a free one.
        api_key: the key that it takes.
        scale: factor of every time, the announced ones included.
    """
    return Sandbox(
        host=host,
        port=port,
        api_key=api_key,
        time_scale=scale,
        announced_scale=scale,
        aliases=MODELS,
    )


async def play(scenario: Scenario, driver: Driver, provider: Sandbox, tempo: Tempo) -> Judgement:
    """Play one scenario and judge it.

    Args:
        scenario: which.
        driver: asks the gateway.
        provider: started, and what the gateway asks.
        tempo: how fast; the provider's own scale is the same.
    """
    provider.seen.clear()
    provider.reset_attempts()
    limit_s = tempo.at_most(scenario.longest_s)

    async def ask(number: int) -> Call:
        await asyncio.sleep(number * scenario.every_s * tempo.scale)
        return await driver.ask(scenario.model, scenario.fallback, limit_s)

    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(ask(number)) for number in range(scenario.calls)]
    calls = tuple(task.result() for task in asked)
    attempts = tuple(
        Attempt(sighting.model, sighting.started_at, len(sighting.raw_body))
        for sighting in provider.seen
        # What a gateway lists or shows is no attempt at an answer.
        if sighting.model is not None and sighting.method == "POST"
    )
    afterwards = None
    if any(isinstance(check.expectation, HealthyAfterwards) for check in scenario.checks):
        afterwards = await driver.ask(HEALTHY, scenario.fallback, limit_s)
    return judge(scenario, Observation(calls, attempts, afterwards), OK_TEXT, tempo)
