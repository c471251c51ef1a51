"""UpdateProvider: masks, etags, what follows the type, and when a default may be set."""

from __future__ import annotations

import asyncio

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, eventually, refused
from support.service_peers import UNVERIFIED
from trunkline.catalog.v1 import provider_pb2


async def test_a_mask_changes_what_it_names_and_no_more(catalog: CatalogHarness) -> None:
    """A field that is given and not named stays as it was."""
    before = await catalog.create(models=["a"])
    after = await catalog.update(
        mask=["display_name"], display_name="Mine", enabled=False, etag=before.etag
    )
    assert after.display_name == "Mine"
    assert after.enabled
    assert after.etag != before.etag
    assert after.update_time.ToNanoseconds() > before.update_time.ToNanoseconds()
    assert after.create_time == before.create_time


async def test_without_a_mask_every_field_that_is_set_counts(catalog: CatalogHarness) -> None:
    """What is not set stays."""
    await catalog.create(models=["a"], display_name="Mine")
    after = await catalog.update(
        enabled=False, endpoint=provider_pb2.ProviderEndpoint(headers={"X-A": "b"})
    )
    assert not after.enabled
    assert dict(after.endpoint.headers) == {"X-A": "b"}
    assert after.display_name == "Mine"
    assert after.endpoint.streaming


async def test_what_was_read_and_is_sent_back_changes_nothing(catalog: CatalogHarness) -> None:
    """A whole provider sent back keeps its etag, and goes on following its type."""
    before = await catalog.create(models=["a"])
    request = provider_pb2.UpdateProviderRequest(provider=before)
    after = (await catalog.stub.UpdateProvider(request, metadata=ADMIN)).provider
    assert after == before
    cleared = await catalog.update(mask=["endpoint", "display_name"])
    assert cleared == before


async def test_what_a_mask_names_and_the_request_lacks_falls_back_to_the_type(
    catalog: CatalogHarness,
) -> None:
    """The whole endpoint can be named at once."""
    await catalog.create(
        models=["a"],
        display_name="Mine",
        enabled=False,
        endpoint=provider_pb2.ProviderEndpoint(
            base_url="https://gateway.example.com/v1", headers={"X-A": "b"}, streaming=False
        ),
    )
    after = await catalog.update(mask=["display_name", "endpoint", "enabled"])
    assert after.display_name == "OpenAI"
    assert after.endpoint.base_url == "https://api.openai.com/v1"
    assert not after.endpoint.headers
    assert after.endpoint.streaming
    assert after.enabled


async def test_an_address_is_cleaned_and_checked(catalog: CatalogHarness) -> None:
    """The rules are those of creation; a refusal changes nothing."""
    before = await catalog.create(models=["a"])
    after = await catalog.update(
        endpoint=provider_pb2.ProviderEndpoint(base_url="gateway.example.com/v1/chat/completions")
    )
    assert after.endpoint.base_url == "https://gateway.example.com/v1"
    failure = await refused(
        catalog.update(endpoint=provider_pb2.ProviderEndpoint(base_url="http://example.com"))
    )
    assert failure.reason == "ADDRESS_REFUSED"
    assert failure.metadata["rule"] == "plain_http"
    assert await catalog.get() == after
    assert before.etag != after.etag


async def test_an_address_of_another_format_brings_it(catalog: CatalogHarness) -> None:
    """The format that the address tells of is taken; the type stays what it was."""
    await catalog.create(models=["a"])
    after = await catalog.update(
        endpoint=provider_pb2.ProviderEndpoint(base_url="https://a.example/messages")
    )
    assert (after.type, after.endpoint.format) == ("openai", "anthropic")
    assert after.endpoint.base_url == "https://a.example"


async def test_a_type_without_address_keeps_one(catalog: CatalogHarness) -> None:
    """The address cannot be cleared where the type has none."""
    await catalog.create("mine", "", models=["a"], base_url="https://a.example/v1")
    failure = await refused(catalog.update("mine", mask=["endpoint.base_url"]))
    assert failure.fields == ["provider.endpoint.base_url"]


@pytest.mark.parametrize(
    "path", ["nonsense", "name", "type", "state", "etag", "endpoint.nonsense", "*", "x" * 5000]
)
async def test_a_path_that_cannot_be_changed_is_refused(catalog: CatalogHarness, path: str) -> None:
    """INVALID_REQUEST names the mask."""
    await catalog.create(models=["a"])
    failure = await refused(catalog.update(mask=["display_name", path], display_name="x"))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == ["update_mask"]
    assert (await catalog.get()).display_name == "OpenAI"


