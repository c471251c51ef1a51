"""A lease: of all the processes of a fleet, one does what is to be done once.

It lies in the service's own database. Times are the database's own where several
processes share one, so that their clocks need not agree.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database

_NANOSECONDS = 1_000_000_000

_LEASES = sa.table(
    "lease",
    sa.column("name", sa.String()),
    sa.column("holder", sa.String()),
    sa.column("expire_time_ns", sa.BigInteger()),
)


def declare_leases(metadata: sa.MetaData) -> sa.Table:
    """Add the table of leases to those of a service."""
    return sa.Table("lease", metadata, *_columns())


def create_leases(op: Any) -> None:
    """Make the table of leases in a migration.

    Args:
        op: Alembic's operations.
    """
    op.create_table("lease", *_columns())


def _columns() -> tuple[sa.Column[Any], ...]:
    """Return the columns of a lease: whose it is, and until when, in nanoseconds since 1970."""
    return (
        sa.Column("name", sa.String(), primary_key=True),
        sa.Column("holder", sa.String(), nullable=False),
        sa.Column("expire_time_ns", sa.BigInteger(), nullable=False),
    )


class Lease:
    """The right to do something alone, for a while.

    Args:
        database: of the service, with the table of leases.
        name: of what is done alone.
        holder: who asks, such as one `new_id("holder")` for each process.
        ttl_s: how long, in seconds, it holds from each time that `hold` is True. Hold it
            again at least three times as often, and do not work longer without.
        clock: tells the time where one process has the database for itself.
    """

    def __init__(
        self, database: Database, name: str, holder: str, ttl_s: float, clock: Clock
    ) -> None:
        self._database = database
        self._name = name
        self._holder = holder
        self._ttl_ns = int(ttl_s * _NANOSECONDS)
        self._clock = clock

    async def hold(self) -> bool:
        """Acquire the lease, or renew it.

        Returns:
            Whether this holder has it now, for `ttl_s` from the start of the call.

        Raises:
            StoreUnavailable: the database does not answer; then nothing may be done alone.
        """
        async with self._database.write() as session:
            now = await self._database.time_ns(session, self._clock)
            found = await session.exec(  # type: ignore[call-overload] # typed for SQLModel's select
                sa.select(_LEASES.c.holder, _LEASES.c.expire_time_ns).where(self._is_mine())
            )
            row = found.one_or_none()
            if row is not None and row.holder != self._holder and self._holds(row, now):
                return False
            values = {"holder": self._holder, "expire_time_ns": now + self._ttl_ns}
            if row is None:
                await session.exec(sa.insert(_LEASES).values(name=self._name, **values))
            else:
                await session.exec(sa.update(_LEASES).where(self._is_mine()).values(**values))
        return True

    async def release(self) -> None:
        """Give the lease back, so that another need not wait for its end; again is no error.

        Raises:
            StoreUnavailable: the database does not answer; the lease ends by itself.
        """
        async with self._database.write() as session:
            await session.exec(
                sa.delete(_LEASES).where(self._is_mine(), _LEASES.c.holder == self._holder)
            )

    def _is_mine(self) -> sa.ColumnElement[bool]:
        """Return the condition that finds this lease's row."""
        return _LEASES.c.name == self._name

    def _holds(self, row: Any, now: int) -> bool:
        """Tell whether a lease has not ended.

        One that ends long after it could was given before the clock was set back.
        """
        return bool(now < row.expire_time_ns <= now + 2 * self._ttl_ns)
