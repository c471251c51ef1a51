"""What the release before kept is there after an upgrade, and served as it was."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from integration.migration.conftest import Release
from support.catalog_harness import CatalogHarness
from support.credential_harness import CredentialHarness
from support.health_harness import OK, UNREACHABLE, HealthHarness
from trunkline.catalog.tables import Tables as CatalogTables
from trunkline.catalog.v1 import provider_pb2
from trunkline.credential.tables import Tables as CredentialTables
from trunkline.credential.v1 import access_pb2, credential_pb2, resolve_pb2
from trunkline.health.tables import Tables as HealthTables
from trunkline.kernel.database import DatabaseError

pytestmark = pytest.mark.both_stores

# What the credentials of that release are sealed under.
MASTER_KEY = f"kek_first:{base64.b64encode(bytes(range(32))).decode()}"
TABLES = {
    "credential": CredentialTables.metadata,
    "catalog": CatalogTables.metadata,
    "health": HealthTables.metadata,
}
# Counters of the release before began with 1.
OLD_REVISIONS = 1_000


def harness(
    service: str, root: Path, url: str
) -> CredentialHarness | CatalogHarness | HealthHarness:
    """Return the harness of a service of this release."""
    if service == "credential":
        environment = {"TRUNKLINE_OS_KEYRING": "never", "TRUNKLINE_MASTER_KEY": MASTER_KEY}
        return CredentialHarness(root, environment, url)
    return CatalogHarness(root, url) if service == "catalog" else HealthHarness(root, url)


async def first_message(call: Any) -> Any:
    """Return the first message of a watch, and leave."""
    async with asyncio.timeout(10):
        message = await call.read()
    call.cancel()
    return message


async def test_credentials_and_tokens_are_served(
    tmp_path: Path, store_url: str, release: Release
) -> None:
    """The last version of each secret opens; tokens hold that held, and no other."""
    await release.restore("credential")
    house = harness("credential", tmp_path, store_url)
    assert isinstance(house, CredentialHarness)
    house.config_dir.mkdir()
    (house.config_dir / "admin-token").write_text(release.tokens["admin"])
    try:
        await house.start_peers()
        await house.start()
        assert not house.service.made_admin_token
        saved = {each.provider: each for each in await house.saved()}
        assert {name: each.version for name, each in saved.items()} == {
            "groq": 1,
            "ollama": 1,
            "openai": 2,
        }
        assert {(each.label, each.rank) for each in saved.values()} == {("default", 0)}
        assert saved["ollama"].kind == credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT
        assert (await house.resolve()).secret.api_key == "sk-canary-second"
        released = await house.resolve("groq", "https://api.groq.com:443")
        assert released.secret.api_key == "sk-canary-groq"
        held = {name: await house.admits(token) for name, token in release.tokens.items()}
        assert held == {"admin": True, "ann": True, "bob": False}
        assert len(await house.tokens(include_ended=True)) == 3
        assert (await house.save()).version == 3
        # Whoever followed the old database has the view anew.
        for after in (1, 4, 5):
            whole = await first_message(
                house.peer_credentials["catalog"].WatchCredentials(
                    resolve_pb2.WatchCredentialsRequest(after_revision=after)
                )
            )
            assert len(whole.snapshot_page.credentials) == 3
            assert whole.revision > OLD_REVISIONS
        tokens = await first_message(
            house.peer_access["catalog"].WatchAccess(
                access_pb2.WatchAccessRequest(after_revision=2)
            )
        )
        assert len(tokens.snapshot_page.tokens) == 2
    finally:
        await house.close()


async def test_providers_models_and_the_default_are_served(
    tmp_path: Path, store_url: str, release: Release
) -> None:
    """With the facts that were set by hand, and those that a list said."""
    await release.restore("catalog")
    catalog = harness("catalog", tmp_path, store_url)
    assert isinstance(catalog, CatalogHarness)
    try:
        await catalog.start_peers("credential", "inference")
        catalog.credentials.put("openai")
        await catalog.start()
        openai = await catalog.get()
        assert openai.display_name == "Mine"
        assert dict(openai.endpoint.headers) == {"X-A": "b"}
        assert openai.default_model == "b"
        assert openai.state == provider_pb2.CONNECTION_STATE_DEFAULTS_SET
        models = {each.name: each for each in await catalog.list_models()}
        assert list(models) == ["mine/Z", "mine/_", "mine/x/y", "openai/a", "openai/b"]
        assert models["openai/a"].deployment_default
        assert models["openai/a"].facts.context_window.value == 1000
        async with catalog.watch(14) as reading:
            complete = await reading.kind("snapshot_complete")
            assert complete.revision > OLD_REVISIONS
            names = [
                each.name
                for message in reading.messages
                for each in message.snapshot_page.providers
            ]
            assert names == ["mine", "openai"]
            await catalog.update("mine", enabled=False)
            change = await reading.until(lambda message: message.provider.name == "mine")
            assert change.revision == complete.revision + 1
    finally:
        await catalog.close()


async def test_the_health_of_providers_is_served(
    tmp_path: Path, store_url: str, release: Release
) -> None:
    """What was known of them, until something newer is."""
    await release.restore("health")
    health = harness("health", tmp_path, store_url)
    assert isinstance(health, HealthHarness)
    try:
        health.catalog.put("openai", "groq")
        await health.start_peers("catalog", "credential")
        await health.start()
        assert (await health.get("openai")).status == UNREACHABLE
        assert (await health.get("groq")).status == OK
        async with health.watch(5) as reading:
            complete = await reading.kind("snapshot_complete")
            assert complete.revision > OLD_REVISIONS
    finally:
        await health.close()


@pytest.mark.parametrize("service", TABLES)
async def test_the_schema_afterwards_is_what_the_tables_declare(
    tmp_path: Path, store_url: str, release: Release, service: str
) -> None:
    """Nothing is left to be changed, whether it began with this release or the one before."""
    store = await release.restore(service)
    running = harness(service, tmp_path, store_url)
    metadata: MetaData = TABLES[service]
    try:
        await running.start_peers("catalog", "inference")
        await running.start()
        assert await store.differences(metadata) == []
    finally:
        await running.close()


@pytest.mark.parametrize("service", TABLES)
async def test_a_newer_database_is_refused(
    tmp_path: Path, store_url: str, release: Release, service: str
) -> None:
    """And left as it is: an older program would not know what it destroys."""
    store = await release.restore(service)
    await store.run("UPDATE alembic_version SET version_num = '0099'")
    before = [await store.run(f"SELECT * FROM {table}") for table in release.tables(service)]
    running = harness(service, tmp_path, store_url)
    try:
        with pytest.raises(DatabaseError) as caught:
            await running.start()
        assert "was written by a newer Trunkline (schema 0099;" in caught.value.what
        assert "Start that version again" in caught.value.advice
    finally:
        await running.close()
    after = [await store.run(f"SELECT * FROM {table}") for table in release.tables(service)]
    assert after == before
