"""A service whose PostgreSQL goes away says so, and goes on when it is back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.credential_harness import NO_OS_KEYRING, CredentialHarness
from support.credential_harness import refused as credential_refused
from support.postgres import PostgresServer
from support.service_calls import eventually, refused

UNAVAILABLE = (grpc.StatusCode.UNAVAILABLE, "STORE_UNAVAILABLE")


@pytest.fixture
def server() -> Iterator[PostgresServer]:
    """A server of the test's own, which nobody else needs."""
    own = PostgresServer()
    try:
        own.create()
        own.start()
        yield own
    finally:
        own.close()


@pytest.fixture
async def url(server: PostgresServer) -> AsyncIterator[str]:
    """The URL of a database with the newest schema of every service."""
    async with server.database() as made:
        # What is made without waiting for a disk must be there after a crash.
        await server.run("CHECKPOINT")
        yield made


async def passing(call: Callable[[], Awaitable[object]]) -> None:
    """Repeat a call until it succeeds; it may fail as UNAVAILABLE, and as nothing else."""

    async def failure() -> grpc.StatusCode | None:
        try:
            await call()
        except grpc.aio.AioRpcError as error:
            return error.code()
        return None

    ended = await eventually(failure, lambda code: code is not grpc.StatusCode.UNAVAILABLE)
    assert ended is None


async def test_the_catalog_goes_on_when_its_database_is_back(
    tmp_path: Path, server: PostgresServer, url: str
) -> None:
    """Calls are UNAVAILABLE meanwhile, and never INTERNAL; the watch comes back."""
    catalog = CatalogHarness(tmp_path, url)
    try:
        await catalog.start_peers("credential", "inference")
        await catalog.start()
        before = await catalog.create(models=["a"])
        async with catalog.watch() as reading:
            revision = (await reading.kind("snapshot_complete")).revision
        await asyncio.to_thread(server.stop)
        for call in (
            catalog.get(),
            catalog.list_models(),
            catalog.update(display_name="never"),
            catalog.create("other", models=["b"]),
            catalog.delete(),
        ):
            failure = await refused(call)
            assert (failure.code, failure.reason) == UNAVAILABLE
            assert "5432" not in failure.message
        server.start()
        await passing(catalog.get)
        assert await catalog.get() == before
        await catalog.create("other", models=["b"])
        async with catalog.watch(revision) as reading:
            assert (await reading.kind("provider")).provider.name == "other"
        # The background goes on, too: a key is noticed, and its list read.
        catalog.inference.answer("a", "c")
        await catalog.verify()
        await eventually(catalog.list_models, lambda models: len(models) == 3)
    finally:
        await catalog.close()


async def test_credentials_go_on_when_their_database_is_back(
    tmp_path: Path, server: PostgresServer, url: str
) -> None:
    """Nothing is released or saved meanwhile; tokens that are known go on holding."""
    house = CredentialHarness(tmp_path, NO_OS_KEYRING, url)
    try:
        await house.start_peers()
        await house.start()
        await house.save()
        await asyncio.to_thread(server.stop)
        for call in (house.save(), house.resolve(), house.saved(), house.tokens()):
            refusal = await credential_refused(call)
            assert (refusal.code, refusal.reason) == UNAVAILABLE
        server.start()
        await passing(house.resolve)
        assert (await house.save()).version == 2
    finally:
        await house.close()
