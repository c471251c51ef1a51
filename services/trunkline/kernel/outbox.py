"""Changes in the order of their commits: a revision counter and the changes themselves.

The revision is taken from a one-row counter in the transaction of the change and its
outbox row. The counter's row is locked until that transaction ends: the order of
revisions is the order of commits, and a reader that has seen n has seen all before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence

from google.protobuf.message import Message
from sqlalchemy import (
    Column,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    delete,
    func,
    insert,
    update,
)
from sqlmodel import select

from trunkline.kernel.database import Session

KEPT_CHANGES = 10_000
_LIFE_BITS = 22
_COUNT_BITS = 40


def first_revision() -> int:
    """Return what a new database's counter begins with, for the migration that makes it.

    It is random in its upper bits. A reader who followed a database that was removed has
    a revision that is too high for the one in its place, or too low to be kept in its
    outbox: in both cases the view comes whole, and nothing of the old one stays.
    """
    return (secrets.randbits(_LIFE_BITS) << _COUNT_BITS) + 1


class Outbox:
    """The outbox of one watch; a service with two watches has two.

    Args:
        metadata: of the service's tables, to which the outbox adds its two.
        subject: what the watch tells of, a word that begins the names of the tables.
            Empty: the service has one watch.
    """

    def __init__(self, metadata: MetaData, subject: str = "") -> None:
        prefix = f"{subject}_" if subject else ""
        self._counter = Table(
            f"{prefix}revision",
            metadata,
            Column("id", Integer, primary_key=True),
            Column("value", Integer, nullable=False),
        )
        self._changes = Table(
            f"{prefix}outbox",
            metadata,
            Column("revision", Integer, primary_key=True, autoincrement=False),
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
        await session.exec(update(counter).values(value=counter.c.value + len(added)))
        latest = await self.revision(session)
        rows = []
        for revision, change in enumerate(added, latest - len(added) + 1):
            change.revision = revision  # type: ignore[attr-defined] # every Watch…Response has it
            rows.append({"revision": revision, "payload": change.SerializeToString()})
        await session.exec(insert(changes), params=rows)
        await session.exec(delete(changes).where(changes.c.revision <= latest - KEPT_CHANGES))

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
