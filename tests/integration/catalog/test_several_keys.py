"""A provider with several keys stands by the first that is verified."""

from __future__ import annotations

from support.catalog_harness import CatalogHarness
from support.service_calls import eventually
from support.service_peers import UNVERIFIED
from trunkline.catalog.v1 import provider_pb2

CONFIGURED = provider_pb2.CONNECTION_STATE_CONFIGURED
VERIFIED = provider_pb2.CONNECTION_STATE_VERIFIED


async def test_one_verified_key_connects_a_provider(catalog: CatalogHarness) -> None:
    """Though another comes first; with that key its models are read, and it can be a default."""
    await catalog.create()
    catalog.inference.answer("a")
    catalog.credentials.put("openai", state=UNVERIFIED)
    await eventually(catalog.get, lambda seen: seen.state == CONFIGURED)
    catalog.credentials.put("openai", label="second", rank=1)
    seen = await eventually(catalog.get, lambda seen: seen.model_count == 1)
    assert seen.state == VERIFIED
    assert {each.credential_id for each in catalog.inference.requests} == {"cred_openaisecond"}
    assert (await catalog.update(default_model="a")).default_model == "a"


async def test_a_provider_falls_back_to_what_its_other_keys_prove(
    catalog: CatalogHarness,
) -> None:
    """When the verified one is replaced by one that could not be proven."""
    await catalog.create(models=["a"])
    catalog.inference.answer("a")
    catalog.credentials.put("openai", state=UNVERIFIED, label="second", rank=1)
    await catalog.verify()
    catalog.credentials.put("openai", state=UNVERIFIED, version=2)
    await eventually(catalog.get, lambda seen: seen.state == CONFIGURED)
    catalog.credentials.put("openai", label="second", rank=1, version=2)
    await eventually(catalog.get, lambda seen: seen.state == VERIFIED)
