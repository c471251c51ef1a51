"""What holds of cooldowns in any order of what happens."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from trunkline.health.cooldown import (
    FACTORS,
    LONGEST_NS,
    SECOND_NS,
    Cooldown,
    end_given_waits,
    weigh_probe,
)
from trunkline.health.route import RULES, Route
from trunkline.inference.v1 import failure_pb2
from trunkline.inference.v1.failure_pb2 import (
    ERROR_KIND_UNREACHABLE,
    ERROR_KIND_UNSPECIFIED,
)
from unit.health.cooldown_fleet import KEY, ROUTE, Fleet

kinds = st.sampled_from(failure_pb2.ErrorKind.values())
ages_s = st.floats(0, 20)


class Reports(RuleBasedStateMachine):
    """Any order of reports, trials, probes and pauses."""

    def __init__(self) -> None:
        super().__init__()
        self.fleet = Fleet()
        self.before: dict[Route, Cooldown] = {}
        self.trials = 0

    @rule(
        kind=kinds,
        age_s=ages_s,
        wait_s=st.one_of(st.just(0.0), st.floats(0, 30)),
        factor=st.floats(*FACTORS),
        route=st.sampled_from([ROUTE, Route("openai/a", "cred_2"), Route("openai/b", "cred_1")]),
        will_retry=st.booleans(),
        has_trial=st.booleans(),
        speaks_for_others=st.booleans(),
    )
    def report(self, kind: int, age_s: float, has_trial: bool, **more: Any) -> None:
        """An attempt ended; it may close only what it was begun in the half-open of."""
        before = dict(self.fleet.held)
        trial_id = f"trial_{self.trials}" if has_trial else ""
        changes = self.fleet.report(kind, age_s=age_s, trial_id=trial_id, **more)
        began_ns = self.fleet.now - int(age_s * SECOND_NS)
        for route, after in changes.items():
            known = before.get(route)
            if after is None:
                assert known is not None
                assert kind == ERROR_KIND_UNSPECIFIED
                assert began_ns >= known.deadline_ns
            elif known is not None and after.generation != known.generation:
                assert began_ns >= known.deadline_ns
            if (
                after is not None
                and not more["speaks_for_others"]
                and after.failures != (known.failures if known is not None else 0)
            ):
                assert route.credential_id

    @rule(seconds=st.floats(0, 15))
    def wait(self, seconds: float) -> None:
        """Time passed."""
        self.fleet.pass_s(seconds)

    @rule(route=st.sampled_from([ROUTE, Route("openai/a", "cred_2")]))
    def acquire(self, route: Route) -> None:
        """Somebody asked for a trial: granted when nothing that applies is open or on trial."""
        now = self.fleet.now
        held = self.fleet.held
        applying = [held[each] for each in route.applying() if each in held]
        free = bool(applying) and not any(
            each.remaining_ns(now) or each.trial_remaining_ns(now) for each in applying
        )
        self.trials += free
        assert self.fleet.acquire(f"trial_{self.trials}", route) is free

    @rule()
    def end_given_waits(self) -> None:
        """It was looked where a provider's wait was over: only there our guess goes on."""
        now = self.fleet.now
        for route, after in self.fleet.take(end_given_waits(self.fleet.held, now)).items():
            assert after is not None
            assert 0 < self.before[route].given_until_ns <= now < after.deadline_ns
            self.before[route] = after

    @rule(age_s=ages_s)
    def probe(self, age_s: float) -> None:
        """A list was answered."""
        began_ns = self.fleet.now - int(age_s * SECOND_NS)
        for route in self.fleet.take(weigh_probe(self.fleet.held, KEY, began_ns, self.fleet.now)):
            assert self.before[route].kind == ERROR_KIND_UNREACHABLE
            assert self.before[route].deadline_ns <= began_ns

    @invariant()
    def deadlines_never_shrink(self) -> None:
        """Generations only grow; within one neither deadline nor a provider's word goes back."""
        for route, after in self.fleet.held.items():
            before = self.before.get(route)
            assert after.remaining_ns(self.fleet.now) <= LONGEST_NS
            if before is None:
                continue
            assert after.given_until_ns <= after.deadline_ns
            assert after.generation >= before.generation
            assert after.deadline_ns >= before.deadline_ns
            if after.generation == before.generation:
                assert after.failures == before.failures
                assert after.given_until_ns >= before.given_until_ns
        self.before = dict(self.fleet.held)


TestReports = Reports.TestCase


@given(kind=kinds, factor=st.floats(*FACTORS), failures=st.integers(1, 8))
def test_a_guess_is_four_fifths_of_its_step_at_least(
    kind: int, factor: float, failures: int
) -> None:
    """And never more than the step."""
    rule = RULES.get(failure_pb2.ErrorKind.ValueType(kind))
    if rule is None:
        return
    fleet = Fleet()
    for _ in range(failures):
        fleet.report(kind, factor=factor)
        (route,) = fleet.held
        wait_s = fleet.remaining_s(route)
        fleet.now = fleet.held[route].deadline_ns
    step_s = rule.waits_s[min(failures, len(rule.waits_s)) - 1]
    assert 0.8 * step_s - 1e-6 <= wait_s <= step_s
