"""DeleteProvider: what refers to a provider keeps it, and nothing of it is left."""

from __future__ import annotations

import grpc
from google.rpc import error_details_pb2

from support.catalog_harness import CatalogHarness
from support.service_calls import DEVELOPER, eventually, refused
from trunkline.catalog.v1 import provider_pb2


async def test_a_provider_goes_with_its_models(catalog: CatalogHarness) -> None:
    """Those of another provider whose name begins alike stay."""
    await catalog.create("a", "openai", models=["x", "y"])
    await catalog.create("a-b", "openai", models=["x"])
    await catalog.delete("a")
    assert (await refused(catalog.get("a"))).reason == "PROVIDER_NOT_FOUND"
    assert (await refused(catalog.get_model("a/x"))).reason == "MODEL_NOT_FOUND"
    assert [model.name for model in await catalog.list_models()] == ["a-b/x"]


async def test_a_name_can_be_used_again_and_no_etag_returns(catalog: CatalogHarness) -> None:
    """An etag of the one that is gone does not fit the one that has its name."""
    first = await catalog.create(models=["a"])
    await catalog.delete()
    second = await catalog.create(models=["b"])
    assert second.etag != first.etag
    assert (await refused(catalog.delete(etag=first.etag))).reason == "ETAG_MISMATCH"
    assert [model.name for model in await catalog.list_models()] == ["openai/b"]


async def test_credentials_and_the_default_keep_a_provider(catalog: CatalogHarness) -> None:
    """STILL_REFERRED_TO names every referrer, in the metadata and as typed detail."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    central = await catalog.verify()
    personal = catalog.credentials.put("openai", owner="dora")
    await catalog.update_model("openai/a", deployment_default=True)

    failure = await eventually(
        lambda: refused(catalog.delete()), lambda seen: personal in seen.message
    )
    expected = [f"credentials/{central}", f"credentials/{personal}", "default"]
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.reason == "STILL_REFERRED_TO"
    assert failure.metadata == {"referrers": ",".join(expected)}
    detail = failure.detail(error_details_pb2.PreconditionFailure())
    assert [violation.subject for violation in detail.violations] == expected
    assert all(violation.description for violation in detail.violations)
    assert (await catalog.get()).model_count == 1


async def test_a_provider_that_nothing_refers_to_any_more_goes(catalog: CatalogHarness) -> None:
    """After the credential and the default are gone the delete succeeds (G10)."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    await catalog.verify()
    await catalog.update_model("openai/a", deployment_default=True)
    await catalog.update_model("openai/a", mask=["deployment_default"])
    catalog.credentials.delete("openai")
    await eventually(
        catalog.get, lambda seen: seen.state == provider_pb2.CONNECTION_STATE_NOT_CONNECTED
    )
    await catalog.delete()
    assert not await catalog.list_models()


async def test_many_referrers_still_fit_a_status(catalog: CatalogHarness) -> None:
    """Hundreds of personal keys do not make the refusal too large to be told."""
    await catalog.create(models=["a"])
    for number in range(300):
        catalog.credentials.put("openai", owner=f"person{number:03}")

    failure = await eventually(
        lambda: refused(catalog.delete()), lambda seen: "and 284 more" in seen.message
    )
    detail = failure.detail(error_details_pb2.PreconditionFailure())
    assert len(detail.violations) == 16


async def test_an_unknown_provider_cannot_be_deleted(catalog: CatalogHarness) -> None:
    """PROVIDER_NOT_FOUND."""
    failure = await refused(catalog.delete("nobody"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "PROVIDER_NOT_FOUND"


async def test_an_old_etag_keeps_a_provider(catalog: CatalogHarness) -> None:
    """ETAG_MISMATCH with the current one."""
    made = await catalog.create(models=["a"])
    failure = await refused(catalog.delete(etag="old"))
    assert failure.reason == "ETAG_MISMATCH"
    assert failure.metadata == {"etag": made.etag}
    await catalog.delete(etag=made.etag)


async def test_nothing_is_deleted_by_an_old_view_of_credentials(catalog: CatalogHarness) -> None:
    """SECURITY_VIEW_STALE when a credential could have come unseen."""
    await catalog.create(models=["a"])
    await catalog.create("groq", "groq", models=["a"])
    await catalog.verify("groq")
    catalog.clock.turn(31)
    failure = await refused(catalog.delete())
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "SECURITY_VIEW_STALE"
    assert failure.metadata["view"] == "credentials"
    assert (await catalog.get()).name == "openai"


async def test_only_an_admin_deletes_providers(catalog: CatalogHarness) -> None:
    """A developer is refused."""
    request = provider_pb2.DeleteProviderRequest(name="a")
    failure = await refused(catalog.stub.DeleteProvider(request, metadata=DEVELOPER))
    assert failure.reason == "CALLER_NOT_ALLOWED"
