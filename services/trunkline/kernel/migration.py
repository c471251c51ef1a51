"""Bring a database to its newest schema with Alembic."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import URL, Connection, create_engine
from sqlalchemy.pool import NullPool

# Alembic's `op` is one for the process: two upgrades at once would swap their databases.
# Who upgrades holds it around the whole transaction.
upgrading = threading.Lock()


def upgrade(connection: Connection, migrations: Path) -> None:
    """Run every revision that a database does not have yet; blocking.

    Args:
        connection: in a transaction, which the caller commits: all or none.
        migrations: the directory of the revisions.
    """
    config = Config()
    config.set_main_option("script_location", str(migrations).replace("%", "%%"))
    config.set_main_option("version_locations", str(migrations).replace("%", "%%"))
    config.set_main_option("path_separator", "newline")
    script = ScriptDirectory.from_config(config)

    def revisions(current: Any, context: Any) -> Any:
        del context
        return script._upgrade_revs("head", current)

    with EnvironmentContext(config, script, fn=revisions) as environment:
        environment.configure(connection=connection, transactional_ddl=False)
        environment.run_migrations()


def upgrade_sqlite(database: Path, migrations: Path) -> None:
    """Run every revision that a SQLite file does not have yet; all or none; blocking.

    Args:
        database: the file.
        migrations: the directory of the revisions.
    """
    engine = create_engine(URL.create("sqlite", database=str(database)), poolclass=NullPool)
    with engine.connect() as connection:
        # The driver commits before DDL unless it is told to keep out of transactions.
        connection.connection.driver_connection.isolation_level = None  # type: ignore[union-attr] # sqlite3's own
        connection.exec_driver_sql("BEGIN IMMEDIATE")
        with upgrading:
            upgrade(connection, migrations)
        connection.commit()
    engine.dispose()
