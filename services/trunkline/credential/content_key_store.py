"""Content keys at rest. What a row holds of a key is sealed before it comes here."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from sqlmodel import col, select

from trunkline.credential.tables import ContentKeyRow, credential_outbox
from trunkline.credential.v1 import resolve_pb2
from trunkline.kernel.database import Session

# The one whose watchers are told that another key is current.
WATCHED_PURPOSE: Final = "journal"


@dataclass(frozen=True, slots=True)
class SealedContentKey:
    """A content key, sealed.

    Attributes:
        id: `dek_…`.
        purpose: what it seals.
        generation: counted from 1 for each purpose; the highest is current.
        key_id: the key-encryption key that wraps it.
        sealed: the key, sealed.
        create_time_ns: when it was made, in nanoseconds since 1970.
    """

    id: str
    purpose: str
    generation: int
    key_id: str
    sealed: bytes = field(repr=False)
    create_time_ns: int


async def key_ids(session: Session) -> frozenset[str]:
    """Return the ids of the key-encryption keys that wrap what is stored."""
    found = await session.exec(select(ContentKeyRow.key_id).distinct())
    return frozenset(found.all())


async def find(session: Session, purpose: str, content_key_id: str) -> SealedContentKey | None:
    """Return a content key of a purpose by id; None: there is none."""
    row = await session.get(ContentKeyRow, content_key_id)
    return None if row is None or row.purpose != purpose else _sealed(row)


async def find_current(session: Session, purpose: str) -> SealedContentKey | None:
    """Return the current content key of a purpose; None: none was made yet."""
    latest = (
        select(ContentKeyRow)
        .where(ContentKeyRow.purpose == purpose)
        .order_by(col(ContentKeyRow.generation).desc())
    )
    row = (await session.exec(latest.limit(1))).one_or_none()
    return None if row is None else _sealed(row)


async def watched_id(session: Session) -> str:
    """Return the id of the current key that watchers are told of; empty: there is none."""
    current = await find_current(session, WATCHED_PURPOSE)
    return "" if current is None else current.id


async def add(session: Session, made: SealedContentKey) -> None:
    """Save a new content key, and tell the watchers that it is current."""
    session.add(
        ContentKeyRow(
            id=made.id,
            purpose=made.purpose,
            generation=made.generation,
            key_id=made.key_id,
            sealed=made.sealed,
            create_time_ns=made.create_time_ns,
        )
    )
    await session.flush()
    if made.purpose == WATCHED_PURPOSE:
        await credential_outbox.append(
            session, resolve_pb2.WatchCredentialsResponse(content_key_id=made.id)
        )


def _sealed(row: ContentKeyRow) -> SealedContentKey:
    return SealedContentKey(
        id=row.id,
        purpose=row.purpose,
        generation=row.generation,
        key_id=row.key_id,
        sealed=row.sealed,
        create_time_ns=row.create_time_ns,
    )
