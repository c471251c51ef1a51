"""Tell where a request would go, and why: in sentences, by what inference itself plans by.

Pure: nothing is read, and nobody is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Final, TypeAlias

from trunkline.catalog.provider_types import ProviderTypes
from trunkline.catalog.v1 import chain_pb2, provider_pb2, route_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.call import Caller
from trunkline.planning.balance import Price
from trunkline.planning.candidates import Candidate
from trunkline.planning.needs import DeclaredNeeds
from trunkline.views.health import HALF_OPEN, OPEN, Cooldown

# The strictest cooldown that applies to a candidate, if there is any.
FindCooldown: TypeAlias = Callable[[Candidate], Cooldown | None]

_NEED_FIELDS: Final = {
    route_pb2.NEED_VISION: "vision",
    route_pb2.NEED_DOCUMENTS: "documents",
    route_pb2.NEED_TOOLS: "tools",
    route_pb2.NEED_STRUCTURED_OUTPUT: "structured_output",
    route_pb2.NEED_THINKING: "thinking",
}
_DESPITE_COOLING: Final = frozenset(
    {failure_pb2.SKIP_REASON_UNSPECIFIED, failure_pb2.SKIP_REASON_COOLING}
)


def read_needs(request: route_pb2.ExplainRouteRequest) -> DeclaredNeeds:
    """Return what a request declares that it needs."""
    named = {_NEED_FIELDS[need]: True for need in request.needs}
    return DeclaredNeeds(**named, least_tokens=request.input_tokens)


def describe_steps(
    request: route_pb2.ExplainRouteRequest, route: route_pb2.Route | None, default: str
) -> list[route_pb2.ExplainedStep]:
    """Return every step of the order, with what it names or why it names nothing.

    Args:
        request: that is explained.
        route: what it comes to; None: nothing.
        default: the deployment's default model; empty: none, or it does not matter.
    """
    is_named = bool(request.model or request.chain)
    step = route.step if route is not None else route_pb2.ROUTE_STEP_UNSPECIFIED
    chosen = route_pb2.ROUTE_STEP_REQUEST if is_named else step
    first = route.candidates[0].model if route is not None else ""
    if request.chain and route is not None:
        named = f"It names the chain {request.chain}, of {_count(len(route.candidates), 'model')}."
    elif request.model and route is not None:
        named = f"It names {_count(len(route.candidates), 'model')}."
    else:
        named = "It names neither a model nor a chain."
    passed_over = "It is not looked at: an earlier step names something."
    if is_named:
        by_default = built_in = passed_over
    elif chosen == route_pb2.ROUTE_STEP_DEFAULT:
        by_default, built_in = f"It is {first}.", passed_over
    else:
        by_default = (
            f"It is {default}, which is off, or whose provider is."
            if default
            else "No model is the deployment's default."
        )
        built_in = (
            f"{first} is the first default model of a connected provider."
            if first
            else "No connected provider has a default model that is on."
        )
    details = {
        route_pb2.ROUTE_STEP_REQUEST: named,
        route_pb2.ROUTE_STEP_DEFAULT: by_default,
        route_pb2.ROUTE_STEP_BUILT_IN: built_in,
    }
    return [
        route_pb2.ExplainedStep(step=each, chosen=each == chosen, detail=detail)
        for each, detail in details.items()
    ]


def describe_candidates(
    found: Iterable[Candidate | failure_pb2.SkippedCandidate],
    route: route_pb2.Route,
    find_cooldown: FindCooldown,
    caller: Caller,
) -> list[route_pb2.ExplainedCandidate]:
    """Return candidates in the order in which they would be asked.

    One that cools by our own guess, or that somebody else tries, goes to the end; one whose
    provider gave a wait is skipped in its place.

    Args:
        found: in the order of the route, equals as one draw had them.
        route: what they come from.
        find_cooldown: of a candidate.
        caller: only an ADMIN is told the ids of keys.
    """
    on_time: list[route_pb2.ExplainedCandidate] = []
    last: list[route_pb2.ExplainedCandidate] = []
    for candidate in found:
        if isinstance(candidate, failure_pb2.SkippedCandidate):
            on_time.append(
                route_pb2.ExplainedCandidate(
                    model=candidate.model, skip_reason=candidate.reason, detail=candidate.detail
                )
            )
            continue
        explained = route_pb2.ExplainedCandidate(
            model=candidate.name, credential_scope=candidate.scope
        )
        if caller.is_admin and candidate.scope:
            explained.credential_id = candidate.credential.id
        cooldown = find_cooldown(candidate)
        is_late = False
        if cooldown is not None:
            explained.detail = _describe_cooldown(cooldown)
            if cooldown.is_forbidden:
                explained.skip_reason = failure_pb2.SKIP_REASON_COOLING
            else:
                is_late = cooldown.state == OPEN or cooldown.trial_remaining_s > 0
        (last if is_late else on_time).append(explained)
    ordered = on_time + last
    _tell_places(ordered, route)
    return ordered


def list_warnings(
    candidates: Sequence[route_pb2.ExplainedCandidate],
    route: route_pb2.Route,
    providers: Sequence[provider_pb2.Provider],
    types: ProviderTypes,
    price: Price,
) -> list[str]:
    """Return what is to be minded about a route (K22, decision 15).

    Args:
        candidates: as they are described.
        route: what they come from.
        providers: of the models, as far as they are there.
        types: of providers.
        price: of a model.
    """
    warnings = []
    usable = [each for each in candidates if each.skip_reason in _DESPITE_COOLING]
    vendors = {provider.name: _vendor(provider, types) for provider in providers}
    asked = {vendors[each.model.partition("/")[0]] for each in usable}
    if not usable:
        warnings.append("Nobody can be asked.")
    elif len(usable) == 1:
        warnings.append(
            f"Only {usable[0].model} can be asked: when it fails, nothing takes its place."
            " Two candidates are needed for that, best of different vendors."
        )
    elif len(asked) == 1:
        warnings.append(
            f"All that can be asked is of one vendor, {asked.pop()}: when that fails as a"
            " whole, nothing takes its place."
        )
    if max(Counter(each.rank for each in route.candidates).values(), default=0) > 1:
        match route.balance:
            case chain_pb2.BALANCE_LATENCY:
                warnings.append(
                    "Equals go by their time to the first token, which each process of the"
                    " inference service measures: they are shown as they stand."
                )
            case chain_pb2.BALANCE_PRICE:
                ranks = Counter(each.rank for each in route.candidates)
                warnings += (
                    f"The price of {each.model} is not known: it stands after its equals."
                    for each in route.candidates
                    if ranks[each.rank] > 1 and price(each.model) is None
                )
            case _:
                pass
    return warnings


def _tell_places(ordered: Sequence[route_pb2.ExplainedCandidate], route: route_pb2.Route) -> None:
    """Tell of those who are asked why they stand where they do."""
    ranks = {each.model: each.rank for each in route.candidates}
    weights: Counter[int] = Counter()
    for each in route.candidates:
        weights[each.rank] += each.weight
    sizes = Counter(ranks.values())
    weight_of = {each.model: each.weight for each in route.candidates}
    is_first = True
    for explained in ordered:
        if explained.skip_reason:
            continue
        sentences = ["It is asked first."] if is_first else ["It is asked when those before fail."]
        is_first = False
        rank = ranks[explained.model]
        if sizes[rank] > 1:
            share = ""
            if route.balance == chain_pb2.BALANCE_WEIGHT:
                share = f", with {weight_of[explained.model]} of {weights[rank]} shares"
            sentences.append(f"It is one of {sizes[rank]} equals{share}.")
        explained.detail = " ".join(filter(None, (*sentences, explained.detail)))


def _describe_cooldown(cooldown: Cooldown) -> str:
    """Return in one sentence how a route cools, with the figures."""
    kind = failure_pb2.ErrorKind.Name(cooldown.kind).removeprefix("ERROR_KIND_")
    why = f"{kind.lower().replace('_', ' ')}, {_count(cooldown.failures, 'failure')} in a row"
    if cooldown.state == HALF_OPEN:
        trial = (
            "one chat tries it now, others ask it last"
            if cooldown.trial_remaining_s
            else "the next chat tries it"
        )
        return f"It has cooled after {why}: {trial}."
    whose = "as its provider asked" if cooldown.provider_given else "by our own guess"
    return f"It cools for {cooldown.remaining_s:.1f} s more, {whose}: {why}."


def _vendor(provider: provider_pb2.Provider, types: ProviderTypes) -> str:
    """Return who stands behind a provider: its type, else its address.

    A type that has no address of its own says only which language is spoken there, and one
    on this machine is as far from the next machine as from any other.
    """
    kind = types.of_stored(provider.type)
    is_local = provider_pb2.AUTH_KIND_LOCAL_ENDPOINT in kind.auth_kinds
    return kind.display_name if kind.base_url and not is_local else provider.endpoint.base_url


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
