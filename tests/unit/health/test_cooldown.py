"""What outcomes make of cooldowns: whom a failure speaks of, for how long, and what ends it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from trunkline.health.cooldown import (
    SECOND_NS,
    Witness,
    end_given_waits,
    lease_trial,
    strictest,
    weigh_probe,
)
from trunkline.health.route import RULES, Route
from trunkline.inference.v1 import failure_pb2
from trunkline.inference.v1.failure_pb2 import (
    ERROR_KIND_BROKEN_STREAM,
    ERROR_KIND_CONTENT_FILTERED,
    ERROR_KIND_CONTEXT_TOO_LONG,
    ERROR_KIND_HEDGE_LOST,
    ERROR_KIND_INVALID_REQUEST,
    ERROR_KIND_MODEL_NOT_FOUND,
    ERROR_KIND_NOT_AUTHORIZED,
    ERROR_KIND_QUOTA,
    ERROR_KIND_RATE_LIMITED,
    ERROR_KIND_SERVER_ERROR,
    ERROR_KIND_SILENT,
    ERROR_KIND_SUPERSEDED,
    ERROR_KIND_UNREACHABLE,
    ERROR_KIND_UNSPECIFIED,
)
from unit.health.cooldown_fleet import KEY, MODEL, PROVIDER, ROUTE, Fleet

NOTHING = (
    ERROR_KIND_CONTEXT_TOO_LONG,
    ERROR_KIND_CONTENT_FILTERED,
    ERROR_KIND_INVALID_REQUEST,
    ERROR_KIND_HEDGE_LOST,
    ERROR_KIND_SUPERSEDED,
)


@pytest.fixture
def fleet() -> Fleet:
    """Give a fleet in which nothing cools."""
    return Fleet()


@pytest.mark.parametrize(
    ("kind", "cools", "own_cools", "waits_s"),
    [
        (ERROR_KIND_RATE_LIMITED, ROUTE, ROUTE, [1, 2, 4, 8, 10, 10]),
        (ERROR_KIND_SERVER_ERROR, MODEL, ROUTE, [1, 2, 4, 8, 10, 10]),
        (ERROR_KIND_BROKEN_STREAM, MODEL, ROUTE, [1, 2, 4, 8, 10, 10]),
        (ERROR_KIND_SILENT, MODEL, ROUTE, [1, 2, 2]),
        (ERROR_KIND_UNREACHABLE, PROVIDER, KEY, [1, 2, 2]),
        (ERROR_KIND_QUOTA, KEY, KEY, [1, 2, 4, 8, 10, 10]),
        (ERROR_KIND_NOT_AUTHORIZED, KEY, KEY, [1, 2, 4, 8, 10, 10]),
        (ERROR_KIND_MODEL_NOT_FOUND, MODEL, ROUTE, [3600, 3600]),
    ],
)
def test_each_kind_cools_what_it_speaks_of(
    fleet: Fleet, kind: int, cools: Route, own_cools: Route, waits_s: list[float]
) -> None:
    """Longer with each failure of those who tried in the half-open."""
    for failures, wait_s in enumerate(waits_s, 1):
        fleet.report(kind)
        assert list(fleet.held) == [cools]
        assert fleet.remaining_s(cools) == wait_s
        assert fleet.held[cools].failures == failures
        assert not fleet.held[cools].is_provider_given(fleet.now)
        fleet.pass_s(wait_s)
    own = Fleet()
    own.report(kind, speaks_for_others=False, factor=0.8)
    assert list(own.held) == [own_cools]
    assert own.remaining_s(own_cools) == pytest.approx(0.8 * waits_s[0])


def test_no_kind_is_forgotten() -> None:
    """Each one cools, says nothing, or is no failure."""
    known = {*RULES, *NOTHING, ERROR_KIND_UNSPECIFIED}
    assert known == set(failure_pb2.ErrorKind.values())


@pytest.mark.parametrize("kind", NOTHING)
def test_what_is_no_fault_of_the_route_cools_nothing(fleet: Fleet, kind: int) -> None:
    """Nor does it end anything; a trial that came to it is free again."""
    assert not fleet.report(kind, wait_s=5)
    fleet.report(ERROR_KIND_SERVER_ERROR)
    fleet.pass_s(1)
    assert fleet.acquire("trial_1")
    assert not fleet.acquire("trial_2")
    before = fleet.held[MODEL]
    fleet.report(kind, trial_id="trial_1")
    assert fleet.held[MODEL] == replace(before, trial_id="", trial_end_ns=0)
    assert fleet.acquire("trial_2")


def test_the_providers_wait_counts_up_to_an_hour(fleet: Fleet) -> None:
    """As it is, whatever we would guess."""
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=7.5, factor=0.8)
    assert fleet.remaining_s(ROUTE) == 7.5
    assert fleet.held[ROUTE].is_provider_given(fleet.now)
    fleet.pass_s(7.5)
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=1e6)
    assert fleet.remaining_s(ROUTE) == 3600
    fleet.pass_s(3600)
    fleet.report(ERROR_KIND_RATE_LIMITED)
    assert fleet.remaining_s(ROUTE) == 4
    assert not fleet.held[ROUTE].is_provider_given(fleet.now)


def test_one_request_is_one_step(fleet: Fleet) -> None:
    """What is asked again by the same request does not cool; nor do many at one time."""
    assert not fleet.report(ERROR_KIND_SERVER_ERROR, will_retry=True)
    fleet.report(ERROR_KIND_SERVER_ERROR, age_s=1)
    for _ in range(10):
        assert not fleet.report(ERROR_KIND_SERVER_ERROR, age_s=2)
    assert fleet.held[MODEL].failures == 1


def test_what_was_begun_before_speaks_of_known_trouble(fleet: Fleet) -> None:
    """It closes nothing and adds no step; a wait that comes with it may lengthen, never shorten."""
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=10)
    fleet.pass_s(2)
    assert not fleet.report(ERROR_KIND_UNSPECIFIED)
    assert not fleet.report(ERROR_KIND_RATE_LIMITED)
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=1)
    assert fleet.remaining_s(ROUTE) == 8
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=20)
    assert fleet.remaining_s(ROUTE) == 20
    assert (fleet.held[ROUTE].failures, fleet.held[ROUTE].generation) == (1, 1)
    fleet.pass_s(20)
    assert not fleet.report(ERROR_KIND_UNSPECIFIED, age_s=0.5)
    assert fleet.report(ERROR_KIND_UNSPECIFIED) == {ROUTE: None}


def test_a_wait_shorter_than_our_guess_forbids_for_its_time_only(fleet: Fleet) -> None:
    """The guess goes on as what it was, and ends by what ends it."""
    fleet.report(ERROR_KIND_MODEL_NOT_FOUND)
    fleet.report(ERROR_KIND_SERVER_ERROR, age_s=5, wait_s=2)
    cooldown = fleet.held[MODEL]
    assert (cooldown.kind, fleet.remaining_s(MODEL)) == (ERROR_KIND_MODEL_NOT_FOUND, 3600)
    assert cooldown.is_provider_given(fleet.now)
    listed = Witness(list_ns=1)
    assert not cooldown.is_over(listed, fleet.now)
    assert not end_given_waits(fleet.held, fleet.now)
    fleet.pass_s(2)
    assert not cooldown.is_provider_given(fleet.now)
    assert cooldown.is_over(listed, fleet.now)
    fleet.take(end_given_waits(fleet.held, fleet.now))
    assert fleet.held == {MODEL: replace(cooldown, given_until_ns=0)}
    assert not end_given_waits(fleet.held, fleet.now)


def test_a_wait_longer_than_our_guess_is_what_the_route_cools_for(fleet: Fleet) -> None:
    """To its end it is the provider's own word."""
    fleet.report(ERROR_KIND_BROKEN_STREAM)
    fleet.report(ERROR_KIND_SERVER_ERROR, age_s=5, wait_s=7)
    assert fleet.held[MODEL].kind == ERROR_KIND_SERVER_ERROR
    fleet.pass_s(6.9)
    assert fleet.held[MODEL].is_provider_given(fleet.now)
    assert not end_given_waits(fleet.held, fleet.now)


