"""The first start makes one token of the role ADMIN and writes it where only we can read it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from support.credential_harness import CredentialHarness, bearer
from trunkline.credential.app import CredentialService
from trunkline.credential.v1 import access_pb2
from trunkline.kernel.service import StartupError

MASTER_KEY = {"TRUNKLINE_MASTER_KEY": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}


async def token_rows(house: CredentialHarness) -> int:
    """Count the tokens in the database."""
    ((count,),) = await house.store.run("SELECT count(*) FROM access_token")
    return int(count)


async def open_and_close(house: CredentialHarness) -> CredentialService:
    """Start a service without listeners, and stop it."""
    service = CredentialService(house.surroundings())
    await service.open()
    await service.close()
    return service


async def test_the_first_start_writes_a_token_that_works(house: CredentialHarness) -> None:
    """The file holds the token and a newline, and is for us alone."""
    await house.start()
    path = house.service.admin_token_path
    assert path == house.config_dir / "admin-token"
    assert house.service.made_admin_token
    content = path.read_text()
    assert content.startswith("tl_")
    assert content == content.strip() + "\n"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(house.config_dir.stat().st_mode) == 0o700
    response = await house.access.ListAccessTokens(
        access_pb2.ListAccessTokensRequest(), metadata=bearer(content.strip())
    )
    (entry,) = response.access_tokens
    assert (entry.principal, entry.role) == ("admin", 1)
    assert not entry.HasField("expire_time")
    assert not entry.HasField("scope")


async def test_later_starts_leave_the_file_alone(house: CredentialHarness) -> None:
    """The token is made once."""
    service = await open_and_close(house)
    before = (service.admin_token_path.read_bytes(), service.admin_token_path.stat().st_mtime_ns)
    service = await open_and_close(house)
    after = (service.admin_token_path.read_bytes(), service.admin_token_path.stat().st_mtime_ns)
    assert after == before
    assert not service.made_admin_token
    assert await token_rows(house) == 1


async def test_a_file_that_was_taken_away_is_not_made_again(house: CredentialHarness) -> None:
    """Whoever moved the token to a safe place finds no second one."""
    service = await open_and_close(house)
    service.admin_token_path.unlink()
    await open_and_close(house)
    assert not service.admin_token_path.exists()
    assert await token_rows(house) == 1


async def test_the_file_of_an_older_data_directory_is_replaced(house: CredentialHarness) -> None:
    """Its token is not known here; the new one takes its place, with its mode, and is logged."""
    house.config_dir.mkdir(mode=0o700)
    path = house.config_dir / "admin-token"
    path.write_text("tl_older\n")
    path.chmod(0o644)
    with capture_logs() as logs:
        await house.start()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert await house.admits(path.read_text().strip())
    (line,) = [line for line in logs if line["event"] == "admin_token_replaced"]
    assert line["path"] == str(path)
    assert "tl_" not in str(logs)


async def test_a_link_in_its_place_is_replaced_and_not_followed(
    house: CredentialHarness, tmp_path: Path
) -> None:
    """Nobody can have the token written into a file of their choice."""
    target = tmp_path / "elsewhere"
    target.write_text("mine")
    house.config_dir.mkdir(mode=0o700)
    (house.config_dir / "admin-token").symlink_to(target)
    service = await open_and_close(house)
    assert target.read_text() == "mine"
    assert not service.admin_token_path.is_symlink()
    assert service.admin_token_path.read_text().startswith("tl_")


async def test_a_token_that_cannot_be_written_is_not_stored(house: CredentialHarness) -> None:
    """The start fails with what to do, nothing is left, and the next one works."""
    path = house.config_dir / "admin-token"
    path.mkdir(parents=True)
    house.config_dir.chmod(0o700)
    (path / "full").touch()
    with pytest.raises(StartupError) as caught:
        await open_and_close(house)
    assert str(path) in caught.value.what
    assert "TRUNKLINE_CONFIG_DIR" in caught.value.advice
    assert await token_rows(house) == 0
    assert [name for name in os.listdir(house.config_dir) if name.startswith(".")] == []
    (path / "full").unlink()
    path.rmdir()
    assert (await open_and_close(house)).made_admin_token
    assert await token_rows(house) == 1


async def test_a_config_directory_that_is_none_keeps_no_token(house: CredentialHarness) -> None:
    """Also with a key from the settings, which needs no directory."""
    house.environment = MASTER_KEY
    house.config_dir.write_text("a file")
    with pytest.raises(StartupError) as caught:
        await open_and_close(house)
    assert str(house.config_dir) in caught.value.what
    assert "TRUNKLINE_MASTER_KEY" not in caught.value.advice
    assert await token_rows(house) == 0


async def test_a_config_directory_that_others_can_write_is_refused(
    house: CredentialHarness,
) -> None:
    """Another user could put a token of their own there."""
    house.environment = MASTER_KEY
    house.config_dir.mkdir()
    house.config_dir.chmod(0o777)
    with pytest.raises(StartupError) as caught:
        await open_and_close(house)
    assert "can be written by other users" in caught.value.what
    assert await token_rows(house) == 0
    assert list(house.config_dir.iterdir()) == []


async def test_a_start_that_was_killed_half_way_is_made_up_for(house: CredentialHarness) -> None:
    """With the file written and the row not, the next start makes both anew."""
    service = await open_and_close(house)
    lost = service.admin_token_path.read_text()
    await house.store.run("DELETE FROM access_token")
    await house.start()
    assert house.service.made_admin_token
    assert house.service.admin_token_path.read_text() != lost
    assert await house.admits(house.service.admin_token_path.read_text().strip())
    assert not await house.admits(lost.strip())
