"""What goes wrong at start reads well: one sentence what, one what to do, and an exit code."""

from __future__ import annotations

import os
import shutil
import socket
import sqlite3
from pathlib import Path

from support.process import Done, Up, run


async def start(directory: Path, *arguments: str, env: dict[str, str] | None = None) -> Done:
    """Run `trunkline up`, which is expected to end by itself."""
    return await run(
        "up",
        "--data-dir",
        str(directory / "data"),
        "--config-dir",
        str(directory / "config"),
        "--listen",
        "127.0.0.1:0",
        *arguments,
        env=env,
    )


def assert_reads_well(done: Done, what: str, advice: str) -> None:
    """Hold a failure to its form: nothing on stdout, two sentences, no traceback."""
    assert done.code != 0
    assert done.out == ""
    assert what in done.err, done.err
    assert advice in done.err, done.err
    assert "Traceback" not in done.err


async def test_a_taken_port_is_named(tmp_path: Path) -> None:
    """The address is named, and how to choose another one; nothing keeps running."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        done = await start(tmp_path, "--listen", address)
    assert_reads_well(done, f"The address {address} cannot be listened on", "--listen")


async def test_an_address_beyond_this_machine_is_refused(tmp_path: Path) -> None:
    """The line has no TLS: tokens and keys do not cross it in the clear."""
    done = await start(tmp_path, "--listen", "0.0.0.0:0")
    assert_reads_well(
        done, "can be reached from other machines", "TRUNKLINE_PUBLIC_CERTIFICATE_FILE"
    )


async def test_a_data_directory_in_use_is_refused(tmp_path: Path) -> None:
    """A second process on the same data directory says so, and leaves the first alone."""
    async with Up(tmp_path) as up:
        done = await start(tmp_path)
        assert_reads_well(done, "is in use by another Trunkline", "--data-dir")
        chat = await run("chat", "--model", "sandbox/ok", "Hello", env=up.client)
        assert chat.code == 0, chat.err


async def test_a_data_directory_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    """A path below a file is no directory, whoever asks."""
    (tmp_path / "data").write_text("a file")
    done = await start(tmp_path)
    assert_reads_well(done, str(tmp_path / "data"), "TRUNKLINE_DATA_DIR")
    assert (tmp_path / "data").read_text() == "a file"


async def test_a_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    """A schema that this version does not know is left as it is."""
    async with Up(tmp_path):
        pass
    database = tmp_path / "data" / "catalog.db"
    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    done = await start(tmp_path)
    assert_reads_well(done, "was written by a newer Trunkline", "Start that version again")
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT version_num FROM alembic_version").fetchone() == ("9999",)
    connection.close()


async def test_sealed_rows_without_their_key_are_not_replaced(tmp_path: Path) -> None:
    """When the key-encryption key is gone, no new one is made."""
    async with Up(tmp_path):
        pass
    keys = tmp_path / "config" / "key-encryption-keys.json"
    kept = tmp_path / "kept.json"
    shutil.move(keys, kept)
    done = await start(tmp_path)
    assert_reads_well(done, "key-encryption key", "restore the file")
    assert not keys.exists()
    shutil.move(kept, keys)
    async with Up(tmp_path) as up:
        chat = await run("chat", "--model", "sandbox/ok", "Hello", env=up.client)
        assert chat.code == 0, chat.err


async def test_an_unknown_setting_is_refused_with_the_nearest(tmp_path: Path) -> None:
    """A misspelt variable is an error and not silently ignored; nothing is made."""
    done = await start(tmp_path, env={"TRUNKLINE_LOG_LEVLE": "debug"})
    assert_reads_well(done, "TRUNKLINE_LOG_LEVLE is not a setting", "TRUNKLINE_LOG_LEVEL")
    assert not (tmp_path / "data").exists()


async def test_a_wrong_value_names_its_setting(tmp_path: Path) -> None:
    """The setting, where its value stands, and what it means."""
    done = await start(tmp_path, env={"TRUNKLINE_MAX_RUNS": "many"})
    assert_reads_well(done, "max_runs (environment TRUNKLINE_MAX_RUNS)", "Runs that may go on")
    assert not (tmp_path / "data").exists()


async def test_a_wrong_master_key_is_not_shown(tmp_path: Path) -> None:
    """The setting is named, its value is not."""
    done = await start(tmp_path, env={"TRUNKLINE_MASTER_KEY": "sk-canary-no-key-at-all"})
    assert_reads_well(done, "TRUNKLINE_MASTER_KEY", "base64")
    assert "sk-canary" not in done.err


async def test_others_may_not_read_the_key_file(tmp_path: Path) -> None:
    """A key file that others can read is refused until its mode is mended."""
    async with Up(tmp_path):
        pass
    keys = tmp_path / "config" / "key-encryption-keys.json"
    os.chmod(keys, 0o644)
    done = await start(tmp_path)
    assert_reads_well(done, str(keys), "chmod")


async def test_authorities_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    """A file of certificate authorities that holds none is told before anything is made."""
    file = tmp_path / "authorities.pem"
    file.write_text("no certificate")
    done = await start(tmp_path, env={"TRUNKLINE_PROVIDER_CA_FILE": str(file)})
    assert_reads_well(done, "provider_ca_file (environment TRUNKLINE_PROVIDER_CA_FILE)", "PEM")
    assert str(file) in done.err
    assert not (tmp_path / "data").exists()


async def test_a_wrong_proxy_is_not_shown(tmp_path: Path) -> None:
    """The setting is named and its form; a password that stands in it is not."""
    done = await start(tmp_path, env={"TRUNKLINE_PROVIDER_PROXY": "http://ann:sk-canary-x@proxy"})
    assert_reads_well(done, "provider_proxy (environment TRUNKLINE_PROVIDER_PROXY)", "proxy")
    assert "sk-canary" not in done.err
