"""Two processes of one service on one database: what one does, the other knows."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration

from support.catalog_harness import CatalogHarness
from support.credential_harness import CredentialHarness
from support.postgres import PostgresServer
from support.service_calls import eventually
from trunkline.catalog.v1 import provider_pb2
from trunkline.credential.v1 import access_pb2
from trunkline.options.v1 import options_pb2

# Typically a tenth of a second, on a machine that does nothing else.
AT_ONCE_S = 5.0
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER


@dataclass(frozen=True, slots=True)
class Pair:
    """Two processes of the credential service, with one config directory.

    Attributes:
        one, two: the processes.
    """

    one: CredentialHarness
    two: CredentialHarness


@pytest.fixture
async def url(postgres: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database with the newest schema of every service."""
    async with postgres.database() as made:
        yield made


@pytest.fixture
async def credentials(tmp_path: Path, url: str) -> AsyncIterator[Pair]:
    """The credential service twice, both started at once."""
    houses = [CredentialHarness(tmp_path / name, url=url) for name in ("one", "two")]
    houses[1].config_dir = houses[0].config_dir
    houses[1].clock = houses[0].clock
    async with contextlib.AsyncExitStack() as stack:
        for house in houses:
            stack.push_async_callback(house.close)
            await house.start_peers()
        await asyncio.gather(*(house.start() for house in houses))
        yield Pair(*houses)


async def test_one_first_token_is_made_for_both(credentials: Pair) -> None:
    """Whoever comes first makes it, and both know it."""
    made = [house.service.made_admin_token for house in (credentials.one, credentials.two)]
    assert sorted(made) == [False, True]
    token = credentials.one.admin[0][1].removeprefix("Bearer ")
    assert await credentials.one.admits(token)
    assert await credentials.two.admits(token)


async def test_keys_that_one_saves_the_other_releases(credentials: Pair) -> None:
    """Versions are counted over both; what one deletes is gone for the other."""
    one, two = credentials.one, credentials.two
    await asyncio.gather(*(house.save() for house in (one, two) * 5))
    (saved,) = await one.saved()
    assert saved.version == 10
    assert await two.saved() == [saved]
    assert (await two.resolve()).credential == saved


async def test_two_that_save_one_label_at_once_make_one_credential(credentials: Pair) -> None:
    """As many versions as saves, of one credential, whoever was first."""
    one, two = credentials.one, credentials.two
    saves = [house.save(label="second", rank=1) for house in (one, two) * 5]
    saved = await asyncio.gather(*saves)
    assert len({each.id for each in saved}) == 1
    assert sorted(each.version for each in saved) == list(range(1, 11))
    assert len(await two.saved()) == 1


async def test_two_that_are_asked_at_once_make_one_content_key(credentials: Pair) -> None:
    """The first one, and again the next one when its time is over."""
    one, two = credentials.one, credentials.two
    first = await asyncio.gather(*(house.content_key() for house in (one, two) * 5))
    assert len({each.key for each in first}) == 1
    await one.store.run("UPDATE content_key SET create_time_ns = 0")
    second = await asyncio.gather(*(house.content_key() for house in (one, two) * 5))
    assert len({each.key for each in second}) == 1
    assert len(await one.store.run("SELECT id FROM content_key")) == 2
    assert (await two.content_key(first[0].key_id)).key == first[0].key


async def test_a_token_that_one_revokes_the_other_refuses_at_once(credentials: Pair) -> None:
    """The other hears of it as soon as it is committed."""
    one, two = credentials.one, credentials.two
    issued = await one.issue("ann", DEVELOPER)
    async with asyncio.timeout(AT_ONCE_S):
        while not await two.admits(issued.token):
            await asyncio.sleep(0.005)
    await one.revoke(issued.access_token.id)
    async with asyncio.timeout(AT_ONCE_S):
        while await two.admits(issued.token):
            await asyncio.sleep(0.005)


async def test_a_token_ends_on_time_though_who_issued_it_is_gone(credentials: Pair) -> None:
    """The other process ends it, and tells the watchers."""
    one, two = credentials.one, credentials.two
    issued = await one.issue("ann", DEVELOPER, lifetime=Duration(seconds=3600))
    await one.stop()
    call = two.peer_access["catalog"].WatchAccess(access_pb2.WatchAccessRequest())
    two.clock.turn(3601)
    async with asyncio.timeout(10):
        async for message in call:
            if message.ended_token_id == issued.access_token.id:
                break
    call.cancel()


async def test_changes_of_two_catalogs_are_all_there(tmp_path: Path, url: str) -> None:
    """Etags hold over both, and each tells its watchers what the other did."""
    one, two = (CatalogHarness(tmp_path / name, url) for name in ("one", "two"))
    two.credentials, two.inference = one.credentials, one.inference
    async with contextlib.AsyncExitStack() as stack:
        for catalog in (one, two):
            stack.push_async_callback(catalog.close)
            await catalog.start_peers("credential", "inference")
            await catalog.start()
        async with two.watch() as reading:
            await reading.kind("snapshot_complete")
            made = await one.create(models=["a"])
            async with asyncio.timeout(AT_ONCE_S):
                told = await reading.kind("provider")
            assert told.provider == made
        results = await asyncio.gather(
            one.update(etag=made.etag, display_name="one"),
            two.update(etag=made.etag, display_name="two"),
            return_exceptions=True,
        )
        failures = [result for result in results if isinstance(result, grpc.aio.AioRpcError)]
        assert [failure.code() for failure in failures] == [grpc.StatusCode.ABORTED]
        assert await one.get() == await two.get()
        # Both follow the keys, and what follows from a key is told once.
        one.inference.answer("a", "b")
        await one.verify()
        await eventually(two.list_models, lambda models: len(models) == 2)
        assert await eventually(one.get, lambda seen: seen.HasField("refresh_time"))

        async def both() -> list[provider_pb2.Provider]:
            return [await one.get(), await two.get()]

        # Each reads the list when it is due: the second time nothing but the time is new.
        await eventually(both, lambda seen: seen[0] == seen[1])
