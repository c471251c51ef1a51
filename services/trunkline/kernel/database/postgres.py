"""A service's PostgreSQL database: a schema named after the service.

Processes share it. Transactions that write take one lock, so that they come one after
the other as they do on SQLite: what one reads before it writes holds when it commits, and
the order of revisions is the order of commits. Nothing deadlocks, and nothing is to be
retried.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, ClassVar, Final
from weakref import WeakSet

import asyncpg  # type: ignore[import-untyped] # it ships no types
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, DisconnectionError
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import AsyncAdaptedQueuePool

from trunkline.kernel.database.failure import DatabaseError, StoreUnavailable
from trunkline.kernel.database.notices import Notices
from trunkline.kernel.database.postgres_schema import bring_up_to_date
from trunkline.kernel.database.postgres_server import Connection, PostgresServer
from trunkline.kernel.database.postgres_url import read_postgres_url
from trunkline.kernel.database.settings import DatabaseSettings
from trunkline.kernel.database.transactions import TURN_WAIT_S, Database
from trunkline.kernel.errors import InvalidArgument, TrunklineError, Violation
from trunkline.kernel.session import Session

# Of the server's two numbers that name a lock, the second one; the first is the schema's.
_WRITING: Final = 1
# A process that vanished in the middle holds up the writers of all others for so long.
TRANSACTION_LIMIT_S: Final = 30.0
_LOCK_WAIT_S: Final = 5.0
# A name may mean another server by now.
_RECYCLE_S: Final = 300

# Connection, resources, operator's intervention, system, invalid authorisation.
_AWAY_CLASSES: Final = frozenset({"08", "53", "57", "58", "28"})
_AWAY_STATES: Final = frozenset(
    {
        "25P03",  # it was idle in a transaction for too long
        "40001",  # serialisation failure, which a server's own settings can bring about
        "40P01",  # deadlock
        "55P03",  # a lock was not to be had in time
        "3D000",  # the database is gone
    }
)
# The server became a replica, or a transaction that reads wrote.
_READ_ONLY: Final = "25006"
_NOT_TEXT: Final = "22021"


class PostgresDatabase(Database):
    """The database of one service in a schema that its replicas share.

    Args:
        service: the service's name, and the schema's.
        settings: which server, and how.
        migrations: the directory of the service's Alembic revisions.
        turn_wait_s: how long, in seconds, a transaction waits for a connection, and one
            that writes for those of this process before it.
        transaction_limit_s: how long, in seconds, a transaction may last; then its
            connection is cut.
    """

    kind: ClassVar[str] = "postgresql"
    is_shared = True

    def __init__(
        self,
        service: str,
        settings: DatabaseSettings,
        migrations: Path,
        *,
        turn_wait_s: float = TURN_WAIT_S,
        transaction_limit_s: float = TRANSACTION_LIMIT_S,
    ) -> None:
        super().__init__(service, turn_wait_s=turn_wait_s)
        assert settings.database_url is not None  # it is why this class was chosen
        self._target = read_postgres_url(settings.database_url.get_secret_value())
        self._settings = settings
        self._migrations = migrations
        self._transaction_limit_s = transaction_limit_s
        self._lock_key = zlib.crc32(f"trunkline/{service}".encode()) - 2**31
        self._server: PostgresServer | None = None
        self._connections: WeakSet[Connection] = WeakSet()
        self._notices = Notices(service, self._connect)
        self._listening: asyncio.Task[None] | None = None

    @property
    def location(self) -> str:
        """`host:port/name`, or the socket and the name."""
        return f"{self._target.place}/{self._target.database}"

    async def open(self) -> None:
        """Wait for the server, bring the schema to the newest version, and connect.

        Raises:
            DatabaseError: the server cannot be reached or refuses us, the schema cannot be
                made, or a newer version of Trunkline wrote it.
        """
        settings = self._settings
        self._server = PostgresServer(
            self._target,
            settings.database_password_file,
            self.service,
            {
                "search_path": self.service,
                "statement_timeout": _milliseconds(settings.database_statement_timeout_s),
                "lock_timeout": _milliseconds(_LOCK_WAIT_S),
                "idle_in_transaction_session_timeout": _milliseconds(self._transaction_limit_s),
            },
        )
        connection = await self._server.reach(settings.database_wait_s)
        try:
            self.is_new = await bring_up_to_date(
                connection, self._server, self.service, self._migrations, self._lock_key
            )
        finally:
            connection.terminate()
        self._engine = create_async_engine(
            "postgresql+asyncpg://",
            async_creator=self._connect,
            poolclass=AsyncAdaptedQueuePool,
            pool_size=settings.database_pool_size,
            max_overflow=0,
            pool_timeout=self._turn_wait_s,
            pool_recycle=_RECYCLE_S,
            # An error with its statement's values would carry them into the log.
            hide_parameters=True,
        )
        event.listen(self._engine.sync_engine, "checkout", _on_checkout)
        self._listening = asyncio.create_task(self._notices.run())

    async def close(self) -> None:
        """Disconnect, when the transactions under way are over."""
        if self._listening is not None:
            listening, self._listening = self._listening, None
            listening.cancel()
            await asyncio.wait((listening,))
        loop = asyncio.get_running_loop()
        # By then no transaction is under way, and a server that says nothing is not waited for.
        limit = loop.call_later(self._transaction_limit_s, self._cut)
        try:
            await super().close()
        finally:
            limit.cancel()

    async def checkpoint(self) -> bool:
        """Do nothing: what a server keeps of deleted rows is its operator's.

        They are in its pages until VACUUM and other rows have written over them, in its
        write-ahead log until that is recycled, and in every archive and replica of it. What
        is sealed there opens as long as its key-encryption key is kept.

        Returns:
            False: it was not done.
        """
        return False

    def subscribe(self, subject: str, wake: Callable[[], None]) -> None:
        """Have something called when a subject was announced, or may have been."""
        self._notices.subscribe(subject, wake)

    async def _read_clock(self, session: Session) -> int:
        """Return the server's time."""
        seconds = sa.func.extract("epoch", sa.func.clock_timestamp())
        now = await session.exec(  # type: ignore[call-overload] # typed for SQLModel's select
            sa.select(sa.cast(seconds * 1_000_000_000, sa.BigInteger))
        )
        return int(now.scalar_one())

    async def _connect(self) -> Connection:
        """Open one more connection."""
        assert self._server is not None  # nobody connects before `open`
        connection = await self._server.connect()
        self._connections.add(connection)
        return connection

    def _cut(self) -> None:
        """Close every connection at once."""
        for connection in self._connections:
            connection.terminate()

    def _options(self, *, writes: bool) -> dict[str, Any]:
        """Return the isolation: one that writes sees all that its lock's last holder wrote."""
        if writes:
            return {"isolation_level": "READ COMMITTED"}
        return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}

    @asynccontextmanager
    async def _begun(self, session: Session, *, writes: bool) -> AsyncIterator[None]:
        """Connect, cut what takes too long, and take the lock of those who write."""
        try:
            connection = await session.connection()
        except (
            OSError,
            TimeoutError,
            DatabaseError,
            asyncpg.PostgresError,
            asyncpg.InterfaceError,
        ) as error:
            self._note_silence(error)
            raise StoreUnavailable(self.service) from error
        raw = await connection.get_raw_connection()
        driver: Any = raw.driver_connection
        loop = asyncio.get_running_loop()
        # Statements are waited for whatever happens, and a network may swallow them.
        limit = loop.call_later(self._transaction_limit_s, driver.terminate)
        try:
            if writes:
                await connection.exec_driver_sql(
                    f"SELECT pg_advisory_xact_lock({self._lock_key}, {_WRITING})"
                )
            yield
        finally:
            limit.cancel()

    def _explain(self, error: DBAPIError, *, writes: bool) -> TrunklineError | None:
        """Tell what passes, and what a request was wrong in, from all other errors."""
        state = getattr(error.orig, "sqlstate", None) or ""
        if state == _NOT_TEXT:
            return InvalidArgument.of(Violation("", "text must not hold the character U+0000"))
        cause = getattr(error.orig, "__cause__", None)
        if (
            error.connection_invalidated
            or state in _AWAY_STATES
            or state[:2] in _AWAY_CLASSES
            or (state == _READ_ONLY and writes)
            or isinstance(cause, (OSError, asyncpg.InvalidCachedStatementError))
        ):
            return StoreUnavailable(self.service)
        return None


def _milliseconds(seconds: float) -> str:
    """Return a span as a server's setting."""
    return str(int(seconds * 1000))


def _on_checkout(connection: Any, record: Any, proxy: Any) -> None:
    """Pass over a connection that was lost while it lay in the pool."""
    del record, proxy
    if connection.driver_connection.is_closed():
        raise DisconnectionError
