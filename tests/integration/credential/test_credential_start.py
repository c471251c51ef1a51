"""The service starts with a keyring or not at all, and finds everything as it left it."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path

import pytest

from support.credential_harness import KEY, CredentialHarness
from trunkline.credential.app import CredentialService
from trunkline.credential.settings import CredentialSettings
from trunkline.credential.tables import Tables
from trunkline.kernel.database import DatabaseError
from trunkline.kernel.service import StartupError
from trunkline.kernel.settings import SettingsError, Source, describe

KEY_FILE = "key-encryption-keys.json"
OLD = base64.b64encode(bytes(range(32))).decode()
NEW = base64.b64encode(bytes(range(32, 64))).decode()

pytestmark = pytest.mark.both_stores


async def sealed_rows(house: CredentialHarness) -> list[tuple[str, bytes]]:
    """Return the key id and sealed secret of every credential."""
    return await house.store.run("SELECT key_id, sealed FROM credential ORDER BY id")


async def start_fails(house: CredentialHarness) -> StartupError:
    """Return how a start fails; it must, and leaves the database free."""
    service = CredentialService(house.surroundings())
    with pytest.raises(StartupError) as caught:
        await service.open()
    return caught.value


async def test_a_restart_keeps_everything(suite: CredentialHarness) -> None:
    """Credentials, their secrets and tokens are as they were."""
    await suite.save("openai", "sk-a")
    await suite.save("groq", "sk-b")
    before = await suite.saved()
    await suite.restart()
    assert await suite.saved() == before
    assert (await suite.resolve()).secret.api_key == "sk-a"
    assert (await suite.resolve("groq", "https://api.groq.com:443")).secret.api_key == "sk-b"


async def test_the_first_start_makes_a_key_beside_the_data_not_in_it(
    suite: CredentialHarness,
) -> None:
    """Whoever copies the data directory has no key."""
    await suite.save()
    path = suite.config_dir / KEY_FILE
    assert suite.service.key_location == f"the file {path}"
    ((key_id, _),) = await sealed_rows(suite)
    document = json.loads(path.read_text())
    assert document["current"] == key_id
    material = base64.b64decode(document["keys"][0]["material"])
    for file in suite.data_dir.glob("*"):
        assert material not in file.read_bytes(), file


async def test_a_key_of_the_settings_is_only_read(house: CredentialHarness) -> None:
    """No file is made, and the place is named without the key."""
    house.environment = {"TRUNKLINE_MASTER_KEY": OLD}
    await house.start_peers()
    await house.start()
    await house.save()
    assert (await house.resolve()).secret.api_key == KEY
    assert house.service.key_location == "the setting TRUNKLINE_MASTER_KEY"
    assert [path.name for path in house.config_dir.iterdir()] == ["admin-token"]


async def test_an_older_key_goes_on_opening_what_it_sealed(house: CredentialHarness) -> None:
    """With a new key before it, new secrets are sealed under the new one."""
    house.environment = {"TRUNKLINE_MASTER_KEY": f"kek_old:{OLD}"}
    await house.start_peers()
    await house.start()
    await house.save("openai", "sk-a")
    house.environment = {"TRUNKLINE_MASTER_KEY": f"kek_new:{NEW},kek_old:{OLD}"}
    await house.restart()
    await house.save("groq", "sk-b")
    assert [key_id for key_id, _ in (await sealed_rows(house))] == ["kek_old", "kek_new"]
    assert (await house.resolve()).secret.api_key == "sk-a"
    assert (await house.resolve("groq", "https://api.groq.com:443")).secret.api_key == "sk-b"


async def test_sealed_secrets_without_their_key_stop_the_start(suite: CredentialHarness) -> None:
    """No new key is made over them; with the old one back all is well."""
    await suite.save()
    await suite.stop()
    rows = await sealed_rows(suite)
    ((key_id, _),) = rows
    path = suite.config_dir / KEY_FILE
    kept = path.rename(path.with_suffix(".away"))
    files = sorted(suite.config_dir.iterdir())
    error = await start_fails(suite)
    assert key_id in error.what
    assert str(path) in error.what
    assert "TRUNKLINE_MASTER_KEY" in error.advice
    assert sorted(suite.config_dir.iterdir()) == files
    assert await sealed_rows(suite) == rows
    kept.rename(path)
    await suite.start()
    assert (await suite.resolve()).secret.api_key == KEY


async def test_sealed_secrets_with_another_key_stop_the_start(house: CredentialHarness) -> None:
    """A wrong master key is noticed at start, not at the first chat."""
    house.environment = {"TRUNKLINE_MASTER_KEY": OLD}
    await house.start_peers()
    await house.start()
    await house.save()
    await house.stop()
    house.environment = {"TRUNKLINE_MASTER_KEY": NEW}
    error = await start_fails(house)
    assert (await sealed_rows(house))[0][0] in error.what
    assert NEW not in error.what + error.advice


async def test_a_damaged_row_does_not_hide_that_it_is_sealed(suite: CredentialHarness) -> None:
    """Also when nothing can be read of it, no key is made in its key's place."""
    await suite.save()
    await suite.stop()
    await suite.store.run("UPDATE credential SET sealed = ?", bytes(1))
    path = suite.config_dir / KEY_FILE
    path.unlink()
    await start_fails(suite)
    assert not path.exists()


