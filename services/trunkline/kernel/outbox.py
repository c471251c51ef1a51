"""Changes in the order of their commits: a revision counter and the changes themselves.

The revision is taken from a one-row counter in the transaction of the change and its
outbox row. The counter's row is locked until that transaction ends: the order of
revisions is the order of commits, and a reader that has seen n has seen all before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import (
    BigInteger,
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    delete,
    func,
    insert,
    table,
    update,
)
from sqlmodel import select

from trunkline.kernel.database import Session

KEPT_CHANGES = 10_000
_LIFE_BITS = 22
_COUNT_BITS = 40
# SQLite's integers hold 64 bits whatever they are called, and by this name a key is the row's
# own number.
_REVISION = BigInteger().with_variant(Integer(), "sqlite")


def first_revision() -> int:
    """Return what a new database's counter begins with, for the migration that makes it.

    It is random in its upper bits. A reader who followed a database that was removed has
    a revision that is too high for the one in its place, or too low to be kept in its
    outbox: in both cases the view comes whole, and nothing of the old one stays.
    """
    return (secrets.randbits(_LIFE_BITS) << _COUNT_BITS) + 1


def renumber(op: Any, counter: str, changes: str) -> None:
    """Begin a counter anew in a migration, as one that is this database's alone.

    Args:
        op: Alembic's operations.
        counter: the table of the counter, wide enough afterwards for every revision.
        changes: the table of the changes that it numbered, which are dropped: readers get
            the view whole.
    """
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column(counter, "value", type_=BigInteger())
        op.alter_column(changes, "revision", type_=BigInteger())
    value: Column[int] = Column("value", BigInteger)
    op.execute(update(table(counter, value)).values(value=first_revision()))
    op.execute(delete(table(changes)))


class Outbox:
    """The outbox of one watch; a service with two watches has two.

    Args:
        metadata: of the service's tables, to which the outbox adds its two.
        subject: what the watch tells of, a word that begins the names of the tables.
            Empty: the service has one watch.

    Attributes:
        subject: what a change is announced as; the name of the counter's table.
    """

    def __init__(self, metadata: MetaData, subject: str = "") -> None:
        prefix = f"{subject}_" if subject else ""
        self.subject = f"{prefix}revision"
        self._counter = Table(
            self.subject,
            metadata,
            Column("id", Integer, primary_key=True),
            Column("value", _REVISION, nullable=False),
        )
        self._changes = Table(
            f"{prefix}outbox",
            metadata,
            Column("revision", _REVISION, primary_key=True, autoincrement=False),
            Column("payload", LargeBinary, nullable=False),
        )

    async def append(self, session: Session, *added: Message) -> None:
        """Add changes, in their order, to the transaction that makes them.

        Args:
            session: a writing transaction.
            added: each a `Watch…Response` with its kind; `revision` is set here. Many at
                once cost as many statements as one does.
        """
        if not added:
            return
        counter, changes = self._counter, self._changes
        advance = update(counter).values(value=counter.c.value + len(added))
        latest = (await session.exec(advance.returning(counter.c.value))).scalar_one()
        rows = []
        for revision, change in enumerate(added, latest - len(added) + 1):
            change.revision = revision  # type: ignore[attr-defined] # every Watch…Response has it
            rows.append({"revision": revision, "payload": change.SerializeToString()})
        await session.exec(insert(changes), params=rows)
        await session.exec(delete(changes).where(changes.c.revision <= latest - KEPT_CHANGES))
        await session.announce(self.subject)

    async def revision(self, session: Session) -> int:
        """Return the revision that holds."""
        return int((await session.exec(select(self._counter.c.value))).one())

    async def after(self, session: Session, revision: int) -> Sequence[tuple[int, bytes]] | None:
        """Return the changes after a revision, oldest first.

        Returns:
            At most 1,000 pairs of revision and serialised change. None: changes were
            trimmed since, or the revision is of another life of the database.
        """
        changes = self._changes
        latest = await self.revision(session)
        if revision == latest:
            return ()
        oldest = (await session.exec(select(func.min(changes.c.revision)))).one()
        if revision > latest or oldest is None or revision < int(oldest) - 1:
            return None
        rows = await session.exec(
            select(changes.c.revision, changes.c.payload)
            .where(changes.c.revision > revision)
            .order_by(changes.c.revision)
            .limit(1000)
        )
        return [(int(number), bytes(payload)) for number, payload in rows]
