"""Where a request goes that names no model, or a chain."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.catalog.answers import Standing
from trunkline.catalog.provider_types import ProviderType
from trunkline.catalog.records import Glance, StoredChain, StoredProvider
from trunkline.catalog.v1 import chain_pb2, route_pb2

DEFAULT_TARGET: Final = "default"

# O24 for what is served; the others follow by name.
_FIRST_TYPES: Final = ("anthropic", "openai", "google", "ollama")

# Less than every int32.
_BEFORE_ALL: Final = -(2**31) - 1


@dataclass(frozen=True, slots=True)
class Connected:
    """A provider with what decides about its place in the default route.

    Attributes:
        stored: its record.
        kind: its type.
        standing: of its central credential.
    """

    stored: StoredProvider
    kind: ProviderType
    standing: Standing


def plan_default(
    providers: Sequence[Connected], default_model: str, glances: Mapping[str, Glance]
) -> route_pb2.Route | None:
    """Return the route of a request that names no model; None: there is nothing to ask.

    Args:
        providers: all of them, in any order.
        default_model: the deployment's, as `provider/model`; empty: none is set.
        glances: the models that `list_defaults` names, those that exist, and the
            deployment's default.
    """
    glance = glances.get(default_model)
    enabled = {entry.stored.name for entry in providers if entry.stored.enabled}
    if glance is not None and glance.enabled and default_model.partition("/")[0] in enabled:
        return _route(default_model, route_pb2.ROUTE_STEP_DEFAULT)
    for entry in sorted(providers, key=_place):
        usable = entry.stored.enabled and entry.standing is Standing.VERIFIED
        if not usable or not entry.kind.default_route:
            continue
        for name in _choose(entry, glances):
            return _route(name, route_pb2.ROUTE_STEP_BUILT_IN)
    return None


def plan_chain(chain: StoredChain) -> route_pb2.Route:
    """Return the route of a chain, with a rank and a weight for every candidate.

    Ranks are counted from 1 without gaps, and candidates stand in their order: who reads
    it needs no rule for what was left out.
    """
    places = [_chain_place(chain, index) for index in range(len(chain.candidates))]
    ranks = {place: rank for rank, place in enumerate(sorted(set(places)), 1)}
    ordered = sorted(zip(places, chain.candidates, strict=True), key=lambda entry: entry[0])
    return route_pb2.Route(
        target=chain_target(chain.name),
        candidates=[
            chain_pb2.Candidate(
                model=candidate.model, rank=ranks[place], weight=candidate.weight or 1
            )
            for place, candidate in ordered
        ],
        balance=chain.balance or chain_pb2.BALANCE_ORDER,
        fall_back_on_credential_failure=chain.fall_back_on_credential_failure,
    )


def chain_target(name: str) -> str:
    """Return what a chain's route is told under."""
    return f"chain/{name}"


def list_defaults(entry: Connected) -> list[str]:
    """Return a provider's default models by preference, as `provider/model`.

    The first is its own, when it has one; those of its type follow.
    """
    own = entry.stored.default_model
    ids = ([own] if own else []) + [name for name in entry.kind.default_models if name != own]
    return [f"{entry.stored.name}/{model}" for model in ids]


def _choose(entry: Connected, glances: Mapping[str, Glance]) -> Iterator[str]:
    """Yield the default models of a provider that can be asked.

    An own default is somebody's word. One of the type is a guess of the release, and a
    list that was read and lacks it refutes it (decision 12).
    """
    own = f"{entry.stored.name}/{entry.stored.default_model}"
    for name in list_defaults(entry):
        glance = glances.get(name)
        if glance is None or not glance.enabled:
            continue
        if name == own or glance.listed or entry.stored.refresh_time_ns is None:
            yield name


def _place(entry: Connected) -> tuple[int, str]:
    """Return where a provider stands in the built-in order."""
    kind = entry.stored.type
    first = _FIRST_TYPES.index(kind) if kind in _FIRST_TYPES else len(_FIRST_TYPES)
    return first, entry.stored.name


def _chain_place(chain: StoredChain, index: int) -> tuple[int, int]:
    """Return where a candidate of a chain stands; equals have the same place.

    One without a rank stands behind the one before it, alone, and at the beginning before
    all: its index sets it apart from every other.
    """
    for before in range(index, -1, -1):
        if chain.candidates[before].HasField("rank"):
            return chain.candidates[before].rank, 0 if before == index else index
    return _BEFORE_ALL, index


def _route(model: str, step: route_pb2.RouteStep.ValueType) -> route_pb2.Route:
    return route_pb2.Route(
        target=DEFAULT_TARGET, candidates=[chain_pb2.Candidate(model=model)], step=step
    )


def candidates_of(providers: Iterable[Connected], default_model: str) -> set[str]:
    """Return the names of all models that `plan_default` needs a glance of."""
    names = {name for entry in providers for name in list_defaults(entry)}
    return names | {default_model} if default_model else names
