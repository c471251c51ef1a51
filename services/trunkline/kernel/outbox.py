"""Changes in the order of their commits: a revision counter and the changes themselves.

The revision is taken from a one-row counter in the transaction of the change and its
outbox row. The counter's row is locked until that transaction ends: the order of
revisions is the order of commits, and a reader that has seen n has seen all before it.
"""

from __future__ import annotations

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

    async def append(self, session: Session, change: Message) -> None:
        """Add a change to the transaction that makes it.

        Args:
            session: a writing transaction.
            change: a `Watch…Response` with its kind; `revision` is set here.
        """
        counter = self._counter
        await session.exec(update(counter).values(value=counter.c.value + 1))
        revision = await self.revision(session)
        change.revision = revision  # type: ignore[attr-defined] # every Watch…Response has it
        changes = self._changes
        payload = change.SerializeToString()
        await session.exec(insert(changes).values(revision=revision, payload=payload))
        await session.exec(delete(changes).where(changes.c.revision <= revision - KEPT_CHANGES))

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
