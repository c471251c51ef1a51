"""Lists are read by themselves: when a key is verified, when an address changes, and again."""

from __future__ import annotations

import asyncio

from support.catalog_harness import CatalogHarness
from support.service_calls import eventually
from support.service_peers import UNVERIFIED
from trunkline.catalog.v1 import provider_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.errors import NotFound


async def _names(catalog: CatalogHarness) -> list[str]:
    return [model.name for model in await catalog.list_models()]


async def _asked(catalog: CatalogHarness) -> int:
    return len(catalog.inference.requests)


async def test_a_verified_key_has_the_list_read(catalog: CatalogHarness) -> None:
    """The models are there without anybody asking for them, and told to the watchers."""
    await catalog.create()
    catalog.inference.answer("gpt-5.2", "gpt-5.1")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        await catalog.verify()
        await reading.until(lambda message: message.model.name == "openai/gpt-5.2")
        told = await reading.until(lambda message: message.provider.model_count == 2)
        assert told.provider.HasField("refresh_time")
        assert not told.provider.notes
    assert await _names(catalog) == ["openai/gpt-5.1", "openai/gpt-5.2"]
    assert catalog.inference.requests[0].credential_id == "cred_openai"


async def test_a_key_that_is_not_verified_has_no_list_read(catalog: CatalogHarness) -> None:
    """It is read once the key is verified, which shows that nothing was asked before."""
    await catalog.create()
    catalog.inference.answer("a")
    catalog.credentials.put("openai", state=UNVERIFIED)
    await eventually(
        catalog.get, lambda seen: seen.state == provider_pb2.CONNECTION_STATE_CONFIGURED
    )
    assert not catalog.inference.requests
    await catalog.verify(version=2)
    await eventually(lambda: _names(catalog), bool)
    assert len(catalog.inference.requests) == 1


async def test_a_new_version_of_a_key_has_the_list_read_again(catalog: CatalogHarness) -> None:
    """Another key may see other models."""
    await catalog.create()
    catalog.inference.answer("a")
    await catalog.verify()
    await eventually(lambda: _names(catalog), lambda seen: seen == ["openai/a"])
    catalog.inference.answer("b")
    catalog.credentials.put("openai", version=2)
    await eventually(lambda: _names(catalog), lambda seen: seen == ["openai/a", "openai/b"])
    assert not (await catalog.get_model("openai/a")).listed


async def test_a_changed_address_or_header_has_the_list_read_again(
    catalog: CatalogHarness,
) -> None:
    """Each with the new address; another change does not."""
    await catalog.create()
    catalog.inference.answer("a")
    await catalog.verify()
    await eventually(lambda: _names(catalog), bool)
    await catalog.update(display_name="Mine")
    endpoint = provider_pb2.ProviderEndpoint(base_url="https://b.example/v1")
    await catalog.update(endpoint=endpoint)
    await eventually(lambda: _asked(catalog), lambda seen: seen == 2)
    assert catalog.inference.requests[1].base_url == "https://b.example/v1"
    await catalog.update(endpoint=provider_pb2.ProviderEndpoint(headers={"X-A": "b"}))
    await eventually(lambda: _asked(catalog), lambda seen: seen == 3)


async def test_a_list_that_failed_is_read_again(catalog: CatalogHarness) -> None:
    """The failure is noted until the list can be read."""
    await catalog.create()
    catalog.inference.refuse(inference_pb2.VERDICT_UNREACHABLE, "Nobody answers.")
    await catalog.verify()
    noted = await eventually(catalog.get, lambda seen: len(seen.notes) == 2)
    assert noted.notes[0] == "Its list of models could not be read: Nobody answers."
    catalog.inference.answer("a")
    after = await eventually(catalog.get, lambda seen: seen.model_count == 1)
    assert not after.notes


async def test_a_provider_that_inference_does_not_know_yet_is_asked_again(
    catalog: CatalogHarness,
) -> None:
    """Its view of the catalog may be a moment behind."""
    await catalog.create()
    catalog.inference.failures.append(
        NotFound("PROVIDER_NOT_FOUND", "There is no provider openai.")
    )
    catalog.inference.answer("a")
    await catalog.verify()
    await eventually(lambda: _names(catalog), bool)
    assert len(catalog.inference.requests) == 2


async def test_nothing_is_read_twice_with_the_same_key(catalog: CatalogHarness) -> None:
    """Neither after a change of another credential nor after a restart."""
    await catalog.create()
    await catalog.create("groq", "groq")
    catalog.inference.answer("a")
    await catalog.verify()
    await eventually(lambda: _names(catalog), bool)
    await catalog.restart()
    await catalog.verify("groq")
    await eventually(lambda: _names(catalog), lambda seen: len(seen) == 2)
    assert [request.name for request in catalog.inference.requests] == ["openai", "groq"]


async def test_what_became_due_while_the_catalog_was_away_is_read_after_it(
    catalog: CatalogHarness,
) -> None:
    """A key that was saved meanwhile has its list read at the start."""
    await catalog.create()
    await catalog.stop()
    catalog.credentials.put("openai")
    catalog.inference.answer("a")
    await catalog.start()
    await eventually(lambda: _names(catalog), bool)


async def test_a_provider_that_is_off_is_not_asked_before_it_is_on(
    catalog: CatalogHarness,
) -> None:
    """Switching it on has its list read."""
    await catalog.create(enabled=False)
    catalog.inference.answer("a")
    await catalog.verify()
    assert not catalog.inference.requests
    await catalog.update(enabled=True)
    await eventually(lambda: _names(catalog), bool)
    assert len(catalog.inference.requests) == 1


async def test_a_type_without_list_is_not_asked(catalog: CatalogHarness) -> None:
    """Its known models are all there are; another provider is read meanwhile."""
    await catalog.create("perplexity", "perplexity")
    await catalog.create()
    catalog.inference.answer("a")
    await catalog.verify("perplexity")
    await catalog.verify()
    await eventually(catalog.get, lambda seen: seen.model_count == 1)
    assert {request.name for request in catalog.inference.requests} == {"openai"}


async def test_one_slow_provider_does_not_hold_up_another(catalog: CatalogHarness) -> None:
    """While the first one waits, the second one is asked."""
    await catalog.create()
    await catalog.create("groq", "groq")
    catalog.inference.gate.clear()
    catalog.credentials.put("openai")
    catalog.credentials.put("groq")
    await eventually(lambda: _asked(catalog), lambda seen: seen == 2)
    catalog.inference.answer("a")
    catalog.inference.gate.set()
    await eventually(lambda: _names(catalog), lambda seen: len(seen) == 2)


async def test_a_stop_does_not_wait_for_a_list(catalog: CatalogHarness) -> None:
    """The service ends while a provider keeps it waiting, and reads the list after that."""
    await catalog.create()
    catalog.inference.gate.clear()
    catalog.credentials.put("openai")
    await eventually(lambda: _asked(catalog), bool)
    async with asyncio.timeout(5):
        await catalog.stop()
    catalog.inference.answer("a")
    catalog.inference.gate.set()
    await catalog.start()
    await eventually(lambda: _names(catalog), bool)
