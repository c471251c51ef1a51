"""Lists of types, providers and models: what is in them, and how they are paged."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, refused
from trunkline.catalog.v1 import model_pb2, provider_pb2

NAMES = ("a", "a-b", "b", "c", "d")


async def _page_providers(catalog: CatalogHarness, **fields: Any) -> list[list[str]]:
    pages, token = [], ""
    while True:
        request = provider_pb2.ListProvidersRequest(page_token=token, **fields)
        response = await catalog.stub.ListProviders(request, metadata=ADMIN)
        pages.append([provider.name for provider in response.providers])
        token = response.next_page_token
        if not token:
            return pages


async def _page_models(catalog: CatalogHarness, **fields: Any) -> list[list[str]]:
    pages, token = [], ""
    while True:
        request = model_pb2.ListModelsRequest(page_token=token, **fields)
        response = await catalog.stub.ListModels(request, metadata=ADMIN)
        pages.append([model.name for model in response.models])
        token = response.next_page_token
        if not token:
            return pages


async def test_every_type_is_listed_with_its_providers(catalog: CatalogHarness) -> None:
    """Connected or not, by name; a developer may ask (K16)."""
    await catalog.create("mine", "openai", models=["a"])
    await catalog.create("work", "openai", models=["a"])
    response = await catalog.stub.ListProviderTypes(
        provider_pb2.ListProviderTypesRequest(), metadata=DEVELOPER
    )
    names = [kind.name for kind in response.provider_types]
    assert names == sorted(names)
    assert {"openai", "openai-compatible", "sandbox", "groq", "openrouter", "xai"} <= set(names)
    types = {kind.name: kind for kind in response.provider_types}
    assert list(types["openai"].providers) == [await catalog.get("mine"), await catalog.get("work")]
    assert types["openai"].default_model == "gpt-5.2"
    assert list(types["openai"].key_variables) == ["OPENAI_API_KEY"]
    assert types["openai"].check_time.ToJsonString() == "2026-11-20T00:00:00Z"
    assert not types["groq"].providers
    assert {name for name in names if types[name].no_model_list} == {
        "aws-bedrock",
        "azure-openai",
        "perplexity",
    }


async def test_providers_come_by_name_in_pages(catalog: CatalogHarness) -> None:
    """No page repeats or leaves out what another one has."""
    for name in reversed(NAMES):
        await catalog.create(name, "groq" if name == "c" else "openai", models=["m"])
    assert await _page_providers(catalog) == [list(NAMES)]
    assert await _page_providers(catalog, page_size=2) == [["a", "a-b"], ["b", "c"], ["d"]]
    assert await _page_providers(catalog, page_size=5) == [list(NAMES)]
    assert await _page_providers(catalog, page_size=2, type="openai") == [["a", "a-b"], ["b", "d"]]
    assert await _page_providers(catalog, type="nonsense") == [[]]


async def test_models_come_by_provider_and_name_in_pages(catalog: CatalogHarness) -> None:
    """Providers are not mixed where one's name begins with another's."""
    await catalog.create("a-b", "openai", models=["x"])
    await catalog.create("a", "openai", models=["z", "meta/llama", "b:1"])
    names = ["a/b:1", "a/meta/llama", "a/z", "a-b/x"]
    assert await _page_models(catalog) == [names]
    assert await _page_models(catalog, page_size=3) == [names[:3], names[3:]]
    assert await _page_models(catalog, page_size=1) == [[name] for name in names]
    assert await _page_models(catalog, provider="a-b") == [["a-b/x"]]
    assert await _page_models(catalog, provider="nobody") == [[]]


async def test_models_that_are_off_are_listed_on_demand(catalog: CatalogHarness) -> None:
    """They are left out by default, and not counted."""
    await catalog.create(models=["a", "b"])
    await catalog.update_model("openai/a", enabled=False)
    assert await _page_models(catalog) == [["openai/b"]]
    assert await _page_models(catalog, include_disabled=True) == [["openai/a", "openai/b"]]
    assert (await catalog.get()).model_count == 1
    await catalog.update_model("openai/b", enabled=False)
    assert list((await catalog.get()).notes) == ["None of its models is on."]


@pytest.mark.parametrize(
    "token",
    ["nonsense", "YQ", "!!", "YSBi", base64.b64encode(b"a' OR 1=1").decode(), "w6RkZA==", "/w=="],
)
async def test_a_page_token_of_somebody_else_is_refused(
    catalog: CatalogHarness, token: str
) -> None:
    """INVALID_REQUEST names it, in both lists."""
    request = provider_pb2.ListProvidersRequest(page_token=token)
    failure = await refused(catalog.stub.ListProviders(request, metadata=ADMIN))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == ["page_token"]
    failure = await refused(
        catalog.stub.ListModels(model_pb2.ListModelsRequest(page_token=token), metadata=ADMIN)
    )
    assert failure.fields == ["page_token"]


@pytest.mark.parametrize("size", [-1, 1001])
async def test_a_page_size_out_of_bounds_is_refused(catalog: CatalogHarness, size: int) -> None:
    """The bound that the contract declares holds."""
    request = model_pb2.ListModelsRequest(page_size=size)
    failure = await refused(catalog.stub.ListModels(request, metadata=ADMIN))
    assert failure.fields == ["page_size"]


async def test_a_developer_reads_and_a_stranger_does_not(catalog: CatalogHarness) -> None:
    """Reading is for both roles, and for nobody without a token."""
    await catalog.create(models=["a"])
    stub = catalog.stub
    calls: list[tuple[Any, Any]] = [
        (stub.GetProvider, provider_pb2.GetProviderRequest(name="openai")),
        (stub.ListProviders, provider_pb2.ListProvidersRequest()),
        (stub.GetModel, model_pb2.GetModelRequest(name="openai/a")),
        (stub.ListModels, model_pb2.ListModelsRequest()),
    ]
    for method, request in calls:
        await method(request, metadata=DEVELOPER)
        assert (await refused(method(request))).reason == "TOKEN_MISSING"