async def test_a_type_is_for_good(catalog: CatalogHarness) -> None:
    """Another type than the one it has is refused."""
    await catalog.create(models=["a"])
    failure = await refused(catalog.update(type="groq"))
    assert failure.fields == ["provider.type"]


async def test_an_old_etag_is_refused_with_the_current_one(catalog: CatalogHarness) -> None:
    """ETAG_MISMATCH; two who read the same version do not overwrite each other."""
    before = await catalog.create(models=["a"])
    results = await asyncio.gather(
        *(catalog.update(display_name=f"{n}", etag=before.etag) for n in range(4)),
        return_exceptions=True,
    )
    assert sum(isinstance(result, provider_pb2.Provider) for result in results) == 1
    failure = await refused(catalog.update(display_name="late", etag=before.etag))
    assert failure.code is grpc.StatusCode.ABORTED
    assert failure.reason == "ETAG_MISMATCH"
    assert failure.metadata == {"etag": (await catalog.get()).etag}


async def test_an_unknown_provider_is_refused(catalog: CatalogHarness) -> None:
    """PROVIDER_NOT_FOUND."""
    failure = await refused(catalog.update("nobody", display_name="x"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "PROVIDER_NOT_FOUND"
    assert failure.metadata == {"provider": "nobody"}


async def test_headers_and_format_are_checked(catalog: CatalogHarness) -> None:
    """The rules are those of creation."""
    await catalog.create(models=["a"])
    failure = await refused(
        catalog.update(endpoint=provider_pb2.ProviderEndpoint(headers={"Authorization": "x"}))
    )
    assert failure.fields == ['provider.endpoint.headers["Authorization"]']
    failure = await refused(catalog.update(endpoint=provider_pb2.ProviderEndpoint(format="gopher")))
    assert failure.fields == ["provider.endpoint.format"]


@pytest.mark.parametrize("state", [None, UNVERIFIED])
async def test_a_default_needs_a_verified_credential(
    catalog: CatalogHarness, state: int | None
) -> None:
    """NOT_VERIFIED without a credential and with one that is not verified (K14)."""
    await catalog.create(models=["a"])
    if state is not None:
        catalog.credentials.put("openai", state=UNVERIFIED)
        await eventually(
            catalog.get, lambda seen: seen.state == provider_pb2.CONNECTION_STATE_CONFIGURED
        )
    failure = await refused(catalog.update(default_model="a"))
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.reason == "NOT_VERIFIED"
    assert failure.metadata == {"provider": "openai"}
    assert not (await catalog.get()).default_model


async def test_a_personal_credential_does_not_connect_the_deployment(
    catalog: CatalogHarness,
) -> None:
    """Only the central credential counts."""
    await catalog.create(models=["a"])
    await catalog.create("groq", "groq", models=["a"])
    catalog.credentials.put("openai", owner="dora")
    await catalog.verify("groq")
    assert (await catalog.get()).state == provider_pb2.CONNECTION_STATE_NOT_CONNECTED
    assert (await refused(catalog.update(default_model="a"))).reason == "NOT_VERIFIED"


async def test_a_verified_provider_gets_its_default(catalog: CatalogHarness) -> None:
    """The connection is complete then, until the default is cleared (K5)."""
    await catalog.create(models=["a", "b"])
    catalog.inference.answer("a", "b")
    await catalog.verify()
    after = await catalog.update(default_model="a")
    assert after.default_model == "a"
    assert after.state == provider_pb2.CONNECTION_STATE_DEFAULTS_SET
    cleared = await catalog.update(mask=["default_model"])
    assert cleared.state == provider_pb2.CONNECTION_STATE_VERIFIED


async def test_a_default_is_one_of_the_models(catalog: CatalogHarness) -> None:
    """MODEL_NOT_FOUND names the nearest, and nothing is changed."""
    await catalog.create(models=["gpt-5.2", "gpt-5.1", "sonar"])
    catalog.inference.answer("gpt-5.2")
    await catalog.verify()
    failure = await refused(catalog.update(default_model="gpt-52"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "MODEL_NOT_FOUND"
    assert failure.metadata["model"] == "openai/gpt-52"
    assert failure.metadata["nearest"].split(",")[0] == "openai/gpt-5.2"
    assert not (await catalog.get()).default_model


async def test_only_an_admin_changes_providers(catalog: CatalogHarness) -> None:
    """A developer is refused."""
    request = provider_pb2.UpdateProviderRequest(provider=provider_pb2.Provider(name="a"))
    failure = await refused(catalog.stub.UpdateProvider(request, metadata=DEVELOPER))
    assert failure.reason == "CALLER_NOT_ALLOWED"
