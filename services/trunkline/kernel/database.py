"""One SQLite database per service: opened, locked and brought up to date at start.

Nobody reads another service's database. A lock on a file beside it is held as long as
the service runs: two processes on one database would each believe to be its owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from trunkline.kernel.session import Session, finish

__all__ = ["Database", "DatabaseError", "Session"]

_WRITES = "trunkline_writes"
BUSY_TIMEOUT_S = 5.0
_CLOSE_WAIT_S = 2 * BUSY_TIMEOUT_S


class DatabaseError(Exception):
    """A database cannot be opened.

    Args:
        what: one sentence: what is wrong.
        advice: one sentence: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


class Database:
    """The database of one service.

    Args:
        service: the service's name; the file is `{service}.db`.
        data_dir: the directory it lies in; made when it is missing.
        migrations: the directory of the service's Alembic revisions, each in a file
            `{revision}_{subject}.py` whose revision is four digits.
        busy_timeout_s: how long, in seconds, a statement waits for a lock that another
            program holds, such as one that makes a backup.
    """

    def __init__(
        self,
        service: str,
        data_dir: Path,
        migrations: Path,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
    ) -> None:
        self.service = service
        self.path = data_dir / f"{service}.db"
        self._migrations = migrations
        self._busy_timeout_s = busy_timeout_s
        self._lock: int | None = None
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()
        self._transactions = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def open(self) -> None:
        """Lock the database, bring it to the newest version, and connect.

        Raises:
            DatabaseError: the directory cannot be written, another process has the
                database, or a newer version of Trunkline wrote it.
        """
        await asyncio.to_thread(self._prepare)
        engine = create_async_engine(
            # Not as text: a path may hold what a URL gives a meaning.
            URL.create("sqlite+aiosqlite", database=str(self.path)),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=4,
            max_overflow=0,
            pool_timeout=5,
            connect_args={"timeout": self._busy_timeout_s},
        )
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        self._engine = engine
        try:
            # Now, and not at the first call: what is wrong with it is told at the start.
            async with engine.connect():
                pass
        except DBAPIError as error:
            await self.close()
            raise _damaged(self.path, error.orig) from error

    async def close(self) -> None:
        """Disconnect and give the database free, when the transactions under way are over."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            # A connection that is in use would not be closed with the others.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_WAIT_S):
                    await self._idle.wait()
            await finish(engine.dispose())
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Open a transaction that writes: committed at the end, rolled back on an error."""
        async with self._writing, self._session(writes=True) as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Open a transaction that reads: what it sees does not change under it."""
        async with self._session(writes=False) as session:
            yield session

    async def checkpoint(self) -> bool:
        """Move what was committed into the database file, and empty the log beside it.

        Until then the log still holds the pages as they were before a deletion.

        Returns:
            Whether it was done. False: a reader or another connection was in the way
            for the whole wait, or the disk did not take it.
        """
        async with self._writing:
            return await finish(_checkpoint(self._connected()))

    def _connected(self) -> AsyncEngine:
        """Return the engine of a database that is open."""
        if self._engine is None:
            raise RuntimeError(f"the database of {self.service} is not open")
        return self._engine

    @asynccontextmanager
    async def _session(self, *, writes: bool) -> AsyncIterator[Session]:
        """Connect with the kind of transaction that is wanted."""
        session = Session(
            self._connected().execution_options(**{_WRITES: writes}), expire_on_commit=False
        )
        self._transactions += 1
        self._idle.clear()
        try:
            yield session
            await session.commit()
        except BaseException:
            await session.rollback()
            raise
        finally:
            try:
                await session.close()
            finally:
                self._transactions -= 1
                if not self._transactions:
                    self._idle.set()

    def _prepare(self) -> None:
        """Lock and migrate; blocking."""
        directory = self.path.parent
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _open_private(self.path.with_suffix(".lock"))
        except OSError as error:
            raise _unwritable(directory, error) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._migrate()
        except BaseException as error:
            os.close(lock)
            if isinstance(error, BlockingIOError):
                raise DatabaseError(
                    f"The data directory {directory} is in use by another Trunkline.",
                    "Stop that one, or choose another directory with --data-dir.",
                ) from error
            if isinstance(error, OSError):
                raise _unwritable(directory, error) from error
            raise
        self._lock = lock

    def _migrate(self) -> None:
        """Bring the schema to the newest version; blocking."""
        revisions = sorted(path.name.split("_")[0] for path in self._migrations.glob("[0-9]*.py"))
        # Made by us, so that nobody else can read it from the first byte on; SQLite gives
        # its rights to the log beside it.
        file = _open_private(self.path)
        try:
            os.fchmod(file, 0o600)
        finally:
            os.close(file)
        try:
            version = _read_version(self.path, self._busy_timeout_s)
        except sqlite3.Error as error:
            raise _damaged(self.path, error) from error
        if version == revisions[-1]:
            return
        if version is not None and version not in revisions:
            raise DatabaseError(
                f"The database {self.path} was written by a newer Trunkline"
                f" (schema {version}; this one knows up to {revisions[-1]}).",
                "Start that version again, or choose another data directory.",
            )
        # Alembic is slow to import and needed only when there is something to do.
        from trunkline.kernel.migration import upgrade

        try:
            upgrade(self.path, self._migrations)
        except DBAPIError as error:
            raise DatabaseError(
                f"The database {self.path} cannot be brought up to date: {error.orig}.",
                "It is as it was. Mend what is said, or start the version before again.",
            ) from error


def _open_private(path: Path) -> int:
    """Open a file to write; one that is made is this user's alone."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _unwritable(directory: Path, error: OSError) -> DatabaseError:
    """Return the error for a data directory that cannot be written."""
    return DatabaseError(
        f"The data directory {directory} cannot be written: {error.strerror or error}.",
        "Choose another one with --data-dir or TRUNKLINE_DATA_DIR, or mend its rights.",
    )


def _damaged(path: Path, error: BaseException | None) -> DatabaseError:
    """Return the error for a file that SQLite does not take."""
    return DatabaseError(
        f"The file {path} cannot be read as a database: {error}.",
        "Restore it from a backup, or choose another data directory.",
    )


async def _checkpoint(engine: AsyncEngine) -> bool:
    """Empty the log; tell whether nothing was in the way."""
    async with engine.connect() as connection:
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        try:
            # Past SQLAlchemy, which would open a transaction around it.
            async with driver.execute("PRAGMA wal_checkpoint(TRUNCATE)") as cursor:
                (busy, *_) = await cursor.fetchone()
        except sqlite3.Error:
            return False
        return not busy


def _read_version(path: Path, busy_timeout_s: float) -> str | None:
    """Return the schema's version; None: the database is empty.

    Raises:
        sqlite3.Error: it cannot be read.
    """
    with contextlib.closing(sqlite3.connect(path, timeout=busy_timeout_s)) as connection:
        found = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'alembic_version'"
        ).fetchone()
        if found is None:
            return None
        row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def _on_connect(connection: Any, record: Any) -> None:
    """Set up a new connection."""
    del record
    # The driver would begin transactions by itself, and late.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=NORMAL")
    cursor.execute("PRAGMA foreign_keys=ON")
    # What is deleted is overwritten: a removed key does not linger in a free page.
    cursor.execute("PRAGMA secure_delete=ON")
    cursor.close()


def _on_begin(connection: Any) -> None:
    """Begin a transaction of the kind that is wanted.

    One that writes takes its lock at once: a reader that turns writer in the middle
    could only fail.
    """
    writes = connection.get_execution_options().get(_WRITES, False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