def test_a_success_in_the_half_open_closes_all_that_applied(fleet: Fleet) -> None:
    """Also of a personal key; the next failure begins with the shortest wait again."""
    fleet.report(ERROR_KIND_SERVER_ERROR)
    fleet.report(ERROR_KIND_UNREACHABLE)
    fleet.report(ERROR_KIND_SERVER_ERROR, route=Route("openai/b", ""))
    fleet.pass_s(1)
    fleet.report(ERROR_KIND_UNSPECIFIED, speaks_for_others=False)
    assert list(fleet.held) == [Route("openai/b", "")]
    fleet.report(ERROR_KIND_SERVER_ERROR)
    assert fleet.remaining_s(MODEL) == 1


def test_a_key_with_an_address_of_its_own_is_alone_there(fleet: Fleet) -> None:
    """What it comes to says nothing of the provider's address, nor that one's trouble of it."""
    own = Route("openai/a", "cred_own")
    alone: dict[str, Any] = {"route": own, "speaks_for_others": False, "has_own_address": True}
    fleet.report(ERROR_KIND_SERVER_ERROR)
    fleet.pass_s(1)
    assert not fleet.report(ERROR_KIND_UNSPECIFIED, **alone)
    assert not lease_trial(fleet.held, own, "trial_1", 1, fleet.now, has_own_address=True)[0]
    fleet.report(ERROR_KIND_SERVER_ERROR)
    assert (fleet.held[MODEL].failures, fleet.remaining_s(MODEL)) == (2, 2)
    fleet.report(ERROR_KIND_UNREACHABLE, **alone)
    assert fleet.held[Route("openai/*", "cred_own")].failures == 1
    fleet.pass_s(1)
    assert fleet.acquire("trial_1", own) is False
    changes, standing = lease_trial(
        fleet.held, own, "trial_1", SECOND_NS, fleet.now, has_own_address=True
    )
    assert standing is not None
    assert list(changes) == [Route("openai/*", "cred_own")]
    fleet.take(changes)
    fleet.report(ERROR_KIND_UNSPECIFIED, trial_id="trial_1", **alone)
    assert list(fleet.held) == [MODEL]


