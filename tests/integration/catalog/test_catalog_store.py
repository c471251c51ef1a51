"""What is kept: over a restart, after an error, and by the schema that the tables declare."""

from __future__ import annotations

import asyncio
from pathlib import Path

import grpc
import pytest
from structlog.testing import capture_logs

from support.catalog_harness import CatalogHarness
from support.service_calls import eventually, refused
from support.stores import REFUSAL
from trunkline.catalog.tables import Tables
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.kernel.database import DatabaseError

pytestmark = pytest.mark.both_stores


async def test_a_restart_keeps_everything(catalog: CatalogHarness) -> None:
    """Providers, models, facts by hand, the default and the revision are as they were."""
    await catalog.create(
        models=["a"],
        display_name="Mine",
        endpoint=provider_pb2.ProviderEndpoint(headers={"X-A": "b", "X-B": "ü".encode().hex()}),
    )
    catalog.inference.answer("a", "b")
    await catalog.verify()
    await eventually(catalog.get, lambda seen: seen.HasField("refresh_time"))
    await catalog.update(default_model="b")
    facts = model_pb2.ModelFacts(context_window=model_pb2.IntegerFact(value=1000))
    await catalog.update_model("openai/a", facts=facts, deployment_default=True)
    provider, models = await catalog.get(), await catalog.list_models()
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.restart()
    assert await catalog.get() == provider
    assert await catalog.list_models() == models
    async with catalog.watch() as reading:
        assert (await reading.kind("snapshot_complete")).revision == revision


async def test_the_schema_is_the_one_that_the_tables_declare(catalog: CatalogHarness) -> None:
    """The migrations leave nothing to be changed."""
    assert await catalog.store.differences(Tables.metadata) == []


async def test_the_database_itself_allows_one_default(catalog: CatalogHarness) -> None:
    """Whatever the code believes, there are never two."""
    await catalog.create(models=["a", "b"])
    with pytest.raises(Exception, match=r"(?i)unique"):
        await catalog.run_sql("UPDATE model SET deployment_default = true")
    await catalog.run_sql("UPDATE model SET deployment_default = true WHERE id = 'a'")


async def test_an_error_in_the_middle_leaves_nothing_behind(catalog: CatalogHarness) -> None:
    """A provider whose models cannot be written is not written either, nor told."""
    await catalog.create("a", "openai", models=["x"])
    await catalog.store.refuse("model", "id", "z")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        with capture_logs() as logs:
            failure = await refused(catalog.create("b", "openai", models=["y", "z"]))
        assert "call_failed_unexpectedly" in [entry["event"] for entry in logs]
        assert failure.code is grpc.StatusCode.INTERNAL
        assert failure.reason == "INTERNAL"
        assert REFUSAL not in failure.message
        assert (await refused(catalog.get("b"))).reason == "PROVIDER_NOT_FOUND"
        assert [model.name for model in await catalog.list_models()] == ["a/x"]
        await catalog.create("b", "openai", models=["y"])
        await reading.until(lambda message: message.model.name == "b/y")
        assert reading.kinds()[-2:] == ["provider", "model"]
        assert len([kind for kind in reading.kinds() if kind == "provider"]) == 1


async def test_a_client_that_leaves_in_the_middle_leaves_nothing_behind(
    catalog: CatalogHarness,
) -> None:
    """A creation is whole or not at all, whenever the client goes."""
    for number in range(10):
        call = asyncio.ensure_future(catalog.create(f"p{number}", "openai", models=["a", "b"]))
        await asyncio.sleep(0.002 * number)  # each time at another moment of the work
        call.cancel()
        await asyncio.wait([call])
    await catalog.create("last", "openai", models=["a", "b"])
    names = [model.name for model in await catalog.list_models()]
    providers = {name.partition("/")[0] for name in names}
    for name in providers:
        assert (await catalog.get(name)).model_count == 2
    for number in set(range(10)) - {int(name[1:]) for name in providers - {"last"}}:
        assert (await refused(catalog.get(f"p{number}"))).reason == "PROVIDER_NOT_FOUND"


async def test_many_writers_do_not_lose_each_others_changes(catalog: CatalogHarness) -> None:
    """Changes of different fields at once are all there afterwards."""
    await catalog.create(models=["a"])
    await asyncio.gather(
        catalog.update(display_name="Mine"),
        catalog.update(endpoint=provider_pb2.ProviderEndpoint(headers={"X-A": "b"})),
        catalog.update(endpoint=provider_pb2.ProviderEndpoint(streaming=False)),
        *(catalog.create(f"p{number}", "openai", models=["m"]) for number in range(10)),
    )
    after = await catalog.get()
    assert after.display_name == "Mine"
    assert dict(after.endpoint.headers) == {"X-A": "b"}
    assert not after.endpoint.streaming
    assert len(await catalog.list_models()) == 11


async def test_a_new_release_tells_what_it_says_otherwise(catalog: CatalogHarness) -> None:
    """What the watchers were told by an older release is put right at the start."""
    await catalog.create(models=["a", "b"])
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.stop()
    old = model_pb2.Model(name="openai/a", display_name="of an older release")
    payload = old.SerializeToString()
    await catalog.run_sql("UPDATE model SET published = ? WHERE id = 'a'", payload)
    await catalog.start()
    async with catalog.watch(revision) as reading:
        told = await reading.kind("model")
        assert told.model.display_name == "a"
        assert reading.kinds() == ["model"]
    assert (await catalog.get_model("openai/a")).display_name == "a"


async def test_a_type_that_a_release_has_dropped_does_no_harm(catalog: CatalogHarness) -> None:
    """Its providers are served by what they say themselves."""
    await catalog.create("mine", "groq", models=["a"], base_url="https://a.example/v1")
    await catalog.stop()
    await catalog.run_sql("UPDATE provider SET type = 'dropped'")
    await catalog.start()
    seen = await eventually(lambda: catalog.get("mine"), lambda seen: seen.type == "dropped")
    assert seen.endpoint.base_url == "https://a.example/v1"
    assert (await catalog.update("mine", enabled=False)).display_name == "dropped"


@pytest.mark.one_store
async def test_a_database_in_use_is_not_opened_twice(
    catalog: CatalogHarness, tmp_path: Path
) -> None:
    """The second service says what is wrong, and the first one goes on."""
    second = CatalogHarness(tmp_path)
    with pytest.raises(DatabaseError, match="in use"):
        await second.start()
    await second.close()
    assert (await catalog.create(models=["a"])).model_count == 1
