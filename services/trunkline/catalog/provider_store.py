"""Providers and routes at rest."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from sqlalchemy import update
from sqlmodel import col, select

from trunkline.catalog.records import StoredProvider
from trunkline.catalog.tables import ProviderRow, RouteRow
from trunkline.catalog.v1 import provider_pb2, route_pb2
from trunkline.kernel.database import Session


async def find_provider(session: Session, name: str) -> StoredProvider | None:
    """Return a provider's record; None: there is none."""
    row = await session.get(ProviderRow, name)
    return None if row is None else _stored(row)


async def all_providers(session: Session) -> list[tuple[StoredProvider, bytes]]:
    """Return every provider by name, with what its watchers were last told."""
    rows = await session.exec(select(ProviderRow).order_by(col(ProviderRow.name)))
    return [(_stored(row), row.published) for row in rows]


async def put_provider(session: Session, stored: StoredProvider) -> None:
    """Save a new or changed provider; what its watchers were told stays."""
    row = await session.get(ProviderRow, stored.name)
    if row is None:
        row = ProviderRow(name=stored.name, published=b"")  # type: ignore[call-arg] # the rest follows
    row.type = stored.type
    row.display_name = stored.display_name
    row.base_url = stored.base_url
    row.format = stored.format
    row.headers = json.dumps(dict(stored.headers), sort_keys=True)
    row.streaming = stored.streaming
    row.default_model = stored.default_model
    row.enabled = stored.enabled
    row.etag = stored.etag
    row.create_time_ns = stored.create_time_ns
    row.update_time_ns = stored.update_time_ns
    row.refresh_time_ns = stored.refresh_time_ns
    row.list_trouble = stored.list_trouble
    row.list_key = stored.list_key
    session.add(row)
    await session.flush()


async def put_published(session: Session, name: str, published: bytes) -> None:
    """Note what the watchers of a provider are told."""
    await session.exec(
        update(ProviderRow).where(col(ProviderRow.name) == name).values(published=published)
    )


async def delete_provider(session: Session, name: str) -> None:
    """Remove a provider, not its models."""
    row = await session.get(ProviderRow, name)
    if row is not None:
        await session.delete(row)
        await session.flush()


async def get_published(session: Session, name: str) -> provider_pb2.Provider | None:
    """Return a provider as its watchers know it; None: there is none."""
    rows = await session.exec(select(ProviderRow.published).where(ProviderRow.name == name))
    payload = rows.one_or_none()
    return None if payload is None else provider_pb2.Provider.FromString(payload)


async def find_published(session: Session, names: Iterable[str]) -> list[provider_pb2.Provider]:
    """Return those providers that exist, as their watchers know them; some hundred at most."""
    rows = await session.exec(
        select(ProviderRow.published).where(col(ProviderRow.name).in_(list(names)))
    )
    return [provider_pb2.Provider.FromString(payload) for payload in rows]


async def page_providers(
    session: Session, *, kind: str = "", after: str | None = None, size: int | None = None
) -> list[provider_pb2.Provider]:
    """Return providers by name, as their watchers know them.

    Args:
        session: a transaction.
        kind: only of this type; empty: of all.
        after: the name of the last one before the page; None: from the first on.
        size: how many at most; None: all.
    """
    query = select(ProviderRow.published).order_by(col(ProviderRow.name))
    if kind:
        query = query.where(ProviderRow.type == kind)
    if after is not None:
        query = query.where(col(ProviderRow.name) > after)
    rows = await session.exec(query.limit(size) if size is not None else query)
    return [provider_pb2.Provider.FromString(payload) for payload in rows]


async def find_route(session: Session, target: str) -> bytes | None:
    """Return a route as the watchers know it, serialised; None: there is none."""
    row = await session.get(RouteRow, target)
    return None if row is None else row.published


async def put_route(session: Session, target: str, published: bytes) -> None:
    """Save a route."""
    await session.merge(RouteRow(target=target, published=published))
    await session.flush()


async def delete_route(session: Session, target: str) -> None:
    """Remove a route."""
    row = await session.get(RouteRow, target)
    if row is not None:
        await session.delete(row)
        await session.flush()


async def all_routes(session: Session) -> Sequence[route_pb2.Route]:
    """Return every route."""
    rows = await session.exec(select(RouteRow.published).order_by(col(RouteRow.target)))
    return [route_pb2.Route.FromString(payload) for payload in rows]


def _stored(row: ProviderRow) -> StoredProvider:
    return StoredProvider(
        name=row.name,
        type=row.type,
        create_time_ns=row.create_time_ns,
        update_time_ns=row.update_time_ns,
        etag=row.etag,
        display_name=row.display_name,
        base_url=row.base_url,
        format=row.format,
        headers=json.loads(row.headers),
        streaming=row.streaming,
        default_model=row.default_model,
        enabled=row.enabled,
        refresh_time_ns=row.refresh_time_ns,
        list_trouble=row.list_trouble,
        list_key=row.list_key,
    )
