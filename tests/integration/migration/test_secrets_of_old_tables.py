"""A table that is made anew leaves nothing of its secrets behind."""

from __future__ import annotations

from pathlib import Path

import pytest

from integration.migration.conftest import Release
from integration.migration.test_previous_schema import harness
from support.credential_harness import CredentialHarness
from trunkline.credential.v1 import save_pb2


@pytest.mark.one_store
async def test_a_secret_deleted_after_an_upgrade_is_nowhere_in_the_file(
    tmp_path: Path, store_url: str, release: Release
) -> None:
    """Also where the old table lay: a free page would keep the sealed secret and its key."""
    store = await release.restore("credential")
    ((sealed,),) = await store.run("SELECT sealed FROM credential WHERE provider = 'openai'")
    assert sealed in store.path.read_bytes()
    house = harness("credential", tmp_path, store_url)
    assert isinstance(house, CredentialHarness)
    house.config_dir.mkdir()
    (house.config_dir / "admin-token").write_text(release.tokens["admin"])
    try:
        await house.start_peers()
        await house.start()
        (found,) = [each for each in await house.saved() if each.provider == "openai"]
        await house.credentials.DeleteCredential(
            save_pb2.DeleteCredentialRequest(id=found.id), metadata=house.admin
        )
        for path in house.data_dir.glob("credential.db*"):
            assert sealed not in path.read_bytes(), path
    finally:
        await house.close()
