"""The view of what cools: how a route stands, by what was told last and by what was answered."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration
from trunkline.views.health import HALF_OPEN, OPEN, HealthView
from unit.kernel.hands import HandClock

CLOSED = health_pb2.COOLDOWN_STATE_CLOSED
ROUNDING_S = 1e-6
LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED


@pytest.fixture
def clock() -> HandClock:
    """A clock that stands."""
    return HandClock()


@pytest.fixture
async def view(clock: HandClock) -> AsyncIterator[HealthView]:
    """A view whose service is away."""
    async with grpc.aio.insecure_channel("unix:/nowhere.sock") as channel:
        yield HealthView(channel, clock)


def told(
    model: str = "openai/a",
    key: str = "",
    *,
    remaining_s: float = 10.0,
    generation: int = 1,
    given: bool = False,
    trial_s: float = 0.0,
    closed: bool = False,
) -> health_pb2.Cooldown:
    """Return a cooldown as health tells of it."""
    cooldown = health_pb2.Cooldown(
        route=health_pb2.RouteKey(model=model, credential_id=key),
        state=CLOSED if closed else OPEN,
        remaining=duration(remaining_s),
        kind=LIMITED,
        failures=3,
        generation=generation,
        provider_given=given,
    )
    if trial_s:
        cooldown.trial_remaining.CopyFrom(duration(trial_s))
    return cooldown


def hold(view: HealthView, *cooldowns: health_pb2.Cooldown) -> None:
    """Let the view be what is told whole."""
    view.add_page(health_service_pb2.HealthPage(cooldowns=cooldowns))
    view.swap()


async def test_a_route_stands_by_the_time_of_this_process(
    view: HealthView, clock: HandClock
) -> None:
    """Open until its time is over, then half-open until it is told otherwise, also when stale."""
    hold(view, told(trial_s=12))
    clock.pass_s(4)
    seen = view.find("openai/a", "cred_1", clock.monotonic())
    assert seen is not None
    assert (seen.state, seen.remaining_s, seen.trial_remaining_s) == (OPEN, 6, 8)
    assert (seen.kind, seen.failures, seen.generation, seen.is_forbidden) == (LIMITED, 3, 1, False)
    clock.pass_s(1e6)
    seen = view.find("openai/a", "cred_1", clock.monotonic())
    assert seen is not None
    assert (seen.state, seen.remaining_s, seen.trial_remaining_s) == (HALF_OPEN, 0, 0)


@pytest.mark.parametrize(
    ("place", "applies"),
    [
        (("openai/a", "cred_1"), True),
        (("openai/a", ""), True),
        (("openai/*", "cred_1"), True),
        (("openai/*", ""), True),
        (("openai/a", "cred_2"), False),
        (("openai/*", "cred_2"), False),
        (("openai/b", ""), False),
        (("groq/*", ""), False),
    ],
)
async def test_what_is_wider_than_a_route_applies_to_it(
    view: HealthView, clock: HandClock, place: tuple[str, str], applies: bool
) -> None:
    """All its keys, all its provider's models; never another's key or another model."""
    hold(view, told(*place))
    assert (view.find("openai/a", "cred_1", clock.monotonic()) is not None) is applies


async def test_of_a_key_with_an_address_of_its_own_only_its_own_applies(
    view: HealthView, clock: HandClock
) -> None:
    """What cools for all keys does so at the provider's address."""

    def found() -> str | None:
        seen = view.find("openai/a", "cred_1", clock.monotonic(), has_own_address=True)
        return None if seen is None else seen.model

    hold(view, told(), told("openai/*"))
    assert found() is None
    hold(view, told(), told("openai/*", "cred_1"))
    assert found() == "openai/*"


async def test_the_strictest_is_found(view: HealthView, clock: HandClock) -> None:
    """What may not be asked at all, then what waits longest, then what somebody tries."""
    hold(
        view,
        told("openai/a", "cred_1", remaining_s=1, given=True),
        told("openai/a", "", remaining_s=20),
        told("openai/*", "", remaining_s=2, trial_s=40),
    )

    def found() -> str:
        seen = view.find("openai/a", "cred_1", clock.monotonic())
        assert seen is not None
        return seen.model + seen.credential_id

    assert found() == "openai/acred_1"
    clock.pass_s(1)
    assert found() == "openai/a"
    clock.pass_s(20)
    assert found() == "openai/*"


async def test_a_new_view_replaces_what_was_known(view: HealthView, clock: HandClock) -> None:
    """What is not in it does not cool, and who listens hears of it."""
    heard: list[str] = []
    view.on_change(lambda: heard.append("change"))
    hold(view, told())
    hold(view, told("openai/b"))
    assert view.find("openai/a", "", clock.monotonic()) is None
    assert view.find("openai/b", "", clock.monotonic()) is not None
    view.change("cooldown", told("openai/b", closed=True))
    assert view.find("openai/b", "", clock.monotonic()) is None
    assert len(heard) == 3


async def test_what_is_older_changes_nothing(view: HealthView, clock: HandClock) -> None:
    """An answer may be ahead of the watch, and a watch ahead of an answer."""
    view.adopt([told(generation=7, remaining_s=10)])
    view.change("cooldown", told(generation=5, closed=True))
    view.change("cooldown", told(generation=6, remaining_s=100))
    seen = view.find("openai/a", "", clock.monotonic())
    assert seen is not None
    assert (seen.generation, seen.remaining_s) == (7, 10)
    view.adopt([told(generation=7, closed=True)])
    assert view.find("openai/a", "", clock.monotonic()) is None


@given(
    news=st.lists(
        st.tuples(st.integers(1, 4), st.floats(0, 100), st.floats(0, 5), st.booleans()),
        max_size=12,
    )
)
async def test_within_a_generation_a_deadline_never_shrinks(
    news: list[tuple[int, float, float, bool]],
) -> None:
    """In whichever order it is told and answered."""
    clock = HandClock()
    async with grpc.aio.insecure_channel("unix:/nowhere.sock") as channel:
        view = HealthView(channel, clock)
        before = (0, 0.0)
        for generation, remaining_s, pause_s, is_answer in news:
            clock.pass_s(pause_s)
            cooldown = told(generation=generation, remaining_s=remaining_s)
            if is_answer:
                view.adopt([cooldown])
            else:
                view.change("cooldown", cooldown)
            now = clock.monotonic()
            seen = view.find("openai/a", "", now)
            assert seen is not None
            after = (seen.generation, now + seen.remaining_s)
            assert after[0] >= before[0]
            if after[0] == before[0]:
                # Of what is over nothing remains.
                assert after[1] >= before[1] - ROUNDING_S or before[1] <= now + ROUNDING_S
            before = after
