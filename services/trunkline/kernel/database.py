"""One SQLite database per service: opened, locked and brought up to date at start.

Nobody reads another service's database. A lock on a file beside it is held as long as
the service runs: two processes on one database would each believe to be its owner.
"""

from __future__ import annotations

import asyncio
import fcntl
import functools
import inspect
import os
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool
from sqlmodel.ext.asyncio.session import AsyncSession

_WRITES = "trunkline_writes"
_BUSY_TIMEOUT_MS = 5_000

T = TypeVar("T")


class Session(AsyncSession):
    """A transaction whose statements run to their end before a cancellation takes effect.

    A caller that leaves cancels its handler wherever that waits. In the middle of a
    statement the driver would lose the connection, and with it the transaction that is
    open on it and the thread that serves it.
    """


async def _finish(work: Coroutine[Any, Any, T]) -> T:
    """Wait until some work is done; a cancellation of who waits comes after it."""
    task = asyncio.create_task(work)
    interruption: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.wait((task,))
        except asyncio.CancelledError as error:
            interruption = error
    if interruption is not None:
        if not task.cancelled():
            task.exception()  # seen; the cancellation says enough
        raise interruption
    return task.result()


def _finishing(method: Callable[..., Coroutine[Any, Any, T]]) -> Callable[..., Awaitable[T]]:
    """Return a method that runs to its end before a cancellation takes effect."""

    @functools.wraps(method)
    async def finishing(*args: Any, **kwargs: Any) -> T:
        return await _finish(method(*args, **kwargs))

    return finishing


for _name, _method in inspect.getmembers(AsyncSession, inspect.iscoroutinefunction):
    if not _name.startswith("_"):
        setattr(Session, _name, _finishing(_method))


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
    """

    def __init__(self, service: str, data_dir: Path, migrations: Path) -> None:
        self.service = service
        self.path = data_dir / f"{service}.db"
        self._migrations = migrations
        self._lock: IO[bytes] | None = None
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()

    async def open(self) -> None:
        """Lock the database, bring it to the newest version, and connect.

        Raises:
            DatabaseError: the directory cannot be written, another process has the
                database, or a newer version of Trunkline wrote it.
        """
        await asyncio.to_thread(self._prepare)
        engine = create_async_engine(
            f"sqlite+aiosqlite:///{self.path}",
            poolclass=AsyncAdaptedQueuePool,
            pool_size=4,
            max_overflow=0,
            pool_timeout=5,
            connect_args={"timeout": _BUSY_TIMEOUT_MS / 1000},
        )
        event.listen(engine.sync_engine, "connect", _on_connect)
        event.listen(engine.sync_engine, "begin", _on_begin)
        self._engine = engine

    async def close(self) -> None:
        """Disconnect and give the database free."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            await _finish(engine.dispose())
        if self._lock is not None:
            self._lock.close()
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
            return await _finish(_checkpoint(self._connected()))

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
        try:
            yield session
            await session.commit()
        except BaseException:
            await session.rollback()
            raise
        finally:
            await session.close()

    def _prepare(self) -> None:
        """Lock and migrate; blocking."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = (self.path.parent / f"{self.service}.lock").open("ab")
        except OSError as error:
            raise DatabaseError(
                f"The data directory {self.path.parent} cannot be written: {error.strerror}.",
                "Choose another one with --data-dir or TRUNKLINE_DATA_DIR, or mend its rights.",
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.close()
            raise DatabaseError(
                f"The data directory {self.path.parent} is in use by another Trunkline.",
                "Stop that one, or choose another directory with --data-dir.",
            ) from error
        self._lock = lock
        try:
            self._migrate()
        except BaseException:
            lock.close()
            self._lock = None
            raise

    def _migrate(self) -> None:
        """Bring the schema to the newest version; blocking."""
        revisions = sorted(path.name.split("_")[0] for path in self._migrations.glob("[0-9]*.py"))
        # Made by us, so that nobody else can read it from the first byte on.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        version = _read_version(self.path)
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

        upgrade(self.path, self._migrations)


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


def _read_version(path: Path) -> str | None:
    """Return the schema's version; None: the database is empty."""
    with sqlite3.connect(path) as connection:
        try:
            row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
        except sqlite3.OperationalError:
            return None
        except sqlite3.DatabaseError as error:
            raise DatabaseError(
                f"The file {path} is no database of ours: {error}.",
                "Restore it from a backup, or choose another data directory.",
            ) from error
        finally:
            connection.rollback()
    connection.close()
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
    cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
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
