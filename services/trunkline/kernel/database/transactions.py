"""Transactions of one service's database, whichever kind it is."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, ClassVar

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.ext.asyncio import AsyncEngine

from trunkline.kernel.clock import Clock
from trunkline.kernel.database.failure import StoreUnavailable
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.log import get_logger
from trunkline.kernel.session import Session, finish

TURN_WAIT_S = 5.0
_CLOSE_WAIT_S = 10.0


class Database(ABC):
    """The database of one service.

    Args:
        service: the service's name.
        turn_wait_s: how long, in seconds, a transaction waits for a connection, and one
            that writes for those of this process before it.

    Attributes:
        service: the service's name.
        kind: `sqlite` or `postgresql`.
        is_shared: other processes may write to it, too.
        is_new: it was empty when it was opened.
    """

    kind: ClassVar[str]
    is_shared: bool

    def __init__(self, service: str, *, turn_wait_s: float = TURN_WAIT_S) -> None:
        self.service = service
        self._turn_wait_s = turn_wait_s
        self._engine: AsyncEngine | None = None
        self._writing = asyncio.Lock()
        self._transactions = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._is_away = False
        self.is_new = False
        self._log = get_logger("trunkline.database").bind(service=service)

    @property
    @abstractmethod
    def location(self) -> str:
        """Where it is, for people: the file, or `host:port/name`."""

    @abstractmethod
    async def open(self) -> None:
        """Bring the database to the newest version, and connect.

        Raises:
            DatabaseError: it cannot be used; says why and what to do.
        """

    async def close(self) -> None:
        """Disconnect, when the transactions under way are over; again is no error."""
        if self._engine is not None:
            engine, self._engine = self._engine, None
            # A connection that is in use would not be closed with the others.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_CLOSE_WAIT_S):
                    await self._idle.wait()
            await finish(engine.dispose())

    @abstractmethod
    async def checkpoint(self) -> bool:
        """Destroy what the database still holds of what was deleted.

        Returns:
            Whether it was done.
        """

    @abstractmethod
    def subscribe(self, subject: str, wake: Callable[[], None]) -> None:
        """Have something called when another process may have changed a subject.

        Args:
            subject: as `Session.announce` names it.
            wake: called in this loop, also when nothing changed.
        """

    async def ask_time_ns(self) -> int | None:
        """Ask for a sign of life.

        Returns:
            Nanoseconds since 1970, by its clock; None: it has none of its own.

        Raises:
            StoreUnavailable: it does not answer.
        """
        async with self.read() as session:
            return await self._read_clock(session)

    async def time_ns(self, session: Session, clock: Clock) -> int:
        """Return nanoseconds since 1970 by the clock of all who share the database.

        Args:
            session: a transaction.
            clock: this process's, which is that one where nobody else shares it.
        """
        own = await self._read_clock(session)
        return clock.time_ns() if own is None else own

    @asynccontextmanager
    async def write(self) -> AsyncIterator[Session]:
        """Open a transaction that writes: committed at the end, rolled back on an error.

        It sees everything that was committed before it began, and no other one writes
        before it has ended.

        Raises:
            StoreUnavailable: the database does not answer, or its turn did not come.
        """
        async with self._turn(), self._session(writes=True) as session:
            yield session

    @asynccontextmanager
    async def read(self) -> AsyncIterator[Session]:
        """Open a transaction that reads: what it sees does not change under it.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        async with self._session(writes=False) as session:
            yield session

    @abstractmethod
    async def _read_clock(self, session: Session) -> int | None:
        """Have a statement answered, which tells the database's time if it has a clock."""

    @abstractmethod
    def _options(self, *, writes: bool) -> dict[str, Any]:
        """Return the engine's options for a transaction of a kind."""

    @abstractmethod
    def _begun(self, session: Session, *, writes: bool) -> AbstractAsyncContextManager[None]:
        """Connect a session, and watch over it until it has ended.

        Raises:
            DBAPIError, OSError: that fails.
        """

    @abstractmethod
    def _explain(self, error: DBAPIError, *, writes: bool) -> TrunklineError | None:
        """Return what a driver's error means to a caller; None: something is wrong here.

        Args:
            error: of a statement.
            writes: whether it was one of a transaction that writes.
        """

    def _connected(self) -> AsyncEngine:
        """Return the engine of a database that is open."""
        if self._engine is None:
            raise RuntimeError(f"the database of {self.service} is not open")
        return self._engine

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Wait for the writers of this process before this one.

        Raises:
            StoreUnavailable: they take too long.
        """
        try:
            async with asyncio.timeout(self._turn_wait_s):
                await self._writing.acquire()
        except TimeoutError:
            raise StoreUnavailable(self.service) from None
        try:
            yield
        finally:
            self._writing.release()

    @asynccontextmanager
    async def _session(self, *, writes: bool) -> AsyncIterator[Session]:
        """Connect with the kind of transaction that is wanted."""
        engine = self._connected().execution_options(**self._options(writes=writes))
        session = Session(engine, expire_on_commit=False)
        self._transactions += 1
        self._idle.clear()
        try:
            async with self._begun(session, writes=writes):
                try:
                    yield session
                    await session.commit()
                except BaseException:
                    # What happened says more than that the connection is gone, too.
                    with contextlib.suppress(DBAPIError):
                        await session.rollback()
                    raise
            self._note_answer()
        except (DBAPIError, PoolTimeoutError) as error:
            told = self._judge(error, writes=writes)
            if told is None:
                raise
            raise told from error
        finally:
            try:
                await session.close()
            finally:
                self._transactions -= 1
                if not self._transactions:
                    self._idle.set()

    def _judge(
        self, error: DBAPIError | PoolTimeoutError, *, writes: bool
    ) -> TrunklineError | None:
        """Return what an error of the driver or the pool means; None: something is wrong here."""
        if isinstance(error, DBAPIError):
            told = self._explain(error, writes=writes)
            cause: object = error.orig
        else:
            told, cause = StoreUnavailable(self.service), error
        if isinstance(told, StoreUnavailable):
            self._note_silence(cause)
        return told

    def _note_silence(self, cause: object) -> None:
        """Log that the database does not answer; once, until it does again."""
        if not self._is_away:
            self._is_away = True
            self._log.warning("database_unavailable", error=type(cause).__name__)

    def _note_answer(self) -> None:
        """Log that the database answers again."""
        if self._is_away:
            self._is_away = False
            self._log.info("database_available")
