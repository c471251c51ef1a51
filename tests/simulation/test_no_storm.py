"""No storm: what replicas ask of a provider that is down, and how soon it has its work back.

Everything that decides is the real code: plan, selection, failure table, retry budget,
cooldown, trials and the reports of outcomes. Time is virtual. `make test` has few requests
from ten replicas, `make test-full` fifty replicas with up to 5,000 requests a second.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Final

import pytest

from simulation.fleet import Scenario, simulate
from simulation.provider import Outage, Trouble
from simulation.record import Record, total
from simulation.site import FIRST
from support import matrix

MOST: Final = 1.1
RECOVERY_S: Final = 30.0
WINDOW_S: Final = 10.0
# Before a failure is known to all.
FLUSTER_S: Final = 2.0

BEGIN_S: Final = 5.0
DOWN_S: Final = 120.0
# After the outage requests come for so long.
AFTER_S: Final = 35.0
FIRST_TOKEN_S: Final = 10.0
IDLE_S: Final = 30.0
# A provider that limits asks for that.
WAIT_S: Final = 20.0

pytestmark = pytest.mark.timeout(900)


def scenario(
    trouble: Trouble = Trouble.REFUSES, *, down_s: float = DOWN_S, whole_per_s: float = 500.0
) -> Scenario:
    """Return an outage of the first provider.

    Args:
        trouble: what it is like.
        down_s: how long it lasts.
        whole_per_s: requests a second when the matrix runs whole.
    """
    outage = Outage(BEGIN_S, BEGIN_S + down_s, trouble, WAIT_S)
    replicas, per_s = (50, whole_per_s) if matrix.is_full() else (10, 30.0)
    return Scenario(replicas, per_s, outage.end_s + AFTER_S, outage)


class Story:
    """What came of a scenario.

    Args:
        scenario: to be lived through.
    """

    def __init__(self, scenario: Scenario) -> None:
        self.replicas = scenario.replicas
        self.end_s = scenario.outage.end_s
        self.last_s = scenario.end_s
        self.record: Record = simulate(scenario)
        matrix.ran("storms")

    @property
    def overall(self) -> float:
        """Return the attempts per request of all that happened."""
        return self.record.ratio(0.0, self.last_s + WINDOW_S)

    @property
    def failed(self) -> int:
        """Return how many requests came to nothing."""
        return total(self.record.failed, 0.0, self.last_s)

    @property
    def recovery_s(self) -> float:
        """Return how long after the outage the first provider had nearly all requests again."""
        settled = self.record.settled_s(FIRST, self.end_s, self.last_s)
        assert settled is not None
        return settled - self.end_s

    @property
    def closed_s(self) -> float:
        """Return when the first provider ceased to cool after the outage."""
        closed = self.record.closed_s(FIRST, self.end_s)
        assert closed is not None
        return closed

    @property
    def longest_wait_s(self) -> float:
        """Return the longest wait for an error of requests that came in the outage."""
        return self.record.longest_wait_s(BEGIN_S, self.end_s)

    def worst(self, begin_s: float = BEGIN_S + FLUSTER_S) -> float:
        """Return the most attempts per request of any ten seconds from a time on."""
        return self.record.worst_ratio(begin_s, self.last_s, WINDOW_S)


def test_with_a_fallback_a_provider_that_is_down_is_hardly_asked() -> None:
    """Everybody is answered; while it cools one trial asks it, and then it has all its work."""
    story = Story(scenario(whole_per_s=5_000.0))
    record = story.record
    assert story.overall <= MOST
    assert story.worst() <= MOST
    assert not story.failed
    assert story.recovery_s <= RECOVERY_S
    calm_s = BEGIN_S + FLUSTER_S
    assert record.peak(FIRST, calm_s, story.closed_s) <= story.replicas
    # One after the other: the trials, each of them granted by health.
    trials = sum(calm_s <= at for at, _ in record.trials)
    assert record.asked(FIRST, calm_s, story.closed_s) <= trials + 1
    # For all chats of a process that find it half-open, one asks for leave.
    assert sum(record.trial_asks.values()) <= story.replicas * len(record.trials)


def test_alone_a_provider_that_is_down_is_asked_within_the_budget() -> None:
    """Callers have their errors at once, and their answers when it is back."""
    story = Story(replace(scenario(whole_per_s=5_000.0), has_fallback=False))
    record = story.record
    assert story.overall <= MOST
    assert story.worst() <= MOST
    # A tenth of the requests, and what each process had saved; asks before it cooled are free.
    requests = total(record.requests, BEGIN_S, story.end_s)
    free = total(record.requests, BEGIN_S, BEGIN_S + FLUSTER_S)
    assert record.attempts(BEGIN_S, story.end_s) <= requests / 10 + 10 * story.replicas + free
    assert story.longest_wait_s <= 2.0
    assert story.recovery_s <= RECOVERY_S


def test_a_provider_that_falls_silent_is_not_asked_by_all_again_and_again() -> None:
    """Silence shows by the limit of ten seconds; from then on only trials wait for it."""
    story = Story(scenario(Trouble.SILENT))
    assert story.overall <= MOST
    # All who asked in the first ten seconds ask a second one, and those whose answers
    # stopped in the middle after thirty; nobody does later.
    assert story.worst(BEGIN_S + IDLE_S + FLUSTER_S) <= MOST
    known_s = BEGIN_S + FIRST_TOKEN_S + 2 * FLUSTER_S
    assert story.record.peak(FIRST, known_s, story.closed_s) == 1
    # The end of a trial that another one overtook is told by nobody, and waited for not long.
    trials = [at for at, _ in story.record.trials]
    assert max(later - earlier for earlier, later in pairwise(trials)) <= RECOVERY_S
    assert not story.failed
    assert story.recovery_s <= RECOVERY_S


@pytest.mark.parametrize("has_fallback", [True, False], ids=["fallback", "alone"])
def test_nobody_asks_before_the_time_that_a_provider_gave(has_fallback: bool) -> None:
    """Also where nobody else is left: those callers have their errors at once."""
    story = Story(replace(scenario(Trouble.LIMITS), has_fallback=has_fallback))
    assert story.overall <= MOST
    assert story.worst() <= MOST
    known = story.record.given_waits(FIRST)
    assert len(known) >= DOWN_S // WAIT_S - 1
    for at in known:
        # A moment later it has come to everybody.
        assert story.record.asked(FIRST, at + 0.5, at + WAIT_S - 0.1) == 0
    assert story.longest_wait_s <= 2.0
    assert story.recovery_s <= RECOVERY_S


def test_health_may_go_away_in_the_outage() -> None:
    """What it told holds, each replica tries by its own leave, and health catches up."""
    story = Story(
        replace(
            scenario(down_s=60.0), health_leaves_s=BEGIN_S + 10.0, health_returns_s=BEGIN_S + 40.0
        )
    )
    assert story.overall <= MOST
    assert story.worst() <= MOST
    assert not story.failed
    assert story.recovery_s <= RECOVERY_S


@pytest.mark.parametrize("has_fallback", [True, False], ids=["fallback", "alone"])
def test_without_health_each_replica_goes_by_its_own_rule(has_fallback: bool) -> None:
    """It learns of outage and recovery alone, later than all would together."""
    what = replace(scenario(down_s=40.0), has_fallback=has_fallback, health_leaves_s=0.5)
    story = Story(what)
    assert not story.record.changes
    assert story.overall <= MOST
    assert story.worst() <= MOST
    assert bool(story.failed) is not has_fallback
    assert story.recovery_s <= RECOVERY_S