@pytest.mark.parametrize("text", ["", "not-base64-at-all", "kek_a:" + OLD + ",kek_a:" + NEW])
async def test_a_master_key_that_is_none_stops_the_start(
    house: CredentialHarness, text: str
) -> None:
    """The setting is named, its value is not, and nothing is made."""
    house.environment = {"TRUNKLINE_MASTER_KEY": text}
    error = await start_fails(house)
    assert "TRUNKLINE_MASTER_KEY" in error.what
    assert not text or text not in error.what + error.advice
    assert not house.config_dir.exists()


async def test_a_key_file_that_others_can_read_stops_the_start(house: CredentialHarness) -> None:
    """What to run is said."""
    await house.start()
    await house.stop()
    path = house.config_dir / KEY_FILE
    path.chmod(0o644)
    error = await start_fails(house)
    assert "is open to other users" in error.what
    assert f"chmod 600 {path}" in error.advice
    path.chmod(0o600)
    await house.start()


async def test_a_setting_that_is_wrong_is_told_by_name(house: CredentialHarness) -> None:
    """Before anything is opened."""
    house.environment = {"TRUNKLINE_OS_KEYRING": "perhaps"}
    with pytest.raises(SettingsError) as caught:
        await CredentialService(house.surroundings()).open()
    assert "os_keyring" in caught.value.what
    assert not house.data_dir.exists()


def test_a_master_key_is_not_shown(house: CredentialHarness) -> None:
    """Effective settings say that it is set, and from where."""
    source = Source({"TRUNKLINE_MASTER_KEY": OLD}, {}, None, {})
    (master_key, os_keyring) = describe(source, [CredentialSettings])
    assert (master_key.value, master_key.source) == (
        "(set)",
        "environment TRUNKLINE_MASTER_KEY",
    )
    assert os_keyring.value == "auto"
    assert OLD not in repr(source.load(CredentialSettings))


async def test_two_first_starts_at_once_share_one_key(tmp_path: Path) -> None:
    """Each has its own data, both have the same keyring, and the token file is whole."""
    houses = [CredentialHarness(tmp_path / name) for name in ("one", "two")]
    services = []
    for house in houses:
        house.config_dir = tmp_path / "config"
        services.append(CredentialService(house.surroundings()))
    await asyncio.gather(*(service.open() for service in services))
    for service in services:
        await service.close()
    admitted = []
    for house in houses:
        await house.start_peers()
        await house.start()
        admitted.append(await house.admits(house.admin[0][1].removeprefix("Bearer ")))
        await house.close()
    assert sorted(admitted) == [False, True]
    document = json.loads((tmp_path / "config" / KEY_FILE).read_text())
    assert len(document["keys"]) == 1
    names = {path.name for path in (tmp_path / "config").iterdir()}
    assert names == {"admin-token", KEY_FILE}


@pytest.mark.one_store
async def test_a_data_directory_in_use_is_refused(house: CredentialHarness) -> None:
    """Two services on one database would each believe to own it."""
    await house.start()
    with pytest.raises(DatabaseError) as caught:
        await CredentialService(house.surroundings()).open()
    assert "in use" in caught.value.what
    assert house.service.admin_token_path.exists()


async def test_the_migrated_schema_is_what_the_code_expects(house: CredentialHarness) -> None:
    """No column, index or table is only in one of them."""
    await house.start()
    await house.stop()
    assert await house.store.differences(Tables.metadata) == []
