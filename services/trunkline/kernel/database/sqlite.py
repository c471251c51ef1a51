"""A service's SQLite database: opened, locked and brought up to date at start.

A lock on a file beside it is held as long as the service runs: two processes on one
database would each believe to be its owner. Where they need not be, as several processes of
one service that only add rows, it is held while the file is made ready, and no longer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
import time
from asyncio import to_thread
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final

import sqlalchemy as sa
from sqlalchemy import URL, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from trunkline.kernel.database.failure import DatabaseError, StoreUnavailable
from trunkline.kernel.database.transactions import TURN_WAIT_S, Database
from trunkline.kernel.database.versions import is_newest
from trunkline.kernel.session import Session, finish

BUSY_TIMEOUT_S = 5.0
_WRITES = "trunkline_writes"
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
# How long one waits for another that makes the file ready, and how often it looks.
_READY_WAIT_S: Final = 15.0
_READY_PAUSE_S: Final = 0.02


class SqliteDatabase(Database):
    """The database of one service in a file.

    Args:
        service: the service's name; the file is `{service}.db`.
        data_dir: the directory it lies in; made when it is missing.
        migrations: the directory of the service's Alembic revisions.
        busy_timeout_s: how long, in seconds, a statement waits for a lock that another
            program holds, such as one that makes a backup.
        turn_wait_s: how long, in seconds, a transaction waits for a connection, and one
            that writes for those before it.
        is_exclusive: this process has the file for itself. Else others of this machine write
            to it, too, and nobody is told of what they change.

    Attributes:
        path: the file.
    """

    kind: ClassVar[str] = "sqlite"

    def __init__(
        self,
        service: str,
        data_dir: Path,
        migrations: Path,
        *,
        busy_timeout_s: float = BUSY_TIMEOUT_S,
        turn_wait_s: float = TURN_WAIT_S,
        is_exclusive: bool = True,
    ) -> None:
        super().__init__(service, turn_wait_s=turn_wait_s)
        self.is_shared = not is_exclusive
        self.path = data_dir / f"{service}.db"
        self._migrations = migrations
        self._busy_timeout_s = busy_timeout_s
        self._lock: int | None = None

    @property
    def location(self) -> str:
        """The file."""
        return str(self.path)

    async def open(self) -> None:
        """Lock the database, bring it to the newest version, and connect.

        Raises:
            DatabaseError: the directory cannot be written, another process has the
                database or does not come to an end with making it ready, or a newer
                version of Trunkline wrote it.
        """
        await to_thread(self._prepare)
        engine = create_async_engine(
            # Not as text: a path may hold what a URL gives a meaning.
            URL.create("sqlite+aiosqlite", database=str(self.path)),
            poolclass=AsyncAdaptedQueuePool,
            pool_size=4,
            max_overflow=0,
            pool_timeout=self._turn_wait_s,
            connect_args={"timeout": self._busy_timeout_s},
            # An error with its statement's values would carry them into the log.
            hide_parameters=True,
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
        await super().close()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def checkpoint(self) -> bool:
        """Move what was committed into the database file, and empty the log beside it.

        Until then the log still holds the pages as they were before a deletion.

        Returns:
            Whether it was done. False: writers, a reader or another connection were in
            the way for the whole wait, or the disk did not take it.
        """
        try:
            async with self._turn():
                return await finish(_checkpoint(self._connected()))
        except StoreUnavailable:
            return False

    def subscribe(self, subject: str, wake: Callable[[], None]) -> None:
        """Do nothing: no other process changes what anybody watches here."""

    async def _read_clock(self, session: Session) -> None:
        """Have a statement answered: a file has no clock."""
        await session.exec(sa.select(sa.literal(1)))  # type: ignore[call-overload] # typed for SQLModel's select

    def _options(self, *, writes: bool) -> dict[str, Any]:
        """Return the mark by which a connection knows how to begin."""
        return {_WRITES: writes}

    @asynccontextmanager
    async def _begun(self, session: Session, *, writes: bool) -> AsyncIterator[None]:
        """Leave it to the first statement."""
        del session, writes
        yield

    def _explain(self, error: DBAPIError, *, writes: bool) -> StoreUnavailable | None:
        """Tell a lock that another program held for too long from all other errors."""
        del writes
        code = getattr(error.orig, "sqlite_errorcode", 0)
        # The lower byte is the kind, whatever stands above it.
        return StoreUnavailable(self.service) if code & 0xFF in _BUSY else None

    def _prepare(self) -> None:
        """Lock and migrate; blocking."""
        directory = self.path.parent
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            lock = _open_private(self.path.with_suffix(".lock"))
        except OSError as error:
            raise _unwritable(directory, error) from error
        try:
            _lock(lock, wait_s=_READY_WAIT_S if self.is_shared else 0.0)
            self._migrate()
            if self.is_shared:
                # Who changes the kind of log waits for nobody: later, all find it changed.
                _log_ahead(self.path, self._busy_timeout_s)
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
        if self.is_shared:
            os.close(lock)
        else:
            self._lock = lock

    def _migrate(self) -> None:
        """Bring the schema to the newest version; blocking."""
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
        self.is_new = version is None
        if is_newest(
            version,
            self._migrations,
            database=str(self.path),
            advice="choose another data directory",
        ):
            return
        # Alembic is slow to import and needed only when there is something to do.
        from trunkline.kernel.migration import upgrade_sqlite

        try:
            upgrade_sqlite(self.path, self._migrations)
        except DBAPIError as error:
            raise DatabaseError(
                f"The database {self.path} cannot be brought up to date: {error.orig}.",
                "It is as it was. Mend what is said, or start the version before again.",
            ) from error


def _open_private(path: Path) -> int:
    """Open a file to write; one that is made is this user's alone."""
    return os.open(path, os.O_RDWR | os.O_CREAT, 0o600)


def _lock(file: int, *, wait_s: float) -> None:
    """Lock a file for this process; blocking.

    Raises:
        BlockingIOError: another one had it for all of the wait.
    """
    deadline = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_READY_PAUSE_S)


def _log_ahead(path: Path, busy_timeout_s: float) -> None:
    """Have a file keep a log beside it, from now on; blocking.

    Raises:
        DatabaseError: it is damaged, or another program holds it.
    """
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=busy_timeout_s)) as connection:
            connection.execute("PRAGMA journal_mode=WAL")
    except sqlite3.Error as error:
        raise _damaged(path, error) from error


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
