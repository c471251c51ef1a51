"""Explain where a request would go, from what is stored and what the views tell."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.catalog import model_store, provider_store
from trunkline.catalog.explanation import (
    describe_candidates,
    describe_steps,
    list_warnings,
    read_needs,
)
from trunkline.catalog.provider_types import ProviderTypes
from trunkline.catalog.refusals import chain_not_found
from trunkline.catalog.routes import DEFAULT_TARGET, chain_target
from trunkline.catalog.v1 import model_pb2, provider_pb2, route_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session
from trunkline.planning.balance import arrange
from trunkline.planning.candidates import Candidate, expand, find_route
from trunkline.planning.prices import PriceBook, compare_by
from trunkline.views.credentials import CredentialView
from trunkline.views.health import Cooldown, HealthView


@dataclass(frozen=True, slots=True)
class _Excerpt:
    """What the catalog has of one request's route, as its watchers know it.

    Attributes:
        routes: by target.
        providers: by name.
        models: by `provider/model`.
    """

    routes: Mapping[str, route_pb2.Route]
    providers: Mapping[str, provider_pb2.Provider] = field(default_factory=dict)
    models: Mapping[str, model_pb2.Model] = field(default_factory=dict)


class Explainer:
    """Explains routes.

    It reads what it needs of the store, in one transaction: what somebody just wrote is in
    the answer, and the work does not grow with the catalog.

    Args:
        database: of the catalog.
        types: of providers.
        credentials: the view of keys.
        health: the view of what cools; it is not waited for.
        clock: measures what remains.
    """

    def __init__(
        self,
        database: Database,
        types: ProviderTypes,
        credentials: CredentialView,
        health: HealthView,
        clock: Clock,
    ) -> None:
        self._database = database
        self._types = types
        self._credentials = credentials
        self._health = health
        self._clock = clock

    async def explain(
        self, request: route_pb2.ExplainRouteRequest, caller: Caller
    ) -> route_pb2.ExplainRouteResponse:
        """Return where a request would go and why.

        Args:
            request: without its content.
            caller: whose token counts.

        Raises:
            NotFound: CHAIN_NOT_FOUND.
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE: which keys there are is not
                known; a chat is refused then, too.
        """
        await self._credentials.follower.wait_ready()
        self._credentials.check_fresh()
        async with self._database.read() as session:
            route = await self._find_route(session, request)
            default = None
            if route is None or route.step == route_pb2.ROUTE_STEP_BUILT_IN:
                default = await model_store.find_default(session)
            excerpt = await _read_models(session, route)
        response = route_pb2.ExplainRouteResponse(
            steps=describe_steps(request, route, "" if default is None else default.name)
        )
        if route is None:
            return response
        needs = read_needs(request)
        # Latencies are inference's own: to the catalog all equals are alike.
        prices, now_ns = PriceBook(excerpt), self._clock.time_ns()

        def price(name: str) -> int | None:
            return compare_by(prices.of(name), now_ns)

        models = arrange(route.candidates, route.balance, random.random, lambda model: None, price)
        found = (
            each
            for model in models
            for each in expand(model, needs, caller, excerpt, self._credentials)
        )
        candidates = describe_candidates(found, route, self._find_cooldown, caller)
        response.candidates.extend(candidates)
        response.chosen = next((each.model for each in candidates if not each.skip_reason), "")
        response.warnings.extend(
            list_warnings(candidates, route, list(excerpt.providers.values()), self._types, price)
        )
        return response

    def _find_cooldown(self, candidate: Candidate) -> Cooldown | None:
        """Return how a candidate cools; None: it does not."""
        return self._health.find(
            candidate.name,
            candidate.credential.id,
            self._clock.monotonic(),
            has_own_address=candidate.has_own_address,
        )

    async def _find_route(
        self, session: Session, request: route_pb2.ExplainRouteRequest
    ) -> route_pb2.Route | None:
        """Return what a request comes to; None: it names nothing, and nothing is there.

        Raises:
            NotFound: CHAIN_NOT_FOUND.
        """
        routes = {}
        if not request.model:
            target = chain_target(request.chain) if request.chain else DEFAULT_TARGET
            published = await provider_store.find_route(session, target)
            if published is not None:
                routes[target] = route_pb2.Route.FromString(published)
            elif request.chain:
                raise chain_not_found(request.chain)
        return find_route(request.model, list(request.fallbacks), request.chain, _Excerpt(routes))


async def _read_models(session: Session, route: route_pb2.Route | None) -> _Excerpt:
    """Return the models of a route and their providers, those that are there."""
    if route is None:
        return _Excerpt({})
    names = [candidate.model for candidate in route.candidates]
    models = await model_store.find_published(session, names)
    providers = await provider_store.find_published(
        session, {name.partition("/")[0] for name in names}
    )
    return _Excerpt(
        {},
        {provider.name: provider for provider in providers},
        {model.name: model for model in models},
    )
