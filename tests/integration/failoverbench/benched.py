"""A deployment whose waits are those of the benchmark, at one scale with its provider."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

from google.protobuf.field_mask_pb2 import FieldMask

from integration.failoverbench.chat_driver import ChatDriver
from support.deployment import Deployment
from support.matrix import is_full
from trunkline.benchmark.bench import make_provider, play
from trunkline.benchmark.judge import Judgement, Tempo
from trunkline.benchmark.scenarios import Scenario
from trunkline.catalog.v1 import model_pb2
from trunkline.health import route
from trunkline.inference.settings import InferenceSettings
from trunkline.sandbox.server import Sandbox

SCALE = 1.0 if is_full() else 0.05
TEMPO = Tempo(SCALE) if is_full() else Tempo(SCALE, slack_s=3.0)

SLOW_THINKER = "first-token-after-60-of-reason"
"""A model that reasons, and is silent for a minute first."""


_WAITS = (
    "first_token_s",
    "first_token_fallback_s",
    "first_token_local_s",
    "idle_s",
    "idle_reasoning_s",
    "usage_wait_s",
    "hedge_after_s",
    "retry_pause_s",
    "retry_wait_s",
)


@dataclass(frozen=True, slots=True)
class Benched:
    """A deployment with one format's provider twice: to fail, and to fall back to.

    Attributes:
        deployment: the one.
        provider: both are this one.
        driver: asks the deployment.
    """

    deployment: Deployment
    provider: Sandbox
    driver: ChatDriver

    async def play(self, scenario: Scenario) -> Judgement:
        """Play a scenario at the scale of this run."""
        return await play(scenario, self.driver, self.provider, TEMPO)


@asynccontextmanager
async def open_bench(name: str) -> AsyncIterator[Benched]:
    """Start a deployment, and connect it in a format.

    Args:
        name: of the format.
    """
    fields = InferenceSettings.model_fields
    scaled = {wait: fields[wait].default * SCALE for wait in _WAITS}
    async with AsyncExitStack() as stack:
        deployment = await stack.enter_async_context(Deployment(connected=False, **scaled))
        key = deployment.sandbox.api_key
        provider = make_provider(host="127.0.0.1", port=0, api_key=key, scale=SCALE)
        await stack.enter_async_context(provider)
        for place in ("primary", "second"):
            await deployment.connect(
                provider.addresses[name],
                "" if name == "ollama" else key,
                (SLOW_THINKER,),
                name=place,
                kind="sandbox" if name == "openai" else f"sandbox-{name}",
            )
        for model in ("ok", "no-prefill"):
            await _describe(deployment, f"second/{model}")
        await _let_think(deployment, f"primary/{SLOW_THINKER}")
        yield Benched(deployment, provider, ChatDriver(deployment.channel, deployment.admin))


async def _describe(deployment: Deployment, name: str) -> None:
    """Tell the catalog that a model goes on from a partial answer."""
    model = model_pb2.Model(name=name)
    model.facts.prefill.value = True
    await _update(deployment, model, "facts.prefill")


async def _let_think(deployment: Deployment, name: str) -> None:
    """Tell the catalog that a model reasons."""
    model = model_pb2.Model(name=name)
    model.facts.thinking.value = True
    await _update(deployment, model, "facts.thinking")


async def _update(deployment: Deployment, model: model_pb2.Model, *paths: str) -> None:
    mask = FieldMask(paths=paths)
    request = model_pb2.UpdateModelRequest(model=model, update_mask=mask)
    await deployment.catalog.UpdateModel(request, metadata=deployment.admin)


def scale_cooldowns(set_to: Callable[[str, object], None]) -> None:
    """Scale the guessed waits of routes that cool, which are no settings.

    Args:
        set_to: replaces an attribute by its dotted name.
    """
    rules = {
        kind: replace(rule, waits_s=tuple(wait * SCALE for wait in rule.waits_s))
        for kind, rule in route.RULES.items()
    }
    set_to("trunkline.health.cooldown.RULES", rules)
