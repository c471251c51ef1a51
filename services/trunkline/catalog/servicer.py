"""CatalogService: gRPC in and out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import grpc

from trunkline.catalog.chains import Chains
from trunkline.catalog.discovery import Discovery
from trunkline.catalog.explainer import Explainer
from trunkline.catalog.models import Models
from trunkline.catalog.providers import Providers
from trunkline.catalog.v1 import (
    catalog_service_pb2_grpc,
    chain_pb2,
    model_pb2,
    provider_pb2,
    route_pb2,
    watch_pb2,
)
from trunkline.kernel.call import current_caller
from trunkline.kernel.page_token import (
    DEFAULT_PAGE_SIZE,
    cut_page,
    decode_page_token,
    encode_page_token,
)
from trunkline.kernel.watch import Feed

Context = grpc.aio.ServicerContext[Any, Any]

_SLUG: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_MODEL_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}/\S{1,256}")


class CatalogServicer(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Answers for the catalog.

    Args:
        providers, models, chains, discovery, explainer: the domain.
        feed: of the catalog's changes.
    """

    def __init__(
        self,
        providers: Providers,
        models: Models,
        chains: Chains,
        discovery: Discovery,
        explainer: Explainer,
        feed: Feed,
    ) -> None:
        self._providers = providers
        self._models = models
        self._chains = chains
        self._discovery = discovery
        self._explainer = explainer
        self._feed = feed

    async def ListProviderTypes(
        self, request: provider_pb2.ListProviderTypesRequest, context: Context
    ) -> provider_pb2.ListProviderTypesResponse:
        """List everything that can be connected, and what is."""
        del request, context
        return provider_pb2.ListProviderTypesResponse(
            provider_types=await self._providers.list_types()
        )

    async def CreateProvider(
        self, request: provider_pb2.CreateProviderRequest, context: Context
    ) -> provider_pb2.CreateProviderResponse:
        """Make a provider."""
        del context
        provider = await self._providers.create(request.provider, list(request.models))
        return provider_pb2.CreateProviderResponse(provider=provider)

    async def GetProvider(
        self, request: provider_pb2.GetProviderRequest, context: Context
    ) -> provider_pb2.GetProviderResponse:
        """Give one provider."""
        del context
        return provider_pb2.GetProviderResponse(provider=await self._providers.get(request.name))

    async def ListProviders(
        self, request: provider_pb2.ListProvidersRequest, context: Context
    ) -> provider_pb2.ListProvidersResponse:
        """Page through providers."""
        del context
        size = request.page_size or DEFAULT_PAGE_SIZE
        providers = await self._providers.page(
            kind=request.type,
            after=decode_page_token(request.page_token, _SLUG),
            size=size + 1,
        )
        page, more = cut_page(providers, size)
        return provider_pb2.ListProvidersResponse(
            providers=page, next_page_token=encode_page_token(page[-1].name) if more else ""
        )

    async def UpdateProvider(
        self, request: provider_pb2.UpdateProviderRequest, context: Context
    ) -> provider_pb2.UpdateProviderResponse:
        """Change a provider."""
        del context
        return provider_pb2.UpdateProviderResponse(provider=await self._providers.update(request))

    async def DeleteProvider(
        self, request: provider_pb2.DeleteProviderRequest, context: Context
    ) -> provider_pb2.DeleteProviderResponse:
        """Remove a provider that nothing refers to."""
        del context
        await self._providers.delete(request.name, request.etag)
        return provider_pb2.DeleteProviderResponse()

    async def GetModel(
        self, request: model_pb2.GetModelRequest, context: Context
    ) -> model_pb2.GetModelResponse:
        """Give one model."""
        del context
        return model_pb2.GetModelResponse(model=await self._models.get(request.name))

    async def ListModels(
        self, request: model_pb2.ListModelsRequest, context: Context
    ) -> model_pb2.ListModelsResponse:
        """Page through models."""
        del context
        size = request.page_size or DEFAULT_PAGE_SIZE
        key = decode_page_token(request.page_token, _MODEL_KEY)
        provider, _, model_id = (key or "").partition("/")
        models = await self._models.page(
            provider=request.provider,
            include_disabled=request.include_disabled,
            after=(provider, model_id) if key is not None else None,
            size=size + 1,
        )
        page, more = cut_page(models, size)
        return model_pb2.ListModelsResponse(
            models=page, next_page_token=encode_page_token(page[-1].name) if more else ""
        )

    async def UpdateModel(
        self, request: model_pb2.UpdateModelRequest, context: Context
    ) -> model_pb2.UpdateModelResponse:
        """Change a model."""
        del context
        return model_pb2.UpdateModelResponse(model=await self._models.update(request))

    async def RefreshModels(
        self, request: model_pb2.RefreshModelsRequest, context: Context
    ) -> model_pb2.RefreshModelsResponse:
        """Read a provider's list of models and tell what changed."""
        del context
        changes = await self._discovery.refresh(request.provider, dry_run=request.dry_run)
        return model_pb2.RefreshModelsResponse(changes=changes)

    async def CreateChain(
        self, request: chain_pb2.CreateChainRequest, context: Context
    ) -> chain_pb2.CreateChainResponse:
        """Make a chain."""
        del context
        return chain_pb2.CreateChainResponse(chain=await self._chains.create(request.chain))

    async def GetChain(
        self, request: chain_pb2.GetChainRequest, context: Context
    ) -> chain_pb2.GetChainResponse:
        """Give one chain."""
        del context
        return chain_pb2.GetChainResponse(chain=await self._chains.get(request.name))

    async def ListChains(
        self, request: chain_pb2.ListChainsRequest, context: Context
    ) -> chain_pb2.ListChainsResponse:
        """Page through chains."""
        del context
        size = request.page_size or DEFAULT_PAGE_SIZE
        chains = await self._chains.page(
            after=decode_page_token(request.page_token, _SLUG), size=size + 1
        )
        page, more = cut_page(chains, size)
        return chain_pb2.ListChainsResponse(
            chains=page, next_page_token=encode_page_token(page[-1].name) if more else ""
        )

    async def UpdateChain(
        self, request: chain_pb2.UpdateChainRequest, context: Context
    ) -> chain_pb2.UpdateChainResponse:
        """Change a chain."""
        del context
        return chain_pb2.UpdateChainResponse(chain=await self._chains.update(request))

    async def DeleteChain(
        self, request: chain_pb2.DeleteChainRequest, context: Context
    ) -> chain_pb2.DeleteChainResponse:
        """Remove a chain."""
        del context
        await self._chains.delete(request.name, request.etag)
        return chain_pb2.DeleteChainResponse()

    async def ExplainRoute(
        self, request: route_pb2.ExplainRouteRequest, context: Context
    ) -> route_pb2.ExplainRouteResponse:
        """Tell where a request would go."""
        del context
        return await self._explainer.explain(request, current_caller())

    def WatchCatalog(
        self, request: watch_pb2.WatchCatalogRequest, context: Context
    ) -> AsyncIterator[watch_pb2.WatchCatalogResponse]:
        """Send providers, models and routes, then every change."""
        del context
        # Changes come as the bytes that the outbox holds, which the listener passes on.
        return cast(
            AsyncIterator[watch_pb2.WatchCatalogResponse],
            self._feed.follow(request.after_revision),
        )
