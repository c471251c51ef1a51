"""Access tokens at rest: their entries and their hashes, never a token."""

from __future__ import annotations

from google.protobuf.message import Message
from sqlalchemy import ColumnElement, func
from sqlmodel import col, select

from trunkline.credential.tables import AccessTokenRow, access_outbox
from trunkline.credential.v1 import access_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.database import Session
from trunkline.kernel.watch import paged
from trunkline.options.v1 import options_pb2


async def is_empty(session: Session) -> bool:
    """Tell whether there never was a token."""
    found = await session.exec(select(AccessTokenRow.id).limit(1))
    return found.first() is None


async def find(session: Session, token_id: str) -> access_pb2.AccessToken | None:
    """Return a token's entry, ended or not; None: there is none."""
    row = await session.get(AccessTokenRow, token_id)
    return None if row is None else _access_token(row)


async def has_other_admin(session: Session, token_id: str, now_ns: int) -> bool:
    """Tell whether a token of the role ADMIN holds, apart from the one named."""
    found = await session.exec(
        select(AccessTokenRow.id)
        .where(
            _holds(now_ns),
            AccessTokenRow.role == options_pb2.CALLER_ROLE_ADMIN,
            AccessTokenRow.id != token_id,
        )
        .limit(1)
    )
    return found.first() is not None


async def page(
    session: Session,
    *,
    principal: str,
    holding_at_ns: int | None,
    before: str | None,
    size: int,
) -> list[access_pb2.AccessToken]:
    """Return tokens, newest first.

    Args:
        session: a transaction.
        principal: only of this one; empty: of all.
        holding_at_ns: only those that hold at this time; None: those that ended, too.
        before: id of the last one before the page; None: from the first on.
        size: how many at most.
    """
    query = select(AccessTokenRow).order_by(col(AccessTokenRow.id).desc())
    if principal:
        query = query.where(AccessTokenRow.principal == principal)
    if holding_at_ns is not None:
        query = query.where(_holds(holding_at_ns))
    if before is not None:
        query = query.where(col(AccessTokenRow.id) < before)
    rows = await session.exec(query.limit(size))
    return [_access_token(row) for row in rows]


async def add(session: Session, token: access_pb2.AccessToken, digest: bytes) -> None:
    """Save a new token and tell the watchers.

    Args:
        session: a writing transaction.
        token: its entry.
        digest: SHA-256 of the token.
    """
    row = AccessTokenRow(
        id=token.id,
        hash=digest,
        principal=token.principal,
        role=token.role,
        scope=token.scope.SerializeToString() if token.HasField("scope") else None,
        description=token.description,
        ended=False,
        create_time_ns=token.create_time.ToNanoseconds(),
        expire_time_ns=token.expire_time.ToNanoseconds() if token.HasField("expire_time") else None,
        revoke_time_ns=None,
    )
    session.add(row)
    await _tell(session, row)


async def shorten(session: Session, token_id: str, expire_time_ns: int) -> None:
    """Let a token end at a time, unless it ends earlier, and tell the watchers."""
    row = await session.get_one(AccessTokenRow, token_id)
    if row.ended or (row.expire_time_ns is not None and row.expire_time_ns <= expire_time_ns):
        return
    row.expire_time_ns = expire_time_ns
    await _tell(session, row)


async def revoke(session: Session, token_id: str, now_ns: int) -> access_pb2.AccessToken:
    """End a token, tell the watchers, and return its entry.

    One that has ended already stays as it is.
    """
    row = await session.get_one(AccessTokenRow, token_id)
    if not row.ended:
        row.revoke_time_ns = now_ns
        await _end(session, row)
    return _access_token(row)


async def next_expiry_ns(session: Session) -> int | None:
    """Return when the next token ends by itself; None: none of them does."""
    found = await session.exec(
        select(func.min(AccessTokenRow.expire_time_ns)).where(col(AccessTokenRow.ended).is_(False))
    )
    return found.one()


async def end_expired(session: Session, now_ns: int) -> list[str]:
    """End the tokens whose time is over, tell the watchers, and return their ids."""
    rows = await session.exec(
        select(AccessTokenRow).where(
            col(AccessTokenRow.ended).is_(False), col(AccessTokenRow.expire_time_ns) <= now_ns
        )
    )
    ended = list(rows)
    for row in ended:
        await _end(session, row)
    return [row.id for row in ended]


async def snapshot(session: Session) -> list[Message]:
    """Return the view as it is, in pages."""
    rows = await session.exec(
        select(AccessTokenRow)
        .where(col(AccessTokenRow.ended).is_(False))
        .order_by(col(AccessTokenRow.id))
    )
    return paged(access_pb2.AccessPage, "tokens", [_hashed(row) for row in rows])


def _holds(now_ns: int) -> ColumnElement[bool]:
    expiry = col(AccessTokenRow.expire_time_ns)
    return col(AccessTokenRow.ended).is_(False) & (expiry.is_(None) | (expiry > now_ns))


async def _tell(session: Session, row: AccessTokenRow) -> None:
    await access_outbox.append(session, access_pb2.WatchAccessResponse(token=_hashed(row)))


async def _end(session: Session, row: AccessTokenRow) -> None:
    row.ended = True
    await access_outbox.append(session, access_pb2.WatchAccessResponse(ended_token_id=row.id))


def _hashed(row: AccessTokenRow) -> access_pb2.HashedToken:
    return access_pb2.HashedToken(access_token=_access_token(row), hash=row.hash)


def _access_token(row: AccessTokenRow) -> access_pb2.AccessToken:
    token = access_pb2.AccessToken(
        id=row.id,
        principal=row.principal,
        role=options_pb2.CallerRole.ValueType(row.role),
        description=row.description,
        create_time=timestamp(row.create_time_ns),
    )
    if row.scope is not None:
        token.scope.CopyFrom(access_pb2.AccessScope.FromString(row.scope))
    if row.expire_time_ns is not None:
        token.expire_time.CopyFrom(timestamp(row.expire_time_ns))
    if row.revoke_time_ns is not None:
        token.revoke_time.CopyFrom(timestamp(row.revoke_time_ns))
    return token
