"""Bring a service's schema in a PostgreSQL database to its newest version.

Under a lock: of replicas that start together one does it, and the others wait.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final

import asyncpg  # type: ignore[import-untyped] # it ships no types
from sqlalchemy import Connection as SyncConnection
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from trunkline.kernel.database.failure import DatabaseError
from trunkline.kernel.database.postgres_server import Connection, PostgresServer, first_line
from trunkline.kernel.database.versions import is_newest

# Of the server's two numbers that name a lock, the second one; the first is the schema's.
_MIGRATING: Final = 2
_LOCK_WAIT_S: Final = 60
_MIGRATION_LIMIT_S: Final = 600
_ADVICE: Final = "use another database"

# Sorted and compared by bytes, as SQLite and Python do: names and identifiers are
# compared here and there, and must come in the same order.
_SORT_BY_BYTES: Final = """
DO $$
DECLARE found record;
BEGIN
  FOR found IN
    SELECT c.oid::regclass AS place, a.attname AS name, format_type(a.atttypid, a.atttypmod) AS kind
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'r'
      AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attcollation NOT IN (0, 'pg_catalog."C"'::regcollation)
  LOOP
    EXECUTE format(
      'ALTER TABLE %s ALTER COLUMN %I TYPE %s COLLATE "C"', found.place, found.name, found.kind
    );
  END LOOP;
END $$
"""


async def bring_up_to_date(
    connection: Connection, server: PostgresServer, schema: str, migrations: Path, lock_key: int
) -> bool:
    """Make the schema when it is missing, and run every revision that it lacks.

    Args:
        connection: to look with.
        server: to connect to for the revisions.
        schema: its name.
        migrations: the directory of the revisions.
        lock_key: the first of the two numbers that name the schema's locks.

    Returns:
        Whether it was empty.

    Raises:
        DatabaseError: a newer version wrote the schema, a revision fails, the role may not
            make it, or another process has been at it for too long.
    """
    try:
        version = await _read_version(connection, schema)
        if is_newest(version, migrations, database=str(server), advice=_ADVICE):
            return False
        # In a loop of its own: Alembic is one for the process, and who waits for it blocks.
        await asyncio.to_thread(asyncio.run, _migrate(server, schema, migrations, lock_key))
    except (DBAPIError, asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as error:
        raise _failure(error, server, schema) from error
    return version is None


async def _read_version(connection: Connection, schema: str) -> str | None:
    """Return the schema's version; None: it is empty, or missing."""
    table = f"{schema}.alembic_version"
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        return None
    version = await connection.fetchval(f"SELECT version_num FROM {table}")  # noqa: S608 - the name is a constant of ours
    return None if version is None else str(version)


async def _migrate(server: PostgresServer, schema: str, migrations: Path, lock_key: int) -> None:
    """Run the revisions, unless another process did meanwhile; all or none."""
    # Alembic is slow to import and needed only when there is something to do.
    from trunkline.kernel.migration import upgrade, upgrading

    limits = {
        "statement_timeout": str(_MIGRATION_LIMIT_S * 1000),
        "lock_timeout": str(_LOCK_WAIT_S * 1000),
    }
    engine = create_async_engine(
        "postgresql+asyncpg://",
        async_creator=lambda: server.connect(limits),
        poolclass=NullPool,
        hide_parameters=True,
    )

    def run(connection: SyncConnection) -> None:
        connection.execute(
            text("SELECT pg_advisory_xact_lock(:key, :what)"), {"key": lock_key, "what": _MIGRATING}
        )
        exists = text("SELECT 1 FROM pg_namespace WHERE nspname = :name")
        if connection.scalar(exists, {"name": schema}) is None:
            connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
        if inspect(connection).has_table("alembic_version"):
            version = connection.scalar(text("SELECT version_num FROM alembic_version"))
            # Somebody was here between our look and our turn.
            if is_newest(version, migrations, database=str(server), advice=_ADVICE):
                return
        upgrade(connection, migrations)
        connection.exec_driver_sql(_SORT_BY_BYTES)

    # First this process's lock and then the server's: the other way round two services
    # could wait for each other.
    with upgrading:
        try:
            async with engine.begin() as connection:
                await connection.run_sync(run)
        finally:
            await engine.dispose()


def _failure(error: Exception, server: PostgresServer, schema: str) -> DatabaseError:
    """Return the error for a schema that cannot be brought up to date."""
    cause: BaseException = error
    if isinstance(error, DBAPIError) and error.orig is not None:
        cause = error.orig.__cause__ or error.orig
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return DatabaseError(
            f"{server.user} may not make or change the schema {schema} in the database"
            f" {server}: {first_line(cause)}.",
            f"Run there as its owner: CREATE SCHEMA {schema} AUTHORIZATION {server.user}.",
        )
    if isinstance(cause, asyncpg.LockNotAvailableError):
        return DatabaseError(
            f"Another process has been changing the schema {schema} of the database {server}"
            f" for more than {_LOCK_WAIT_S} s.",
            "Wait until it has ended, and start again.",
        )
    return DatabaseError(
        f"The schema {schema} of the database {server} cannot be brought up to date:"
        f" {first_line(cause)}.",
        "It is as it was. Mend what is said, or start the version before again.",
    )
