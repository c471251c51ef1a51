"""WatchCatalog: whole once, then every change, under revisions that can be resumed from."""

from __future__ import annotations

import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, Reading, refused, running, settled
from trunkline.catalog.v1 import watch_pb2
from trunkline.views.catalog import CatalogView


async def test_the_view_comes_whole_and_then_every_change(catalog: CatalogHarness) -> None:
    """What changed together is told together, providers before their models."""
    first = await catalog.create("a", "openai", models=["x"])
    async with catalog.watch() as reading:
        complete = await reading.kind("snapshot_complete")
        pages = [message.snapshot_page for message in reading.messages[:-1]]
        assert [provider for page in pages for provider in page.providers] == [first]
        assert [model.name for page in pages for model in page.models] == ["a/x"]
        assert {message.revision for message in reading.messages} == {complete.revision}
        await catalog.create("b", "groq", models=["y"])
        await catalog.update_model("a/x", enabled=False)
        await catalog.delete("a")
        await reading.kind("deleted_provider")
        changes = [
            message
            for message in reading.messages
            if message.revision > complete.revision and message.WhichOneof("kind") != "heartbeat"
        ]
    told = [
        (change.WhichOneof("kind"), change.provider.name or change.model.name) for change in changes
    ]
    # Switching off its only model changes what is told of the provider too.
    assert told == [
        ("provider", "b"),
        ("model", "b/y"),
        ("provider", "a"),
        ("model", "a/x"),
        ("deleted_provider", ""),
    ]
    revisions = [change.revision for change in changes]
    assert revisions == sorted(set(revisions))
    assert changes[-1].deleted_provider == "a"


async def test_a_reader_goes_on_from_its_revision(catalog: CatalogHarness) -> None:
    """It gets what came since, also over a restart, and nothing before."""
    await catalog.create("a", "openai", models=["x"])
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.create("b", "openai", models=["y"])
    await catalog.restart()
    async with catalog.watch(revision) as reading:
        await reading.until(lambda message: message.model.name == "b/y")
        assert reading.kinds() == ["provider", "model"]


async def test_a_heartbeat_comes_with_the_revision_that_holds(catalog: CatalogHarness) -> None:
    """Who is up to date hears nothing else."""
    await catalog.create("a", "openai", models=["x"])
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    async with catalog.watch(revision) as reading:
        assert (await reading.kind("heartbeat")).revision == revision
        assert not reading.kinds()


@pytest.mark.parametrize("after", ["trimmed", "of another life"])
async def test_a_revision_that_is_not_known_gets_the_view_whole(
    catalog: CatalogHarness, after: str
) -> None:
    """Whether its changes were trimmed or never were."""
    await catalog.create("a", "openai", models=["x"])
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.create("b", "openai", models=["y"])
    if after == "trimmed":
        await catalog.run_sql(f"DELETE FROM outbox WHERE revision <= {revision + 1}")
    else:
        revision += 1_000
    async with catalog.watch(revision) as reading:
        complete = await reading.kind("snapshot_complete")
        assert reading.kinds()[0] == "snapshot_page"
        names = [p.name for message in reading.messages for p in message.snapshot_page.providers]
        assert names == ["a", "b"]
        await catalog.update("a", display_name="A")
        changed = await reading.kind("provider")
        assert changed.revision > complete.revision


async def test_an_empty_catalog_is_a_view_too(catalog: CatalogHarness) -> None:
    """It is complete at once, at a revision that is not 0."""
    async with catalog.watch() as reading:
        complete = await reading.kind("snapshot_complete")
        assert complete.revision > 0


async def test_the_view_that_services_hold_is_that_of_the_catalog(
    catalog: CatalogHarness,
) -> None:
    """Snapshot and changes fold to what the catalog answers."""
    await catalog.create("a", "openai", models=["x", "y"])
    view = CatalogView(catalog.channel("inference"), catalog.clock)
    told: list[int] = []
    view.on_change(lambda: told.append(1))
    async with running(view.follower.run()):
        await view.follower.wait_ready()
        assert told
        await catalog.create("b", "groq", models=["z"])
        await catalog.update_model("a/x", enabled=False)
        await catalog.delete("a")
        await settled(lambda: set(view.providers) == {"b"} and set(view.models) == {"b/z"})
    assert view.providers["b"] == await catalog.get("b")
    assert view.models["b/z"] == await catalog.get_model("b/z")


async def test_an_admin_may_watch_and_a_developer_may_not(catalog: CatalogHarness) -> None:
    """ADMIN and SERVICE, any of the services."""
    request = watch_pb2.WatchCatalogRequest()
    async with Reading(catalog.stub.WatchCatalog(request, metadata=ADMIN)) as reading:
        await reading.kind("snapshot_complete")
    async with catalog.watch(caller="credential") as reading:
        await reading.kind("snapshot_complete")

    async def read_as_developer() -> None:
        async for _ in catalog.stub.WatchCatalog(request, metadata=DEVELOPER):
            return

    assert (await refused(read_as_developer())).reason == "CALLER_NOT_ALLOWED"


async def test_a_negative_revision_is_refused(catalog: CatalogHarness) -> None:
    """The bound that the contract declares holds."""

    async def read() -> None:
        async for _ in catalog.internal_stub("inference").WatchCatalog(
            watch_pb2.WatchCatalogRequest(after_revision=-1)
        ):
            return

    assert (await refused(read())).fields == ["after_revision"]
