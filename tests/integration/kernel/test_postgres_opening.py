"""A PostgreSQL database is entered safely, brought up to date once, or left as it was."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path

import pytest
from pydantic import SecretStr

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from integration.kernel.opening import database_name, refused
from support.postgres import PASSWORD, PASSWORD_IN_URL, USER, PostgresServer
from trunkline.kernel.database import DatabaseSettings
from trunkline.kernel.database.postgres import PostgresDatabase


async def version(server: PostgresServer, url: str) -> str | None:
    """Return the schema's version."""
    rows = await server.run(
        "SELECT version_num FROM notes.alembic_version", database=database_name(url)
    )
    return str(rows[0][0]) if rows else None


async def test_what_was_written_is_there_after_a_restart(tmp_path: Path, postgres_url: str) -> None:
    """In a schema that the service is named after, and nowhere else."""
    for number in range(3):
        kept = storing.shared_database(tmp_path, postgres_url)
        await kept.open()
        assert await storing.texts(kept) == [f"note {n}" for n in range(number)]
        async with kept.write() as session:
            await storing.add(session, f"note {number}")
        await kept.close()
        await kept.close()
    assert not (tmp_path / "data").exists()


async def test_replicas_that_start_together_migrate_once(tmp_path: Path, postgres_url: str) -> None:
    """One does it and the others wait; all of them serve."""
    replicas = [storing.shared_database(tmp_path, postgres_url) for _ in range(4)]
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(replica.open() for replica in replicas))
    for number, replica in enumerate(replicas):
        await storing.note(replica, f"{number}")
    assert [await storing.texts(replica) for replica in replicas] == [["0", "1", "2", "3"]] * 4
    await asyncio.gather(*(replica.close() for replica in replicas))