def test_one_trial_is_granted_for_all_that_applies(fleet: Fleet) -> None:
    """Not before the last wait is over, to one, until it ends or its time does."""
    assert not fleet.acquire()
    fleet.report(ERROR_KIND_UNREACHABLE)
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=5)
    fleet.pass_s(2)
    assert not fleet.acquire("trial_1")
    assert fleet.acquire("trial_1", Route("openai/b", "cred_1"))
    fleet.pass_s(3)
    # The provider's address is on trial.
    assert not fleet.acquire("trial_2")
    fleet.pass_s(30)
    assert fleet.acquire("trial_2")
    assert {each.trial_id for each in fleet.held.values()} == {"trial_2"}
    # A trial whose time is over is nobody's any more.
    fleet.report(ERROR_KIND_HEDGE_LOST, trial_id="trial_1")
    assert not fleet.acquire("trial_3")
    fleet.report(ERROR_KIND_UNSPECIFIED, trial_id="trial_2")
    assert not fleet.held


def test_a_failed_trial_begins_the_next_generation(fleet: Fleet) -> None:
    """Whether or not its reporter means to ask again."""
    fleet.report(ERROR_KIND_SERVER_ERROR)
    first = fleet.held[MODEL]
    fleet.pass_s(1)
    fleet.acquire("trial_1")
    fleet.pass_s(4)
    fleet.report(ERROR_KIND_BROKEN_STREAM, age_s=4, trial_id="trial_1", will_retry=True)
    second = fleet.held[MODEL]
    assert second.generation > first.generation
    assert (second.failures, second.trial_id, fleet.remaining_s(MODEL)) == (2, "", 2)


def test_a_users_trial_extends_nobody_elses_cooldown(fleet: Fleet) -> None:
    """It cools the user's key; the route is free for another trial."""
    fleet.report(ERROR_KIND_SERVER_ERROR)
    before = fleet.held[MODEL]
    fleet.pass_s(1)
    mine = Route("openai/a", "cred_mine")
    assert fleet.acquire("trial_1", mine)
    fleet.report(ERROR_KIND_NOT_AUTHORIZED, route=mine, trial_id="trial_1", speaks_for_others=False)
    assert fleet.held[MODEL] == before
    assert Route("openai/*", "cred_mine") in fleet.held
    assert fleet.acquire("trial_2")


