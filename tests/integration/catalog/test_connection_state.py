"""A provider's connection state follows from its credentials, and is told when it changes."""

from __future__ import annotations

import asyncio

import grpc

from support.catalog_harness import CatalogHarness
from support.service_calls import eventually, refused
from support.service_peers import UNVERIFIED
from trunkline.catalog.v1 import provider_pb2

NOT_CONNECTED = provider_pb2.CONNECTION_STATE_NOT_CONNECTED
CONFIGURED = provider_pb2.CONNECTION_STATE_CONFIGURED
VERIFIED = provider_pb2.CONNECTION_STATE_VERIFIED
DEFAULTS_SET = provider_pb2.CONNECTION_STATE_DEFAULTS_SET


async def test_the_state_can_be_read_at_each_stage(catalog: CatalogHarness) -> None:
    """From not connected to complete and back, each told to the watchers (K5)."""
    made = await catalog.create(models=["a"])
    catalog.inference.answer("a")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        catalog.credentials.put("openai", state=UNVERIFIED)
        await eventually(catalog.get, lambda seen: seen.state == CONFIGURED)
        catalog.credentials.put("openai", version=2)
        await eventually(catalog.get, lambda seen: seen.state == VERIFIED)
        await catalog.update(default_model="a")
        await eventually(catalog.get, lambda seen: seen.state == DEFAULTS_SET)
        catalog.credentials.delete("openai")
        last = await eventually(catalog.get, lambda seen: seen.state == NOT_CONNECTED)
        assert last.default_model == "a"
        await reading.until(lambda message: message.provider == last)
        states = [
            message.provider.state
            for message in reading.messages
            if message.WhichOneof("kind") == "provider"
        ]
    assert list(dict.fromkeys(states)) == [CONFIGURED, VERIFIED, DEFAULTS_SET, NOT_CONNECTED]
    assert (await catalog.get()).create_time == made.create_time


async def test_a_state_is_not_a_change_of_the_provider(catalog: CatalogHarness) -> None:
    """What is output only leaves etag and time of the last change alone."""
    made = await catalog.create(models=["a"])
    catalog.credentials.put("openai", state=UNVERIFIED)
    seen = await eventually(catalog.get, lambda seen: seen.state == CONFIGURED)
    assert seen.etag == made.etag
    assert seen.update_time == made.update_time


async def test_until_the_credentials_are_known_the_last_state_holds(
    catalog: CatalogHarness,
) -> None:
    """A restart while the credential service is away tells nobody of a lost connection."""
    await catalog.create(models=["a"])
    await catalog.create("groq", "groq", models=["a"])
    catalog.inference.answer("a")
    await catalog.verify()
    await catalog.update(default_model="a")
    await eventually(catalog.get, lambda seen: seen.HasField("refresh_time"))
    before = await catalog.get()
    await catalog.stop()
    await catalog.close_peers()
    await catalog.start()
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        assert await catalog.get() == before
        assert (await catalog.get("groq")).state == NOT_CONNECTED
        assert (await catalog.update(display_name="Mine")).state == DEFAULTS_SET
        (route,) = reading.messages[2].snapshot_page.routes
        assert route.candidates[0].model == "openai/a"


async def test_what_needs_the_credentials_waits_for_them_and_says_so(
    catalog: CatalogHarness,
) -> None:
    """PEER_UNAVAILABLE while it is not known whether there is one; nothing is changed."""
    await catalog.create(models=["a"])
    await catalog.stop()
    await catalog.close_peers()
    await catalog.start()
    failures = await asyncio.gather(
        refused(catalog.update(default_model="a")),
        refused(catalog.update_model("openai/a", deployment_default=True)),
        refused(catalog.delete()),
        refused(catalog.refresh()),
    )
    for failure in failures:
        assert failure.code is grpc.StatusCode.UNAVAILABLE
        assert failure.reason == "PEER_UNAVAILABLE"
        assert failure.metadata == {"peer": "credential"}
    assert not (await catalog.get()).default_model
    # What does not need them goes on.
    assert (await catalog.update(display_name="Mine")).display_name == "Mine"
    assert (await refused(catalog.delete("nobody"))).reason == "PROVIDER_NOT_FOUND"


async def test_what_changed_while_the_catalog_was_away_is_told_after_it(
    catalog: CatalogHarness,
) -> None:
    """Who comes back with an old revision learns of the new state."""
    await catalog.create("groq", "groq", models=["a"])
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.stop()
    catalog.credentials.put("groq", state=UNVERIFIED)
    await catalog.start()
    async with catalog.watch(revision) as reading:
        message = await reading.kind("provider")
        assert message.provider.state == CONFIGURED
        assert reading.kinds() == ["provider"]


async def test_notes_tell_what_is_wrong_with_a_default(catalog: CatalogHarness) -> None:
    """A default that is off, and one that the list lacks."""
    await catalog.create(models=["a"])
    catalog.inference.answer("b")
    await catalog.verify()
    await eventually(catalog.get, lambda seen: seen.HasField("refresh_time"))
    after = await catalog.update(default_model="a")
    assert list(after.notes) == ["Its default model a is not in the provider's list."]
    await catalog.update_model("openai/a", enabled=False)
    assert list((await catalog.get()).notes) == ["Its default model a is off."]
    await catalog.update(default_model="b")
    assert not (await catalog.get()).notes
