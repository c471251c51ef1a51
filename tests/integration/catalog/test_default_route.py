"""The default route, as the watchers of the catalog are told of it."""

from __future__ import annotations

from support.catalog_harness import CatalogHarness
from support.service_calls import Reading
from trunkline.catalog.v1 import route_pb2


async def _route(reading: Reading, model: str, step: route_pb2.RouteStep.ValueType) -> None:
    """Wait until the last word on the default route is this."""

    def is_it(message: object) -> bool:
        told = [seen for seen in reading.messages if seen.WhichOneof("kind") == "route"]
        if not told or reading.kinds()[-1:] == ["deleted_route"]:
            return False
        route = told[-1].route
        return (
            route.target == "default"
            and [candidate.model for candidate in route.candidates] == [model]
            and route.step == step
        )

    await reading.until(is_it)


async def test_the_route_follows_keys_defaults_and_switches(catalog: CatalogHarness) -> None:
    """From none, by the built-in order, to the deployment's default, and back to none."""
    built_in, default = route_pb2.ROUTE_STEP_BUILT_IN, route_pb2.ROUTE_STEP_DEFAULT
    await catalog.create("sandbox", "sandbox", models=["ok"], base_url="http://localhost:1/v1")
    await catalog.create("groq", "groq")
    await catalog.create("work", "openai")
    catalog.inference.answer("ok", "gpt-5.2", "gpt-5.1", "llama-3.3-70b-versatile")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        await catalog.verify("sandbox")
        await catalog.verify("groq")
        # The first default of the type that the provider's list has.
        await _route(reading, "groq/llama-3.3-70b-versatile", built_in)
        await catalog.verify("work")
        await _route(reading, "work/gpt-5.2", built_in)
        await catalog.update("work", default_model="gpt-5.1")
        await _route(reading, "work/gpt-5.1", built_in)
        await catalog.update_model("groq/gpt-5.1", deployment_default=True)
        await _route(reading, "groq/gpt-5.1", default)
        await catalog.update_model("groq/gpt-5.1", enabled=False)
        await _route(reading, "work/gpt-5.1", built_in)
        await catalog.update("work", enabled=False)
        await _route(reading, "groq/llama-3.3-70b-versatile", built_in)
        catalog.credentials.delete("groq")
        gone = await reading.kind("deleted_route")
        assert gone.deleted_route == "default"


async def test_a_snapshot_has_the_route(catalog: CatalogHarness) -> None:
    """Who comes later is told of it too."""
    await catalog.create(models=["gpt-5.2"])
    catalog.inference.answer("gpt-5.2")
    async with catalog.watch() as reading:
        await catalog.verify()
        await reading.kind("route")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        routes = [route for message in reading.messages for route in message.snapshot_page.routes]
    assert [route.candidates[0].model for route in routes] == ["openai/gpt-5.2"]
