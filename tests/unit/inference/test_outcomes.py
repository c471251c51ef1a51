"""Outcomes that health does not take: what they mean here meanwhile, and what is told later."""

from __future__ import annotations

from typing import Any, cast

import grpc
import pytest

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration, to_seconds
from trunkline.views.health import OPEN, HealthView
from unit.kernel.hands import HandClock


class Line:
    """A channel to a health that may be away, and keeps what it is told."""

    def __init__(self) -> None:
        self.is_away = True
        self.told: list[health_service_pb2.Outcome] = []

    def unary_unary(self, path: str, **_: Any) -> Any:
        """Return what calls ReportOutcomes."""
        del path
        return self._report

    def unary_stream(self, path: str, **_: Any) -> None:
        """Watch nothing."""

    async def _report(
        self, request: health_service_pb2.ReportOutcomesRequest, **_: Any
    ) -> health_service_pb2.ReportOutcomesResponse:
        """Take them, or be away."""
        if self.is_away:
            nothing = grpc.aio.Metadata()
            raise grpc.aio.AioRpcError(grpc.StatusCode.UNAVAILABLE, nothing, nothing)
        self.told += request.outcomes
        return health_service_pb2.ReportOutcomesResponse()


class Reporter:
    """Reports as one process does.

    Attributes:
        line: to health.
        clock: stands until it is turned.
        view: what this process knows.
        outcomes: under test.
    """

    def __init__(self) -> None:
        self.line = Line()
        self.clock = HandClock()
        channel = cast(grpc.aio.Channel, self.line)
        self.view = HealthView(channel, self.clock)
        self.outcomes = Outcomes(channel, self.clock, self.view)

    def end(
        self,
        *,
        wait_s: float | None = None,
        will_retry: bool = False,
        has_own_address: bool = False,
    ) -> None:
        """Note an attempt that ends now: failed with a wait; None: with an answer."""
        failure = None
        if wait_s is not None:
            failure = failure_pb2.AttemptFailure(kind=failure_pb2.ERROR_KIND_RATE_LIMITED)
            failure.reply.retry_after.CopyFrom(duration(wait_s))
        self.outcomes.add(
            model="openai/a",
            credential_id="cred_1",
            has_own_address=has_own_address,
            began=self.clock.monotonic(),
            first_token=None,
            failure=failure,
            will_retry=will_retry,
        )

    def told(self, model: str, key: str, generation: int) -> None:
        """Let health tell of a route that cools for a second by its guess."""
        route = health_pb2.RouteKey(model=model, credential_id=key)
        cooldown = health_pb2.Cooldown(
            route=route, state=OPEN, remaining=duration(1), generation=generation
        )
        self.view.adopt([cooldown])

    def cools_s(self, model: str = "openai/a", key: str = "cred_1") -> float | None:
        """Return how long a route still cools here; None: it does not."""
        cooldown = self.view.find(model, key, self.clock.monotonic())
        if cooldown is None:
            return None
        assert (cooldown.state == OPEN) is (cooldown.remaining_s > 0)
        return cooldown.remaining_s


@pytest.fixture
async def reporter() -> Reporter:
    """Report to a health that is away."""
    return Reporter()


async def test_what_health_does_not_take_cools_here(reporter: Reporter) -> None:
    """From when it is known to be away: also what was noted before, and at once from then on."""
    reporter.end(wait_s=30)
    assert reporter.cools_s() is None
    await reporter.outcomes.flush()
    assert reporter.cools_s() == 30
    reporter.clock.pass_s(30)
    assert reporter.cools_s() == 0
    reporter.end()
    assert reporter.cools_s() is None
    reporter.end(wait_s=30, will_retry=True)
    assert reporter.cools_s() is None
    reporter.end(wait_s=30)
    assert reporter.cools_s() == 30


async def test_a_wait_is_of_the_model_and_the_key_it_was_given_to(reporter: Reporter) -> None:
    """Though more of the provider was half-open when it was asked, in whichever generation."""
    reporter.told("openai/*", "", 7)
    reporter.told("openai/a", "cred_1", 9)
    reporter.clock.pass_s(1)
    reporter.end(wait_s=3600)
    await reporter.outcomes.flush()
    assert reporter.cools_s() == 3600
    assert reporter.cools_s("openai/b", "cred_1") == 0
    assert reporter.cools_s("openai/a", "cred_2") == 0


async def test_a_key_with_an_address_of_its_own_ends_nothing_of_others(
    reporter: Reporter,
) -> None:
    """Its answer is another server's."""
    reporter.told("openai/a", "", 7)
    reporter.clock.pass_s(1)
    reporter.end(has_own_address=True)
    await reporter.outcomes.flush()
    assert reporter.cools_s() == 0
    reporter.end()
    assert reporter.cools_s() is None


async def test_of_a_providers_wait_is_told_what_is_left(reporter: Reporter) -> None:
    """Health counts it from when it hears of it, and nothing of one that is over."""
    reporter.end(wait_s=5)
    reporter.end(wait_s=30)
    await reporter.outcomes.flush()
    reporter.clock.pass_s(20)
    reporter.line.is_away = False
    await reporter.outcomes.flush()
    over, left = reporter.line.told
    assert not over.HasField("retry_after")
    assert to_seconds(left.retry_after) == 10


async def test_health_that_answers_is_the_one_who_tells(reporter: Reporter) -> None:
    """What fails does not cool here by itself then."""
    reporter.line.is_away = False
    reporter.end(wait_s=30)
    await reporter.outcomes.flush()
    assert reporter.cools_s() is None
    assert len(reporter.line.told) == 1
