"""A database is opened by one process, brought up to date whole, or left as it was."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.kernel import storing
from trunkline.kernel.database import DatabaseError, SqliteDatabase

HOLD = """
import asyncio, sys
from pathlib import Path
from trunkline.kernel.database import SqliteDatabase

async def hold():
    database = SqliteDatabase("notes", Path(sys.argv[1]), Path(sys.argv[2]))
    await database.open()
    print("open", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await database.close()

asyncio.run(hold())
"""


@pytest.fixture
def no_umask() -> Iterator[None]:
    """Take nothing from the modes that are asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


async def refused(database: SqliteDatabase) -> DatabaseError:
    """Return why a database does not open, in a sentence and an advice; it must not."""
    with pytest.raises(DatabaseError) as caught:
        await database.open()
    error = caught.value
    assert error.what.endswith(".")
    assert error.advice.endswith(".")
    assert "\n" not in error.what
    return error


def version(path: Path) -> str:
    """Return the schema's version that a file holds."""
    connection = sqlite3.connect(path)
    try:
        return str(connection.execute("SELECT version_num FROM alembic_version").fetchone()[0])
    finally:
        connection.close()


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path) -> None:
    """In the file that the service is named after."""
    for number in range(3):
        kept = storing.database(tmp_path)
        await kept.open()
        assert await storing.texts(kept) == [f"note {n}" for n in range(number)]
        async with kept.write() as session:
            await storing.add(session, f"note {number}")
        await kept.close()
        await kept.close()
    assert (tmp_path / "data" / "notes.db").is_file()


async def test_a_closed_database_answers_nothing(tmp_path: Path) -> None:
    """And says so."""
    kept = storing.database(tmp_path)
    with pytest.raises(RuntimeError, match="the database of notes is not open"):
        await storing.texts(kept)


async def test_two_processes_do_not_share_a_database(tmp_path: Path) -> None:
    """The second is told; when the first has gone, by itself or killed, it is free."""
    kept = storing.database(tmp_path)
    arguments = [sys.executable, "-c", HOLD, str(tmp_path / "data"), str(tmp_path / "migrations")]
    for killed in (False, True):
        with subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as first:
            assert first.stdout is not None
            assert first.stdin is not None
            assert first.stdout.readline() == "open\n"
            error = await refused(kept)
            assert error.what == (
                f"The data directory {tmp_path / 'data'} is in use by another Trunkline."
            )
            if killed:
                first.send_signal(signal.SIGKILL)
            else:
                first.stdin.write("\n")
                first.stdin.close()
            first.wait(timeout=20)
        await kept.open()
        await kept.close()


async def test_one_process_does_not_open_a_database_twice(tmp_path: Path) -> None:
    """Two services that were given one name would be one too many."""
    kept, again = storing.database(tmp_path), storing.database(tmp_path)
    await kept.open()
    assert "in use" in (await refused(again)).what
    await kept.close()
    await again.open()
    await again.close()


async def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    """An older program would not know what it destroys; the file stays as it is."""
    kept = storing.database(tmp_path)
    await kept.open()
    await kept.close()
    connection = sqlite3.connect(kept.path)
    connection.execute("UPDATE alembic_version SET version_num = '0099'")
    connection.commit()
    connection.close()
    before = kept.path.read_bytes()
    error = await refused(kept)
    assert error.what == (
        f"The database {kept.path} was written by a newer Trunkline"
        " (schema 0099; this one knows up to 0001)."
    )
    assert kept.path.read_bytes() == before
    assert "in use" not in (await refused(kept)).what


@pytest.mark.parametrize("content", [b"this is no database, though it is long enough " * 100])
async def test_a_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """It is not overwritten, and the lock is free again."""
    kept = storing.database(tmp_path)
    (tmp_path / "data").mkdir()
    kept.path.write_bytes(content)
    error = await refused(kept)
    assert str(kept.path) in error.what
    assert "backup" in error.advice
    assert kept.path.read_bytes() == content
    kept.path.unlink()
    await kept.open()
    await kept.close()


async def test_a_damaged_database_is_refused(tmp_path: Path) -> None:
    """Pages that a crash of the disk left are no schema that is missing."""
    kept = storing.database(tmp_path)
    await kept.open()
    await kept.close()
    content = bytearray(kept.path.read_bytes())
    content[100:2048] = bytes(1948)
    kept.path.write_bytes(content)
    assert "cannot be read as a database" in (await refused(kept)).what
    assert kept.path.read_bytes() == content


