"""What cools in a fleet, whose clock a test turns."""

from __future__ import annotations

from typing import Any

from trunkline.health.cooldown import (
    SECOND_NS,
    Changes,
    Cooldown,
    Evidence,
    lease_trial,
    weigh,
)
from trunkline.health.route import Route
from trunkline.inference.v1 import failure_pb2

NOW = 1_800_000_000 * SECOND_NS
ROUTE = Route("openai/a", "cred_1")
MODEL = Route("openai/a", "")
KEY = Route("openai/*", "cred_1")
PROVIDER = Route("openai/*", "")


class Fleet:
    """What cools, with the time turned by hand.

    Attributes:
        now: nanoseconds since 1970.
        held: what cools.
    """

    def __init__(self) -> None:
        self.now = NOW
        self.held: dict[Route, Cooldown] = {}
        self._generation = 0

    def pass_s(self, seconds: float) -> None:
        """Let time pass."""
        self.now += int(seconds * SECOND_NS)

    def report(
        self,
        kind: int,
        *,
        age_s: float = 0.0,
        wait_s: float = 0.0,
        factor: float = 1.0,
        **more: Any,
    ) -> Changes:
        """Take an outcome in; return what it changed."""
        self._generation += 1
        evidence = Evidence(
            more.pop("route", ROUTE),
            failure_pb2.ErrorKind.ValueType(kind),
            self.now - int(age_s * SECOND_NS),
            int(wait_s * SECOND_NS),
            **more,
        )
        return self.take(
            weigh(self.held, evidence, self.now, factor=factor, generation=self._generation)
        )

    def acquire(self, trial_id: str = "trial_1", route: Route = ROUTE) -> bool:
        """Ask for a trial of 30 seconds; tell whether it is granted."""
        changes, _ = lease_trial(self.held, route, trial_id, 30 * SECOND_NS, self.now)
        self.take(changes)
        return bool(changes)

    def take(self, changes: Changes) -> Changes:
        """Make changes."""
        then = self.held | changes
        self.held = {route: each for route, each in then.items() if each is not None}
        return changes

    def remaining_s(self, route: Route) -> float:
        """Return how long a route that cools is not asked."""
        return self.held[route].remaining_ns(self.now) / SECOND_NS
