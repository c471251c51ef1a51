"""What outcomes, trials, probes and news of keys make of the routes that cool.

What changes a cooldown is written before it is answered. What changes nothing, as far as
is known here, costs no transaction: all that fails while a route cools already, and all
that succeeds while nothing does. What that misses of a change that another process has
just made is of a moment, and the next outcome makes up for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from trunkline.health.cooldown import (
    FACTORS,
    SECOND_NS,
    Changes,
    Cooldown,
    Evidence,
    end_given_waits,
    lease_trial,
    weigh,
    weigh_probe,
)
from trunkline.health.cooldown_message import describe, describe_closed, describe_none, route_of
from trunkline.health.cooldown_register import CooldownRegister
from trunkline.health.route import Route, all_models_of
from trunkline.health.standing import Standing
from trunkline.health.state import Finding
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.kernel.database import STORE_FAILURES, StoreUnavailable
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.health")

TRIAL_NS: Final = 30_000_000_000
# Two clocks drift apart by less than a tenth of a millisecond a second.
_SYNC_EVERY_S: Final = 30.0
_RETRY_S: Final = 1.0


class Cooldowns:
    """The routes that cool.

    Args:
        register: keeps them.
        catalog: the view of providers.
        credentials: the view of keys.
    """

    def __init__(
        self, register: CooldownRegister, catalog: CatalogView, credentials: CredentialView
    ) -> None:
        self._register = register
        self._standing = Standing(catalog, credentials)
        self._wanted = asyncio.Event()
        register.on_hear(self._wanted.set)
        catalog.on_change(self._wanted.set)
        credentials.on_change(self._wanted.set)

    def of_provider(self, provider: str) -> list[health_pb2.Cooldown]:
        """Return a provider's cooldowns, by route."""
        held, now_ns = self._register.held, self._register.time_ns()
        routes = sorted(route for route in held if route.provider == provider)
        return [describe(held[route], now_ns) for route in routes]

    def is_personal(self, cooldown: health_pb2.Cooldown) -> bool:
        """Tell whether a cooldown is one of somebody's own key."""
        return self._standing.is_personal(cooldown.route.credential_id)

    async def note(
        self, outcomes: Sequence[health_service_pb2.Outcome]
    ) -> list[health_pb2.Cooldown]:
        """Note what attempts came to; return the cooldowns of their routes, closed ones too.

        Args:
            outcomes: in the order in which they ended.

        Raises:
            StoreUnavailable: how a trial went cannot be kept now.
        """
        register = self._register
        if not register.held and not any(each.kind or each.trial_id for each in outcomes):
            return []

        def decide(held: Mapping[Route, Cooldown], now_ns: int, generation: int) -> Changes:
            return self._weigh(outcomes, held, now_ns, generation)

        closed: list[Cooldown] = []
        routes = {route for each in outcomes for route in self._applying(route_of(each.route))}
        known = {route: register.held[route] for route in routes & register.held.keys()}
        has_trial = any(outcome.trial_id for outcome in outcomes)
        if has_trial or decide(known, register.time_ns(), 0):
            try:
                closed = await register.change({route.model for route in routes}, decide)
            except STORE_FAILURES as error:
                log.error("cooldowns_not_written", error=type(error).__name__)
                # Who reports has a rule of its own for when nothing is known here; of a
                # trial others wait for how it went.
                if has_trial:
                    raise StoreUnavailable("health") from error
        held, now_ns = register.held, register.time_ns()
        if any(held[route].outlasts_given_wait for route in routes & held.keys()):
            self._wanted.set()
        cooling = [describe(held[route], now_ns) for route in sorted(routes & held.keys())]
        return [*cooling, *map(describe_closed, closed)]

    async def note_probe(self, finding: Finding) -> None:
        """Note what a probe found that has just ended."""
        if finding.answer.status == health_pb2.ENDPOINT_STATUS_UNREACHABLE:
            return
        asked = Route(all_models_of(finding.provider), finding.credential_id)
        has_own_address = self._standing.has_own_address(finding.credential_id)
        latency_ns = finding.latency.ToNanoseconds() if finding.latency is not None else 0

        def decide(held: Mapping[Route, Cooldown], now_ns: int, generation: int) -> Changes:
            del generation
            return weigh_probe(
                held, asked, now_ns - latency_ns, now_ns, has_own_address=has_own_address
            )

        if decide(self._register.held, self._register.time_ns(), 0):
            try:
                await self._register.change({asked.model}, decide)
            except STORE_FAILURES as error:
                # The next probe or trial shows it, too.
                log.error("cooldowns_not_written", error=type(error).__name__)

    async def acquire(self, route: Route, ttl_ns: int) -> tuple[str, health_pb2.Cooldown]:
        """Lease the half-open of a route to a trial.

        Args:
            route: to be asked.
            ttl_ns: how long the trial may take.

        Returns:
            Its id, empty when it was not granted, and how the route stands.

        Raises:
            StoreUnavailable: it cannot be known.
        """
        trial_id, granted = new_id("trial"), ""
        described = describe_none(route)
        has_own_address = self._standing.has_own_address(route.credential_id)

        def decide(held: Mapping[Route, Cooldown], now_ns: int, generation: int) -> Changes:
            nonlocal described, granted
            del generation
            leased, standing = lease_trial(
                held, route, trial_id, ttl_ns, now_ns, has_own_address=has_own_address
            )
            granted = trial_id if leased else ""
            if standing is not None:
                described = describe(standing, now_ns)
            return leased

        await self._register.change({each.model for each in self._applying(route)}, decide)
        return granted, described

    async def run(self) -> None:
        """Take over what other processes wrote, and end what is over, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._register.hear())
            tasks.create_task(self._keep())

    async def _keep(self) -> None:
        """Follow other processes and the views, until cancelled."""
        while True:
            try:
                await self._register.sync()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self._pause_s()):
                        await self._wanted.wait()
                self._wanted.clear()
                await self._register.take_over_heard()
                await self._end_over()
                await self._end_given_waits()
            except STORE_FAILURES as error:
                log.error("cooldowns_not_written", error=type(error).__name__)
                self._wanted.set()
                await asyncio.sleep(_RETRY_S)

    def _pause_s(self) -> float:
        """Return how long nothing is due: a provider's wait may end before our guess does."""
        now_ns = self._register.time_ns()
        ends = (
            each.given_until_ns - now_ns
            for each in self._register.held.values()
            if each.outlasts_given_wait and each.remaining_ns(now_ns)
        )
        return min([_SYNC_EVERY_S, *(max(0, end) / SECOND_NS for end in ends)])

    async def _end_given_waits(self) -> None:
        """Tell of routes whose provider's wait is over that our own guess goes on."""

        def decide(held: Mapping[Route, Cooldown], now_ns: int, generation: int) -> Changes:
            del generation
            return end_given_waits(held, now_ns)

        changes = decide(self._register.held, self._register.time_ns(), 0)
        if changes:
            await self._register.change({route.model for route in changes}, decide)

    async def _end_over(self) -> None:
        """End what the views speak against: a key was replaced or proven, a list read again."""
        over = {
            route: each.generation
            for route, each in self._register.held.items()
            if self._is_over(each)
        }

        def decide(held: Mapping[Route, Cooldown], now_ns: int, generation: int) -> Changes:
            del now_ns, generation
            # What has begun anew since then the views need not speak against.
            known = (each for each in held.values() if over.get(each.route) == each.generation)
            return {each.route: None for each in known}

        if over:
            await self._register.change({route.model for route in over}, decide)

    def _is_over(self, cooldown: Cooldown) -> bool:
        """Tell whether the views speak against a cooldown."""
        route, standing = cooldown.route, self._standing
        now_ns = self._register.time_ns()
        return standing.is_gone(route) or cooldown.is_over(standing.witness(route), now_ns)

    def _applying(self, route: Route) -> tuple[Route, ...]:
        """Return what may cool that a route is part of."""
        has_own_address = self._standing.has_own_address(route.credential_id)
        return route.applying(has_own_address=has_own_address)

    def _weigh(
        self,
        outcomes: Iterable[health_service_pb2.Outcome],
        held: Mapping[Route, Cooldown],
        now_ns: int,
        generation: int,
    ) -> Changes:
        """Return what outcomes change, one after the other."""
        then, touched = dict(held), set[Route]()
        for outcome in outcomes:
            evidence = self._read(outcome, now_ns)
            # What is said of a key or a provider that is gone says nothing.
            if self._standing.is_gone(evidence.route):
                continue
            factor = random.uniform(*FACTORS)  # noqa: S311 - no secret
            changes = weigh(then, evidence, now_ns, factor=factor, generation=generation)
            touched |= changes.keys()
            for route, cooldown in changes.items():
                if cooldown is None:
                    del then[route]
                else:
                    then[route] = cooldown
        return {route: then.get(route) for route in touched if then.get(route) != held.get(route)}

    def _read(self, outcome: health_service_pb2.Outcome, now_ns: int) -> Evidence:
        """Return what an outcome says, by the clock of all replicas."""
        route = route_of(outcome.route)
        return Evidence(
            route,
            outcome.kind,
            now_ns - max(0, outcome.start_age.ToNanoseconds()),
            max(0, outcome.retry_after.ToNanoseconds()),
            outcome.trial_id,
            outcome.will_retry,
            self._standing.speaks_for_others(route.credential_id),
            self._standing.has_own_address(route.credential_id),
            self._standing.witness(route),
        )
