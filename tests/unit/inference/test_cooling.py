"""Leave to try a route again: one asks health for all chats of a process."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import grpc
import pytest
from msgspec.structs import replace

from support.bare_runs import candidate
from trunkline.credential.v1 import credential_pb2
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.cooling import OWN_TRIAL_S, Cooling
from trunkline.views.health import HealthView
from unit.kernel.hands import HandClock

HALF_OPEN = health_pb2.COOLDOWN_STATE_HALF_OPEN
ROUTE = candidate("openai", "a")


class Line:
    """A channel to a health that keeps what it is asked, and answers when it is told to."""

    def __init__(self) -> None:
        self.asked: list[health_service_pb2.AcquireTrialRequest] = []
        self.answer: asyncio.Future[health_service_pb2.AcquireTrialResponse] = asyncio.Future()

    def unary_unary(self, path: str, **_: Any) -> Any:
        """Return what calls AcquireTrial."""
        del path
        return self._acquire

    def unary_stream(self, path: str, **_: Any) -> None:
        """Watch nothing."""

    async def _acquire(
        self, request: health_service_pb2.AcquireTrialRequest, **_: Any
    ) -> health_service_pb2.AcquireTrialResponse:
        """Answer as told."""
        self.asked.append(request)
        return await self.answer


@pytest.fixture
async def line() -> Line:
    """Be health."""
    return Line()


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands."""
    return HandClock()


@pytest.fixture
def cooling(line: Line, clock: HandClock) -> Cooling:
    """Know of a route that is half-open."""
    channel = cast(grpc.aio.Channel, line)
    view = HealthView(channel, clock)
    route = health_pb2.RouteKey(model=ROUTE.name)
    view.adopt([health_pb2.Cooldown(route=route, state=HALF_OPEN, generation=1)])
    return Cooling(channel, view, clock)


async def try_out(cooling: Cooling) -> str | None:
    """Ask for leave to try the route."""
    cooldown = cooling.find(ROUTE)
    assert cooldown is not None
    return await cooling.try_out(ROUTE, cooldown)


async def test_one_asks_health_for_all_chats(cooling: Cooling, line: Line) -> None:
    """The others do not wait for its answer: somebody else tries the route."""
    first = asyncio.create_task(try_out(cooling))
    await asyncio.sleep(0)
    assert [await try_out(cooling) for _ in range(100)] == [None] * 100
    line.answer.set_result(health_service_pb2.AcquireTrialResponse(trial_id="trial_1"))
    assert await first == "trial_1"
    assert [each.route.model for each in line.asked] == [ROUTE.name]


async def test_one_that_leaves_lets_the_next_ask(cooling: Cooling, line: Line) -> None:
    """A chat that is cancelled holds nobody up."""
    first = asyncio.create_task(try_out(cooling))
    await asyncio.sleep(0)
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    line.answer = asyncio.Future()
    line.answer.set_result(health_service_pb2.AcquireTrialResponse(trial_id="trial_2"))
    assert await try_out(cooling) == "trial_2"


async def test_without_health_a_process_tries_once_in_a_while(
    cooling: Cooling, line: Line, clock: HandClock
) -> None:
    """By its own leave, for each model and key."""
    nothing = grpc.aio.Metadata()
    away = grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing)
    line.answer.set_exception(away)
    assert [await try_out(cooling) for _ in range(3)] == ["", None, None]
    clock.pass_s(OWN_TRIAL_S)
    assert [await try_out(cooling) for _ in range(2)] == ["", None]


async def test_a_key_with_an_address_of_its_own_does_not_cool_with_the_provider(
    cooling: Cooling,
) -> None:
    """Another server answers there."""
    credential = credential_pb2.Credential(id="cred_own", base_url="https://own.example/v1")
    own = replace(ROUTE, credential=credential)
    assert cooling.find(ROUTE) is not None
    assert cooling.find(own) is None