async def test_a_new_version_brings_the_schema_up_to_date(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    """What was written stays; each revision runs once."""
    kept = storing.shared_database(tmp_path, postgres_url)
    await kept.open()
    async with kept.write() as session:
        await storing.add(session, "old")
    await kept.close()
    later = (
        storing.migration(2, "op.execute(\"UPDATE note SET text = text || '!'\")"),
        storing.migration(3, "op.execute(\"INSERT INTO note (text) VALUES ('new')\")"),
    )
    for _ in range(2):
        kept = storing.shared_database(tmp_path, postgres_url, *later)
        await kept.open()
        assert await storing.texts(kept) == ["old!", "new"]
        await kept.close()
        assert await version(postgres, postgres_url) == "0003"


async def test_a_newer_schema_is_refused(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    """An older program would not know what it destroys."""
    later = storing.migration(2, 'op.execute("CREATE TABLE more (id INTEGER)")')
    (tmp_path / "newer").mkdir()
    newer = storing.shared_database(tmp_path / "newer", postgres_url, later)
    await newer.open()
    await newer.close()
    error = await refused(storing.shared_database(tmp_path, postgres_url))
    assert error.what == (
        f"The database {database_name(postgres_url)} on {postgres.socket_dir}"
        f"/.s.PGSQL.{postgres.port} was written by a newer Trunkline"
        " (schema 0002; this one knows up to 0001)."
    )
    assert await version(postgres, postgres_url) == "0002"


async def test_a_revision_that_fails_leaves_everything_as_it_was(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    """Also the revisions before it, and what it did itself until then."""
    kept = storing.shared_database(tmp_path, postgres_url)
    await kept.open()
    await storing.note(kept, "old")
    await kept.close()
    later = (
        storing.migration(2, 'op.execute("CREATE TABLE half (id INTEGER)")'),
        storing.migration(
            3,
            "op.execute(\"UPDATE note SET text = 'changed'\")",
            'op.execute("INSERT INTO nowhere VALUES (1)")',
        ),
    )
    error = await refused(storing.shared_database(tmp_path, postgres_url, *later))
    assert "The schema notes" in error.what
    assert "cannot be brought up to date" in error.what
    assert "nowhere" in error.what
    assert await version(postgres, postgres_url) == "0001"
    for file in sorted((tmp_path / "migrations").glob("000[23]*")):
        file.unlink()
    await kept.open()
    assert await storing.texts(kept) == ["old"]
    await kept.close()
    half = await postgres.run(
        "SELECT to_regclass('notes.half')", database=database_name(postgres_url)
    )
    assert half[0][0] is None


async def test_text_is_sorted_by_bytes(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    """As on SQLite and in Python, however the database sorts: also what comes later."""
    later = storing.migration(2, 'op.execute("CREATE TABLE more (name VARCHAR(40), n INTEGER)")')
    kept = storing.shared_database(tmp_path, postgres_url, later)
    await kept.open()
    words = ["b", "B", "a-b", "ab", "a", "Z", "ä", "~", "_"]
    async with kept.write() as session:
        await storing.add(session, *words)
    await kept.close()
    name = database_name(postgres_url)
    rows = await postgres.run("SELECT text FROM notes.note ORDER BY text", database=name)
    assert [row[0] for row in rows] == sorted(words)
    collations = await postgres.run(
        "SELECT table_name, collation_name FROM information_schema.columns"
        " WHERE table_schema = 'notes' AND data_type = 'character varying'",
        database=name,
    )
    assert {row[0]: row[1] for row in collations} == dict.fromkeys(
        ["alembic_version", "lease", "more", "note"], "C"
    )


async def test_each_service_can_have_a_role_that_sees_its_own_schema_alone(
    tmp_path: Path, postgres: PostgresServer, postgres_url: str
) -> None:
    """It needs no right to make schemas; without one it is told what to run."""
    name = database_name(postgres_url)
    role = f"notes_{name}"
    await postgres.run(f"CREATE ROLE {role} LOGIN")
    try:
        url = postgres.url(name, user=role)
        error = await refused(storing.shared_database(tmp_path, url))
        assert f"{role} may not make or change the schema notes" in error.what
        statement = f"CREATE SCHEMA notes AUTHORIZATION {role}"
        assert statement in error.advice
        await postgres.run(statement, database=name)
        kept = storing.shared_database(tmp_path, url)
        await kept.open()
        await storing.note(kept, "a")
        assert await storing.texts(kept) == ["a"]
        await kept.close()
    finally:
        await postgres.run(f"DROP OWNED BY {role} CASCADE", database=name)
        await postgres.run(f"DROP ROLE {role}")


async def test_a_server_that_is_not_there_is_waited_for_and_told(tmp_path: Path) -> None:
    """Which server, and how long; not as whom with which password."""
    url = f"postgresql://{USER}:{PASSWORD_IN_URL}@127.0.0.1:1/trunkline"
    loop = asyncio.get_running_loop()
    begun = loop.time()
    kept = storing.shared_database(tmp_path, url, database_wait_s=0.6)
    error = await refused(kept)
    assert loop.time() - begun >= 0.25
    assert error.what.startswith(
        "The database trunkline on 127.0.0.1:1 cannot be reached within 0.6 s: "
    )
    assert "Start PostgreSQL" in error.advice
    assert PASSWORD not in repr(kept.__dict__)


async def test_a_server_that_comes_up_later_is_found(tmp_path: Path) -> None:
    """Everything starts together, and the database is the slowest."""
    server = PostgresServer()
    try:
        await asyncio.to_thread(server.create)
        kept = storing.shared_database(tmp_path, server.url("postgres"), database_wait_s=LIMIT_S)
        opening = asyncio.create_task(kept.open())
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.1):
                await asyncio.shield(opening)
        assert not opening.done()
        # In this thread: the kernel ends the server with the thread that started it.
        server.start()
        async with asyncio.timeout(LIMIT_S):
            await opening
        assert await storing.texts(kept) == []
        await kept.close()
    finally:
        server.close()


@pytest.mark.parametrize(
    ("password", "database", "said"),
    [
        ("wrong", "postgres", "password authentication failed"),
        (PASSWORD_IN_URL, "nowhere", 'database "nowhere" does not exist'),
    ],
)
async def test_a_server_that_refuses_is_not_waited_for(
    tmp_path: Path, postgres: PostgresServer, password: str, database: str, said: str
) -> None:
    """Waiting would not help; what it says is told."""
    url = postgres.tcp_url(database, password=password)
    error = await refused(storing.shared_database(tmp_path, url, database_wait_s=3600))
    assert said in error.what
    assert "wrong" not in error.what + error.advice


async def test_a_password_comes_from_a_file(tmp_path: Path, postgres: PostgresServer) -> None:
    """It is read at every connection, so that it can be changed; a bad file is named."""
    file = tmp_path / "password"
    url = f"postgresql://{USER}@127.0.0.1:{postgres.port}/postgres"
    kept = storing.shared_database(tmp_path, url, database_password_file=str(file))
    assert f"cannot be read from {file}: No such file" in (await refused(kept)).what
    file.write_text("wrong\n")
    assert "password authentication failed" in (await refused(kept)).what
    file.write_text(f"{PASSWORD}\n")
    async with postgres.database(storing.NOTES_TEMPLATE) as own:
        url = f"postgresql://{USER}@127.0.0.1:{postgres.port}/{database_name(own)}"
        kept = storing.shared_database(tmp_path, url, database_password_file=str(file))
        await kept.open()
        assert await storing.texts(kept) == []
        await kept.close()


async def test_text_that_is_not_utf8_is_refused(tmp_path: Path, postgres: PostgresServer) -> None:
    """What people write would not fit."""
    name = "ascii_only"
    await postgres.run(
        f"CREATE DATABASE {name} ENCODING 'SQL_ASCII' LOCALE_PROVIDER libc LOCALE 'C'"
        " TEMPLATE template0"
    )
    try:
        error = await refused(storing.shared_database(tmp_path, postgres.url(name)))
        assert "SQL_ASCII" in error.what
    finally:
        await postgres.run(f"DROP DATABASE {name}")


def test_no_password_is_shown(postgres: PostgresServer) -> None:
    """Neither by the settings nor by what is made of them."""
    url = postgres.tcp_url("postgres")
    settings = DatabaseSettings(database_url=SecretStr(url))
    database = PostgresDatabase("notes", settings, Path())
    for shown in (repr(settings), repr(database), repr(vars(database)), database.location):
        assert PASSWORD not in shown
        assert PASSWORD_IN_URL not in shown
    assert database.location == f"127.0.0.1:{postgres.port}/postgres"
