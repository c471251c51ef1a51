"""One database per service: SQLite in the data directory, or PostgreSQL by a URL.

Nobody reads another service's database. Both kinds give the same promises: transactions
that write come one after the other over all processes that share a database, one that
reads sees one moment, and a start brings the schema up to date or refuses.
"""

from __future__ import annotations

from pathlib import Path

from trunkline.kernel.database.failure import STORE_FAILURES, DatabaseError, StoreUnavailable
from trunkline.kernel.database.settings import DatabaseSettings
from trunkline.kernel.database.sqlite import SqliteDatabase
from trunkline.kernel.database.transactions import Database
from trunkline.kernel.session import Session

__all__ = [
    "STORE_FAILURES",
    "Database",
    "DatabaseError",
    "DatabaseSettings",
    "Session",
    "SqliteDatabase",
    "StoreUnavailable",
    "choose_database",
]


def choose_database(
    service: str,
    data_dir: Path,
    settings: DatabaseSettings,
    migrations: Path,
    *,
    is_exclusive: bool = True,
) -> Database:
    """Return the database of a service, not open yet.

    Args:
        service: the service's name; the file or the schema is named after it.
        data_dir: the directory of the file, where no URL is set.
        settings: of the process.
        migrations: the directory of the service's Alembic revisions, each in a file
            `{revision}_{subject}.py` whose revision is four digits.
        is_exclusive: where it is a file, one process has it for itself.
    """
    if settings.database_url is None:
        return SqliteDatabase(service, data_dir, migrations, is_exclusive=is_exclusive)
    # Its driver is imported only where it is used.
    from trunkline.kernel.database.postgres import PostgresDatabase

    return PostgresDatabase(service, settings, migrations)