async def test_a_data_directory_below_a_file_is_refused(tmp_path: Path) -> None:
    """Whoever runs this, root too, cannot write there."""
    (tmp_path / "file").write_text("")
    kept = SqliteDatabase("notes", tmp_path / "file" / "data", tmp_path)
    error = await refused(kept)
    assert error.what == (
        f"The data directory {tmp_path / 'file' / 'data'} cannot be written: Not a directory."
    )
    assert "--data-dir" in error.advice


async def test_a_directory_in_the_databases_place_is_refused(tmp_path: Path) -> None:
    """And the lock is free again."""
    kept = storing.database(tmp_path)
    kept.path.mkdir(parents=True)
    assert "cannot be written" in (await refused(kept)).what
    kept.path.rmdir()
    await kept.open()
    await kept.close()


@pytest.mark.usefixtures("no_umask")
async def test_all_files_are_this_users_alone(tmp_path: Path) -> None:
    """The database, its log and its index, and the lock; whatever the umask is."""
    kept = storing.database(tmp_path)
    await kept.open()
    async with kept.write() as session:
        await storing.add(session, "private")
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in kept.path.parent.iterdir()}
    assert modes == dict.fromkeys(["notes.db", "notes.db-wal", "notes.db-shm", "notes.lock"], 0o600)
    assert stat.S_IMODE(kept.path.parent.stat().st_mode) == 0o700
    await kept.close()


async def test_a_database_that_others_could_read_is_closed_to_them(tmp_path: Path) -> None:
    """Such as one that was restored from a backup."""
    kept = storing.database(tmp_path)
    await kept.open()
    await kept.close()
    kept.path.chmod(0o644)
    await kept.open()
    assert stat.S_IMODE(kept.path.stat().st_mode) == 0o600
    await kept.close()


@pytest.mark.parametrize("name", ["a b", "50%25", "q?mode=memory", "h#1", "ünï"])
async def test_a_data_directory_may_have_any_name(tmp_path: Path, name: str) -> None:
    """What would mean something in an address means nothing here."""
    (tmp_path / name).mkdir()
    for _ in range(2):
        kept = storing.database(tmp_path / name)
        await kept.open()
        async with kept.write() as session:
            await storing.add(session, "x")
        await kept.close()
    assert kept.path == tmp_path / name / "data" / "notes.db"
    assert kept.path.stat().st_size > 4096
    assert sorted(path.name for path in tmp_path.iterdir()) == [name]


async def test_a_new_version_brings_the_schema_up_to_date(tmp_path: Path) -> None:
    """What was written stays; each revision runs once."""
    kept = storing.database(tmp_path)
    await kept.open()
    async with kept.write() as session:
        await storing.add(session, "old")
    await kept.close()
    later = (
        storing.migration(2, "op.execute(\"UPDATE note SET text = text || '!'\")"),
        storing.migration(3, "op.execute(\"INSERT INTO note (text) VALUES ('new')\")"),
    )
    for _ in range(2):
        kept = storing.database(tmp_path, *later)
        await kept.open()
        assert await storing.texts(kept) == ["old!", "new"]
        await kept.close()
        assert version(kept.path) == "0003"


async def test_a_revision_that_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    """Also the revisions before it, and what it did itself until then."""
    kept = storing.database(tmp_path)
    await kept.open()
    async with kept.write() as session:
        await storing.add(session, "old")
    await kept.close()
    later = (
        storing.migration(2, 'op.execute("CREATE TABLE half (id INTEGER)")'),
        storing.migration(
            3,
            "op.execute(\"UPDATE note SET text = 'changed'\")",
            'op.execute("INSERT INTO nowhere VALUES (1)")',
        ),
    )
    error = await refused(storing.database(tmp_path, *later))
    assert "cannot be brought up to date" in error.what
    assert "nowhere" in error.what
    assert version(kept.path) == "0001"
    for file in sorted((tmp_path / "migrations").glob("000[23]*")):
        file.unlink()
    await kept.open()
    assert await storing.texts(kept) == ["old"]
    async with kept.read() as session:
        tables = await session.exec(storing.table_names())
        assert "half" not in set(tables)
    await kept.close()


async def test_a_first_start_that_fails_can_be_repeated(tmp_path: Path) -> None:
    """Nothing half-written is in the way."""
    broken = storing.migration(2, 'op.execute("no such statement")')
    await refused(storing.database(tmp_path, broken))
    (tmp_path / "migrations" / "0002_step.py").unlink()
    kept = storing.database(tmp_path)
    await kept.open()
    assert await storing.texts(kept) == []
    await kept.close()
