"""Choose who is asked: from what the catalog and the credentials say, without asking anybody."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from functools import lru_cache

from trunkline.catalog.v1 import model_pb2
from trunkline.catalog.v1 import provider_pb2 as catalog_provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.v1 import chat_pb2, failure_pb2
from trunkline.kernel.address import parse_base_url
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import FailedPrecondition, NotFound, PermissionDenied
from trunkline.kernel.reach import Reach, classify_host
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

_NEAREST = 3


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


@dataclass(frozen=True, slots=True)
class Candidate:
    """One model that may be asked.

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
    def scope(self) -> failure_pb2.CredentialScope.ValueType:
        """Return whose key is used; unspecified when the provider takes none."""
        if self.credential.kind == credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT:
            return failure_pb2.CREDENTIAL_SCOPE_UNSPECIFIED
        return self.credential.scope


def choose(
    request: chat_pb2.ChatRequest,
    caller: Caller,
    catalog: CatalogView,
    credentials: CredentialView,
) -> Candidate:
    """Return the model that a request asks, or that it comes to when it names none.

    Raises:
        NotFound: MODEL_NOT_FOUND, with the nearest names.
        FailedPrecondition: NO_PROVIDER, NO_CREDENTIAL.
        PermissionDenied: OUT_OF_SCOPE.
    """
    name = request.model or _default(catalog)
    model = catalog.models.get(name)
    provider_name, _, model_id = name.partition("/")
    provider = catalog.providers.get(provider_name)
    if model is None or provider is None or not model.enabled or not provider.enabled:
        raise _unknown(name, caller, catalog)
    if not caller.reaches(provider_name, model_id):
        raise PermissionDenied(
            "OUT_OF_SCOPE", f"The access token does not reach {name}.", metadata={"model": name}
        )
    credential = credentials.central(provider_name)
    if credential is None:
        raise FailedPrecondition(
            "NO_CREDENTIAL",
            f"The provider {provider_name} is not connected: `trunkline connect {provider_name}`.",
            metadata={"provider": provider_name, "policy": "no_key"},
        )
    address = credential.base_url or provider.endpoint.base_url
    return Candidate(name, provider, model, credential, _place(address))


def is_private(host: str) -> bool:
    """Tell whether a host lies on this machine or in a private network."""
    return classify_host(host) in (Reach.LOOPBACK, Reach.LAN, Reach.INTERNAL)


@lru_cache(maxsize=4096)
def _place(address: str) -> Place:
    """Parse an address that the catalog or a credential holds."""
    parsed = parse_base_url(address)
    return Place(parsed.url, parsed.origin, is_private(parsed.host))


def _default(catalog: CatalogView) -> str:
    """Return the model that a request comes to when it names none.

    Raises:
        FailedPrecondition: NO_PROVIDER.
    """
    route = catalog.routes.get("default")
    if route is None or not route.candidates:
        raise FailedPrecondition(
            "NO_PROVIDER",
            "No provider is connected that could answer by default: name a model, or connect"
            " one with `trunkline connect`.",
        )
    return route.candidates[0].model


def _unknown(name: str, caller: Caller, catalog: CatalogView) -> NotFound:
    """Return the error for a model that is not there, with the nearest that are."""
    reachable = [
        known
        for known, model in catalog.models.items()
        if model.enabled and caller.reaches(*known.split("/", 1))
    ]
    near = difflib.get_close_matches(name, reachable, n=_NEAREST, cutoff=0.4)
    hint = f" Nearest: {', '.join(near)}." if near else " `trunkline models` lists what there is."
    return NotFound(
        "MODEL_NOT_FOUND",
        f"There is no model {name}.{hint}",
        metadata={"model": name, "nearest": ",".join(near)},
    )
