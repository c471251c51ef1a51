"""A catalog in memory, and the provider types of a small release."""

from __future__ import annotations

import difflib
import threading
from typing import Any

from google.rpc import error_details_pb2

from trunkline.catalog.v1 import (
    catalog_service_pb2_grpc,
    chain_pb2,
    model_pb2,
    provider_pb2,
    route_pb2,
)
from trunkline.kernel.clock import timestamp
from trunkline.kernel.errors import AlreadyExists, FailedPrecondition, NotFound

NOW = 1_770_000_000 * 10**9


def provider_type(name: str, **fields: Any) -> provider_pb2.ProviderType:
    """Return a provider type that takes a key."""
    fields.setdefault("display_name", name.title())
    fields.setdefault("auth_kinds", [provider_pb2.AUTH_KIND_API_KEY])
    return provider_pb2.ProviderType(name=name, format="openai", **fields)


class FakeCatalog(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Providers and models, as a test sets them and calls change them."""

    def __init__(self) -> None:
        self.types = {
            kind.name: kind
            for kind in (
                provider_type(
                    "openai",
                    base_url="https://api.openai.com/v1",
                    default_model="gpt-mini",
                    good_for="most things",
                    hint="Make a key at platform.openai.com.",
                ),
                provider_type("openai-compatible", good_for="any other server"),
                provider_type(
                    "lm-studio",
                    base_url="http://localhost:1234/v1",
                    auth_kinds=[provider_pb2.AUTH_KIND_LOCAL_ENDPOINT],
                    good_for="models on your own machine",
                ),
                provider_type("sandbox", good_for="tests"),
            )
        }
        self.providers: dict[str, provider_pb2.Provider] = {}
        self.models: dict[str, model_pb2.Model] = {}
        self.chains: dict[str, chain_pb2.Chain] = {}
        self.explained = route_pb2.ExplainRouteResponse()
        """How every route is explained."""
        self.discovers: tuple[str, ...] = ("gpt-mini", "gpt-large")
        """What the provider's list has, when its key is verified."""
        self.late_credentials: set[str] = set()
        """Credentials that are gone and that the catalog has not heard of yet."""
        self.referrers: dict[str, list[str]] = {}
        """By provider: what else refers to it."""
        self.etags = 0
        self.lock = threading.RLock()

    def add_provider(self, name: str, type_name: str, **fields: Any) -> provider_pb2.Provider:
        """Have a provider."""
        fields.setdefault("state", provider_pb2.CONNECTION_STATE_NOT_CONNECTED)
        provider = provider_pb2.Provider(name=name, type=type_name, enabled=True, **fields)
        self.providers[name] = provider
        return provider

    def add_model(self, name: str, **fields: Any) -> model_pb2.Model:
        """Have a model."""
        fields.setdefault("enabled", True)
        fields.setdefault("listed", True)
        self.models[name] = model_pb2.Model(name=name, **fields)
        return self.models[name]

    def hear_of_key(self, provider: str, *, verified: bool) -> None:
        """Change a provider's state for its key, and discover its models."""
        with self.lock:
            entry = self.providers[provider]
            entry.state = provider_pb2.CONNECTION_STATE_CONFIGURED
            if verified:
                entry.state = provider_pb2.CONNECTION_STATE_VERIFIED
                for name in self.discovers:
                    self.add_model(f"{provider}/{name}")
                entry.refresh_time.CopyFrom(timestamp(NOW))
            entry.model_count = sum(model.startswith(f"{provider}/") for model in self.models)
            if entry.default_model and verified:
                entry.state = provider_pb2.CONNECTION_STATE_DEFAULTS_SET

    def nearest(self, name: str) -> str:
        """Return the nearest names, as metadata have them."""
        return ",".join(difflib.get_close_matches(name, list(self.models), n=3, cutoff=0.3))

    def ListProviderTypes(
        self, request: Any, context: Any
    ) -> provider_pb2.ListProviderTypesResponse:
        """Give every type with its providers."""
        response = provider_pb2.ListProviderTypesResponse()
        for kind in self.types.values():
            shown = response.provider_types.add()
            shown.CopyFrom(kind)
            shown.providers.extend(
                each for each in self.providers.values() if each.type == kind.name
            )
        return response

    def CreateProvider(self, request: Any, context: Any) -> provider_pb2.CreateProviderResponse:
        """Make a provider."""
        asked = request.provider
        if asked.name in self.providers:
            raise AlreadyExists("NAME_TAKEN", f"The name {asked.name} is taken.")
        kind = asked.type or "openai-compatible"
        provider = self.add_provider(asked.name, kind)
        provider.endpoint.base_url = asked.endpoint.base_url or self.types[kind].base_url
        for name in request.models:
            self.add_model(f"{asked.name}/{name}", listed=False)
        return provider_pb2.CreateProviderResponse(provider=provider)

    def GetProvider(self, request: Any, context: Any) -> provider_pb2.GetProviderResponse:
        """Give a provider."""
        return provider_pb2.GetProviderResponse(provider=self._find(request.name))

    def ListProviders(self, request: Any, context: Any) -> provider_pb2.ListProvidersResponse:
        """Give a page of providers: two at a time, to have pages."""
        names = sorted(self.providers)
        start = int(request.page_token or 0)
        response = provider_pb2.ListProvidersResponse(
            providers=[self.providers[name] for name in names[start : start + 2]]
        )
        if start + 2 < len(names):
            response.next_page_token = str(start + 2)
        return response

    def UpdateProvider(self, request: Any, context: Any) -> provider_pb2.UpdateProviderResponse:
        """Set what the mask names."""
        with self.lock:
            provider = self._find(request.provider.name)
            request.update_mask.MergeMessage(request.provider, provider)
            if provider.default_model:
                provider.state = provider_pb2.CONNECTION_STATE_DEFAULTS_SET
        return provider_pb2.UpdateProviderResponse(provider=provider)

    def DeleteProvider(self, request: Any, context: Any) -> provider_pb2.DeleteProviderResponse:
        """Remove a provider that nothing refers to."""
        provider = self._find(request.name)
        late = sorted(self.late_credentials)
        self.late_credentials.clear()
        referrers = late + self.referrers.get(provider.name, [])
        if referrers:
            violations = [
                error_details_pb2.PreconditionFailure.Violation(
                    type="REFERRER", subject=name, description="refers to it"
                )
                for name in referrers
            ]
            raise FailedPrecondition(
                "STILL_REFERRED_TO",
                f"{provider.name} is still referred to.",
                metadata={"referrers": ",".join(referrers)},
                details=(error_details_pb2.PreconditionFailure(violations=violations),),
            )
        del self.providers[provider.name]
        for name in [name for name in self.models if name.startswith(f"{provider.name}/")]:
            del self.models[name]
        return provider_pb2.DeleteProviderResponse()

    def ListModels(self, request: Any, context: Any) -> model_pb2.ListModelsResponse:
        """Give the models of one provider or of all."""
        return model_pb2.ListModelsResponse(
            models=[
                model
                for name, model in sorted(self.models.items())
                if (not request.provider or name.startswith(f"{request.provider}/"))
                and (model.enabled or request.include_disabled)
            ]
        )

    def UpdateModel(self, request: Any, context: Any) -> model_pb2.UpdateModelResponse:
        """Set what the mask names."""
        name = request.model.name
        if name not in self.models:
            raise NotFound(
                "MODEL_NOT_FOUND",
                f"There is no model {name}.",
                metadata={"model": name, "nearest": self.nearest(name)},
            )
        if request.model.deployment_default:
            for model in self.models.values():
                model.deployment_default = False
        request.update_mask.MergeMessage(request.model, self.models[name])
        return model_pb2.UpdateModelResponse(model=self.models[name])

    def RefreshModels(self, request: Any, context: Any) -> model_pb2.RefreshModelsResponse:
        """Read the list that `discovers` is."""
        self._find(request.provider)
        changes = []
        for name in self.discovers:
            full = f"{request.provider}/{name}"
            if full not in self.models:
                changes.append(
                    model_pb2.ModelChange(model=full, listed=True, after=self.add_model(full))
                )
        return model_pb2.RefreshModelsResponse(changes=changes)

    def CreateChain(self, request: Any, context: Any) -> chain_pb2.CreateChainResponse:
        """Make a chain."""
        chain = request.chain
        if chain.name in self.chains:
            raise AlreadyExists("NAME_TAKEN", f"The name {chain.name} is taken.")
        chain.update_time.CopyFrom(timestamp(NOW))
        self.chains[chain.name] = chain
        return chain_pb2.CreateChainResponse(chain=chain)

    def GetChain(self, request: Any, context: Any) -> chain_pb2.GetChainResponse:
        """Give a chain."""
        return chain_pb2.GetChainResponse(chain=self._find_chain(request.name))

    def ListChains(self, request: Any, context: Any) -> chain_pb2.ListChainsResponse:
        """Give a page of chains: two at a time, to have pages."""
        names = sorted(self.chains)
        start = int(request.page_token or 0)
        more = start + 2 < len(names)
        return chain_pb2.ListChainsResponse(
            chains=[self.chains[name] for name in names[start : start + 2]],
            next_page_token=str(start + 2) if more else "",
        )

    def DeleteChain(self, request: Any, context: Any) -> chain_pb2.DeleteChainResponse:
        """Remove a chain."""
        del self.chains[self._find_chain(request.name).name]
        return chain_pb2.DeleteChainResponse()

    def ExplainRoute(self, request: Any, context: Any) -> route_pb2.ExplainRouteResponse:
        """Give what was set."""
        return self.explained

    def _find_chain(self, name: str) -> chain_pb2.Chain:
        """Return a chain.

        Raises:
            NotFound: there is none.
        """
        if name not in self.chains:
            raise NotFound("CHAIN_NOT_FOUND", f"There is no chain {name}.")
        return self.chains[name]

    def _find(self, name: str) -> provider_pb2.Provider:
        """Return a provider.

        Raises:
            NotFound: there is none.
        """
        with self.lock:
            if name not in self.providers:
                raise NotFound(
                    "PROVIDER_NOT_FOUND",
                    f"There is no provider {name}.",
                    metadata={"provider": name},
                )
            return self.providers[name]
