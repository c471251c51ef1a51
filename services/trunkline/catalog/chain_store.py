"""Chains at rest."""

from __future__ import annotations

from sqlmodel import col, select

from trunkline.catalog.records import StoredChain
from trunkline.catalog.tables import ChainRow
from trunkline.catalog.v1 import chain_pb2
from trunkline.kernel.database import Session


async def find_chain(session: Session, name: str) -> StoredChain | None:
    """Return a chain's record; None: there is none."""
    row = await session.get(ChainRow, name)
    return None if row is None else _stored(row)


async def put_chain(session: Session, stored: StoredChain) -> None:
    """Save a new or changed chain."""
    held = chain_pb2.Chain(candidates=stored.candidates)
    await session.merge(
        ChainRow(
            name=stored.name,
            candidates=held.SerializeToString(deterministic=True),
            balance=stored.balance,
            fall_back_on_credential_failure=stored.fall_back_on_credential_failure,
            description=stored.description,
            etag=stored.etag,
            update_time_ns=stored.update_time_ns,
        )
    )
    await session.flush()


async def delete_chain(session: Session, name: str) -> None:
    """Remove a chain."""
    row = await session.get(ChainRow, name)
    if row is not None:
        await session.delete(row)
        await session.flush()


async def all_chains(
    session: Session, *, after: str | None = None, size: int | None = None
) -> list[StoredChain]:
    """Return chains by name.

    Args:
        session: a transaction.
        after: the name of the last one before those wanted; None: from the first on.
        size: how many at most; None: all.
    """
    query = select(ChainRow).order_by(col(ChainRow.name))
    if after is not None:
        query = query.where(col(ChainRow.name) > after)
    rows = await session.exec(query.limit(size) if size is not None else query)
    return [_stored(row) for row in rows]


async def list_naming(session: Session, provider: str) -> list[str]:
    """Return the names of the chains that name a model of a provider."""
    prefix = f"{provider}/"
    return [
        chain.name
        for chain in await all_chains(session)
        if any(candidate.model.startswith(prefix) for candidate in chain.candidates)
    ]


def _stored(row: ChainRow) -> StoredChain:
    return StoredChain(
        name=row.name,
        update_time_ns=row.update_time_ns,
        etag=row.etag,
        candidates=tuple(chain_pb2.Chain.FromString(row.candidates).candidates),
        balance=chain_pb2.Balance.ValueType(row.balance),
        fall_back_on_credential_failure=row.fall_back_on_credential_failure,
        description=row.description,
    )