def test_a_list_closes_only_what_was_unreachable(fleet: Fleet) -> None:
    """When it was asked for in the half-open."""
    fleet.report(ERROR_KIND_UNREACHABLE)
    fleet.report(ERROR_KIND_SERVER_ERROR)
    fleet.report(ERROR_KIND_NOT_AUTHORIZED)
    fleet.pass_s(1)
    asked = Route("openai/*", "cred_1")
    assert not weigh_probe(fleet.held, asked, fleet.now - 1, fleet.now)
    assert weigh_probe(fleet.held, asked, fleet.now, fleet.now) == {PROVIDER: None}
    assert not weigh_probe(fleet.held, asked, fleet.now, fleet.now, has_own_address=True)


@pytest.mark.parametrize(
    ("kind", "then", "now", "is_over"),
    [
        # Another secret is another key, whatever was wrong with the old one.
        (ERROR_KIND_NOT_AUTHORIZED, Witness(1), Witness(2), True),
        (ERROR_KIND_RATE_LIMITED, Witness(1), Witness(2), True),
        (ERROR_KIND_NOT_AUTHORIZED, Witness(2), Witness(1), False),
        (ERROR_KIND_NOT_AUTHORIZED, Witness(), Witness(2, 9), False),
        # A proof since then.
        (ERROR_KIND_NOT_AUTHORIZED, Witness(1, 5), Witness(1, 6), True),
        (ERROR_KIND_NOT_AUTHORIZED, Witness(1, 5), Witness(1, 5), False),
        (ERROR_KIND_QUOTA, Witness(1, 5), Witness(1, 6), False),
        (ERROR_KIND_QUOTA, Witness(1, 5), Witness(1, 6, is_paid=True), True),
        (ERROR_KIND_RATE_LIMITED, Witness(1, 5), Witness(1, 6, is_paid=True), False),
        # A list that was read again.
        (ERROR_KIND_MODEL_NOT_FOUND, Witness(1, list_ns=5), Witness(1, list_ns=6), True),
        (ERROR_KIND_MODEL_NOT_FOUND, Witness(1, list_ns=5), Witness(1, list_ns=5), False),
        (ERROR_KIND_SERVER_ERROR, Witness(1, list_ns=5), Witness(1, list_ns=6), False),
    ],
)
def test_news_of_key_or_list_end_what_they_speak_against(
    fleet: Fleet, kind: int, then: Witness, now: Witness, is_over: bool
) -> None:
    """By comparison with what was known before, since clocks of services differ."""
    fleet.report(kind, witness=then, speaks_for_others=False)
    (cooldown,) = fleet.held.values()
    assert cooldown.is_over(now, fleet.now) is is_over


def test_a_deadline_from_before_the_clock_was_set_back_is_over(fleet: Fleet) -> None:
    """It would block for as long as the clock was ahead."""
    fleet.report(ERROR_KIND_SERVER_ERROR)
    fleet.pass_s(-86_400)
    assert fleet.remaining_s(MODEL) == 0
    assert fleet.acquire("trial_1")
    fleet.report(ERROR_KIND_UNSPECIFIED, trial_id="trial_1")
    assert not fleet.held


def test_the_strictest_is_what_forbids_most(fleet: Fleet) -> None:
    """A provider's wait before a longer guess, a longer wait, a trial that is under way."""
    fleet.report(ERROR_KIND_MODEL_NOT_FOUND)
    fleet.report(ERROR_KIND_RATE_LIMITED, wait_s=3)
    fleet.report(ERROR_KIND_UNREACHABLE)

    def found() -> Route:
        cooldown = strictest(fleet.held.values(), fleet.now)
        assert cooldown is not None
        return cooldown.route

    assert found() == ROUTE
    fleet.pass_s(3)
    assert found() == MODEL
    fleet.pass_s(3600)
    assert fleet.acquire("trial_1", Route("openai/b", "cred_1"))
    assert found() == PROVIDER
