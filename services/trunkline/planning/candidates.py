"""The models that a request may ask, with the keys they may be asked with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import msgspec

from trunkline.catalog.v1 import chain_pb2, model_pb2, route_pb2
from trunkline.catalog.v1 import provider_pb2 as catalog_provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.address import parse_base_url
from trunkline.kernel.call import Caller
from trunkline.kernel.reach import Reach, classify_host
from trunkline.planning.needs import Needs
from trunkline.planning.preflight import find_obstacle
from trunkline.views.credentials import CredentialView

DEFAULT_TARGET = "default"


class Catalog(Protocol):
    """What there is: the view of the catalog, or the part of it that a request names."""

    @property
    def providers(self) -> Mapping[str, catalog_provider_pb2.Provider]:
        """By name; their types' values are filled in."""

    @property
    def models(self) -> Mapping[str, model_pb2.Model]:
        """By `provider/model`."""

    @property
    def routes(self) -> Mapping[str, route_pb2.Route]:
        """By target."""


@dataclass(frozen=True, slots=True)
class Place:
    """An address as it is asked.

    Attributes:
        url: without trailing slash.
        origin: scheme, host and port.
        is_local: it lies on this machine or in a private network.
    """

    url: str
    origin: str
    is_local: bool


class Candidate(msgspec.Struct, frozen=True):
    """One model that may be asked, with one key.

    Attributes:
        name: `provider/model`.
        provider: as the catalog has it, its type's values filled in.
        model: as the catalog has it.
        credential: whose key is used, without the key.
        place: where it is asked: the credential's own address, else the provider's.
    """

    name: str
    provider: catalog_provider_pb2.Provider
    model: model_pb2.Model
    credential: credential_pb2.Credential
    place: Place

    @property
    def model_id(self) -> str:
        """Return the model as its provider calls it."""
        return self.name.partition("/")[2]

    @property
    def has_own_address(self) -> bool:
        """Tell whether it is asked at the key's own address, not the provider's."""
        return bool(self.credential.base_url)

    @property
    def scope(self) -> failure_pb2.CredentialScope.ValueType:
        """Return whose key is used; unspecified when the provider takes none."""
        if self.credential.kind == credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT:
            return failure_pb2.CREDENTIAL_SCOPE_UNSPECIFIED
        return self.credential.scope


def find_route(
    model: str, fallbacks: list[str], chain: str, catalog: Catalog
) -> route_pb2.Route | None:
    """Return what a request's target comes to; None: it names nothing, and nothing is there.

    It is not to be changed: others get the same.

    Args:
        model: `provider/model`; empty: none is named.
        fallbacks: further models.
        chain: a chain's name; empty: none.
        catalog: has the routes of chains, and the default one.
    """
    if model:
        return _name_route((model, *(name for name in fallbacks if name != model)))
    return catalog.routes.get(f"chain/{chain}" if chain else DEFAULT_TARGET)


@lru_cache(maxsize=1024)
def _name_route(names: tuple[str, ...]) -> route_pb2.Route:
    """Return the route of models that a request names, in order."""
    return route_pb2.Route(
        target=names[0],
        candidates=[
            chain_pb2.Candidate(model=name, rank=rank, weight=1) for rank, name in enumerate(names)
        ],
        step=route_pb2.ROUTE_STEP_REQUEST,
    )


def expand(
    name: str, needs: Needs, caller: Caller, catalog: Catalog, credentials: CredentialView
) -> Iterator[Candidate | failure_pb2.SkippedCandidate]:
    """Yield a model with each key it may be asked with, or why it is not asked.

    Args:
        name: `provider/model`.
        needs: of the request.
        caller: who asks.
        catalog, credentials: what there is.
    """
    provider_name, _, model_id = name.partition("/")
    model = catalog.models.get(name)
    provider = catalog.providers.get(provider_name)
    if model is None or provider is None or not model.enabled or not provider.enabled:
        yield _skip(name, failure_pb2.SKIP_REASON_UNKNOWN_MODEL, "There is no such model.")
        return
    if not caller.reaches(provider_name, model_id):
        reason = failure_pb2.SKIP_REASON_NOT_ALLOWED
        yield _skip(name, reason, "The access token does not reach it.")
        return
    keys = credentials.central_keys(provider_name)
    if not keys:
        reason = failure_pb2.SKIP_REASON_NO_CREDENTIAL
        yield _skip(name, reason, f"The provider {provider_name} is not connected.")
        return
    obstacle = find_obstacle(model.facts, needs)
    if obstacle is not None:
        yield _skip(name, obstacle.reason, obstacle.detail)
        return
    for key in keys:
        place = _place(key.base_url or provider.endpoint.base_url)
        yield Candidate(name, provider, model, key, place)


def is_private(host: str) -> bool:
    """Tell whether a host lies on this machine or in a private network."""
    return classify_host(host) in (Reach.LOOPBACK, Reach.LAN, Reach.INTERNAL)


@lru_cache(maxsize=4096)
def _place(address: str) -> Place:
    """Parse an address that the catalog or a credential holds."""
    parsed = parse_base_url(address)
    return Place(parsed.url, parsed.origin, is_private(parsed.host))


def _skip(
    name: str, reason: failure_pb2.SkipReason.ValueType, detail: str
) -> failure_pb2.SkippedCandidate:
    """Return a model that is not asked."""
    return failure_pb2.SkippedCandidate(model=name, reason=reason, detail=detail)
