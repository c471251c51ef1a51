"""A service's store as it is seen behind the service's back."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped] # it ships no types
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, MetaData
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

# What the store says of a change that it was told to refuse.
REFUSAL = "the disk is on fire"


class Store:
    """The database of one service.

    Args:
        service: its name.
        data_dir: holds the file, for SQLite.
        url: of a PostgreSQL database; empty: SQLite.
    """

    def __init__(self, service: str, data_dir: Path, url: str) -> None:
        self._service = service
        self._url = url
        self.path = data_dir / f"{service}.db"

    @property
    def variables(self) -> dict[str, str]:
        """The environment of a process that uses it."""
        return {"TRUNKLINE_DATABASE_URL": self._url} if self._url else {}

    async def run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read or change it; `?` in the statement stand for the values."""
        return await self.run_all([(statement, values)])

    async def run_all(
        self, statements: Sequence[tuple[str, Sequence[object]]]
    ) -> list[tuple[Any, ...]]:
        """Run statements, each with its values; return what the last one gives."""
        if not self._url:
            # The service may be writing, and goes on only while the loop does.
            return await asyncio.to_thread(self._run_sqlite, statements)
        connection = await self._connect()
        rows = []
        try:
            for statement, values in statements:
                rows = await connection.fetch(_number(statement), *values)
        finally:
            await connection.close()
        return [tuple(row) for row in rows]

    async def refuse(self, table: str, column: str = "", value: str = "") -> None:
        """Refuse rows of a table, new or changed, as a failing disk would.

        Args:
            table: of the store.
            column: only those with a value in this column; empty: all.
            value: without quotes.
        """
        if self._url:
            check = f"{column} <> '{value}'" if column else "false"
            await self.run(
                f'ALTER TABLE {table} ADD CONSTRAINT "{REFUSAL}" CHECK ({check}) NOT VALID'
            )
            return
        when = f"WHEN NEW.{column} = '{value}'" if column else ""
        for event in ("INSERT", "UPDATE"):
            await self.run(
                f"CREATE TRIGGER refuse_{event} BEFORE {event} ON {table} {when}"
                f" BEGIN SELECT RAISE(ABORT, '{REFUSAL}'); END"
            )

    async def accept(self, table: str) -> None:
        """Refuse nothing more."""
        if self._url:
            await self.run(f'ALTER TABLE {table} DROP CONSTRAINT "{REFUSAL}"')
            return
        for event in ("INSERT", "UPDATE"):
            await self.run(f"DROP TRIGGER refuse_{event}")

    async def booleans(self) -> set[tuple[Any, ...]]:
        """Return table and column of whatever takes truth values and no numbers."""
        if not self._url:
            return set()
        return set(
            await self.run(
                "SELECT table_name, column_name FROM information_schema.columns"
                " WHERE table_schema = current_schema() AND data_type = 'boolean'"
            )
        )

    async def differences(self, metadata: MetaData) -> list[Any]:
        """Return in what the schema differs from the one that tables declare."""

        def compare(connection: Connection) -> list[Any]:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, metadata))

        if self._url:
            engine = create_async_engine(
                "postgresql+asyncpg://", async_creator=self._connect, poolclass=NullPool
            )
        else:
            engine = create_async_engine(f"sqlite+aiosqlite:///{self.path}", poolclass=NullPool)
        async with engine.connect() as connection:
            found = await connection.run_sync(compare)
        await engine.dispose()
        return found

    async def _connect(self) -> Any:
        """Connect as the service does, to its schema."""
        return await asyncpg.connect(self._url, server_settings={"search_path": self._service})

    def _run_sqlite(self, statements: Sequence[tuple[str, Sequence[Any]]]) -> list[tuple[Any, ...]]:
        """Read or change a file; blocking."""
        rows = []
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            for statement, values in statements:
                rows = connection.execute(statement, values).fetchall()
            connection.commit()
        return rows


def _number(statement: str) -> str:
    """Return a statement with its places numbered, as PostgreSQL wants them."""
    numbers = itertools.count(1)
    return re.sub(r"\?", lambda _: f"${next(numbers)}", statement)
