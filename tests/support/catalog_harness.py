"""The catalog for real, with the calls that tests make most."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from support.service_calls import ADMIN, Metadata, Reading, eventually
from support.service_harness import ServiceHarness
from trunkline.catalog.app import CatalogService
from trunkline.catalog.v1 import (
    catalog_service_pb2_grpc,
    chain_pb2,
    model_pb2,
    provider_pb2,
    route_pb2,
    watch_pb2,
)


class CatalogHarness(ServiceHarness):
    """The catalog, with the calls that tests make most.

    Args:
        root: an empty directory.
        url: of its PostgreSQL database; empty: SQLite in the directory.
    """

    def __init__(self, root: Path, url: str = "") -> None:
        super().__init__(CatalogService, root, ("inference", "credential"), url)

    @property
    def stub(self) -> catalog_service_pb2_grpc.CatalogServiceAsyncStub:
        """A stub on the public listener."""
        return catalog_service_pb2_grpc.CatalogServiceStub(self._public)

    def internal_stub(self, caller: str) -> catalog_service_pb2_grpc.CatalogServiceAsyncStub:
        """Return a stub on the listener for a service."""
        return catalog_service_pb2_grpc.CatalogServiceStub(self._internal[caller])

    async def create(
        self,
        name: str = "openai",
        type: str = "openai",
        *,
        models: Iterable[str] = (),
        base_url: str = "",
        **fields: Any,
    ) -> provider_pb2.Provider:
        """Make a provider as admin."""
        provider = provider_pb2.Provider(name=name, type=type, **fields)
        if base_url:
            provider.endpoint.base_url = base_url
        response = await self.stub.CreateProvider(
            provider_pb2.CreateProviderRequest(provider=provider, models=models), metadata=ADMIN
        )
        return response.provider

    async def update(
        self, name: str = "openai", *, mask: Iterable[str] | None = None, **fields: Any
    ) -> provider_pb2.Provider:
        """Change a provider as admin; None: without a mask."""
        request = provider_pb2.UpdateProviderRequest(
            provider=provider_pb2.Provider(name=name, **fields)
        )
        if mask is not None:
            request.update_mask.paths.extend(mask)
        return (await self.stub.UpdateProvider(request, metadata=ADMIN)).provider

    async def get(self, name: str = "openai") -> provider_pb2.Provider:
        """Get a provider as admin."""
        request = provider_pb2.GetProviderRequest(name=name)
        return (await self.stub.GetProvider(request, metadata=ADMIN)).provider

    async def delete(self, name: str = "openai", etag: str = "") -> None:
        """Delete a provider as admin."""
        request = provider_pb2.DeleteProviderRequest(name=name, etag=etag)
        await self.stub.DeleteProvider(request, metadata=ADMIN)

    async def get_model(self, name: str) -> model_pb2.Model:
        """Get a model as admin."""
        request = model_pb2.GetModelRequest(name=name)
        return (await self.stub.GetModel(request, metadata=ADMIN)).model

    async def list_models(self, provider: str = "") -> list[model_pb2.Model]:
        """List models as admin, also those that are off."""
        request = model_pb2.ListModelsRequest(
            page_size=1000, provider=provider, include_disabled=True
        )
        return list((await self.stub.ListModels(request, metadata=ADMIN)).models)

    async def update_model(
        self, name: str, *, mask: Iterable[str] | None = None, **fields: Any
    ) -> model_pb2.Model:
        """Change a model as admin; None: without a mask."""
        request = model_pb2.UpdateModelRequest(model=model_pb2.Model(name=name, **fields))
        if mask is not None:
            request.update_mask.paths.extend(mask)
        return (await self.stub.UpdateModel(request, metadata=ADMIN)).model

    async def refresh(
        self, provider: str = "openai", *, dry_run: bool = False
    ) -> list[model_pb2.ModelChange]:
        """Read a provider's list as admin."""
        request = model_pb2.RefreshModelsRequest(provider=provider, dry_run=dry_run)
        return list((await self.stub.RefreshModels(request, metadata=ADMIN)).changes)

    async def create_chain(
        self, name: str, *candidates: str | chain_pb2.Candidate, **fields: Any
    ) -> chain_pb2.Chain:
        """Make a chain of models, or of candidates, as admin."""
        chain = chain_pb2.Chain(name=name, candidates=list_candidates(candidates), **fields)
        request = chain_pb2.CreateChainRequest(chain=chain)
        return (await self.stub.CreateChain(request, metadata=ADMIN)).chain

    async def get_chain(self, name: str) -> chain_pb2.Chain:
        """Get a chain as admin."""
        request = chain_pb2.GetChainRequest(name=name)
        return (await self.stub.GetChain(request, metadata=ADMIN)).chain

    async def update_chain(
        self,
        name: str,
        *candidates: str | chain_pb2.Candidate,
        mask: Iterable[str] | None = None,
        **fields: Any,
    ) -> chain_pb2.Chain:
        """Change a chain as admin; None: without a mask."""
        chain = chain_pb2.Chain(name=name, candidates=list_candidates(candidates), **fields)
        request = chain_pb2.UpdateChainRequest(chain=chain)
        if mask is not None:
            request.update_mask.paths.extend(mask)
        return (await self.stub.UpdateChain(request, metadata=ADMIN)).chain

    async def delete_chain(self, name: str, etag: str = "") -> None:
        """Delete a chain as admin."""
        request = chain_pb2.DeleteChainRequest(name=name, etag=etag)
        await self.stub.DeleteChain(request, metadata=ADMIN)

    async def explain(
        self, *, metadata: Metadata = ADMIN, **fields: Any
    ) -> route_pb2.ExplainRouteResponse:
        """Explain a route, as admin unless it is said otherwise."""
        request = route_pb2.ExplainRouteRequest(**fields)
        return await self.stub.ExplainRoute(request, metadata=metadata)

    async def verify(self, provider: str = "openai", **fields: Any) -> str:
        """Save a credential and wait until the catalog knows it; return its id."""
        credential_id = self.credentials.put(provider, **fields)
        states = (
            provider_pb2.CONNECTION_STATE_VERIFIED,
            provider_pb2.CONNECTION_STATE_DEFAULTS_SET,
        )
        await eventually(lambda: self.get(provider), lambda seen: seen.state in states)
        return credential_id

    def watch(self, after_revision: int = 0, *, caller: str = "inference") -> Reading:
        """Read the catalog's watch as a service."""
        return Reading(
            self.internal_stub(caller).WatchCatalog(
                watch_pb2.WatchCatalogRequest(after_revision=after_revision)
            )
        )


def list_candidates(
    candidates: Iterable[str | chain_pb2.Candidate],
) -> list[chain_pb2.Candidate]:
    """Return candidates of which some are given by their model alone."""
    return [
        chain_pb2.Candidate(model=each) if isinstance(each, str) else each for each in candidates
    ]
