"""Models at rest."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, Final

from sqlalchemy import ColumnElement, and_, delete, false, func, insert, or_, tuple_, update
from sqlmodel import col, select

from trunkline.catalog.records import Glance, ModelCount, StoredModel
from trunkline.catalog.tables import ModelRow
from trunkline.catalog.v1 import model_pb2
from trunkline.kernel.database import Session

# Variables of one statement; SQLite takes 32,766 in all.
_CHUNK: Final = 500


async def find_model(session: Session, provider: str, model_id: str) -> StoredModel | None:
    """Return a model's record; None: there is none."""
    row = await session.get(ModelRow, (provider, model_id))
    return None if row is None else _stored(row)


async def models_of(session: Session, provider: str) -> dict[str, StoredModel]:
    """Return the models of a provider by id, in the order of their ids."""
    rows = await session.exec(
        select(ModelRow).where(ModelRow.provider == provider).order_by(col(ModelRow.id))
    )
    return {row.id: _stored(row) for row in rows}


async def next_models(
    session: Session, after: tuple[str, str], size: int
) -> list[tuple[StoredModel, bytes]]:
    """Return models by provider and id, each with what its watchers were last told.

    Args:
        session: a transaction.
        after: provider and id of the last one before; two empty texts: from the first on.
        size: how many at most.
    """
    rows = await session.exec(
        select(ModelRow)
        .where(_key() > after)
        .order_by(col(ModelRow.provider), col(ModelRow.id))
        .limit(size)
    )
    return [(_stored(row), row.published) for row in rows]


async def insert_models(session: Session, models: Sequence[tuple[StoredModel, bytes]]) -> None:
    """Save new models, each with what its watchers are told."""
    if models:
        await session.exec(insert(ModelRow), params=[_values(*entry) for entry in models])


async def update_models(session: Session, models: Sequence[tuple[StoredModel, bytes]]) -> None:
    """Save changed models, each with what its watchers are told."""
    if models:
        await session.exec(update(ModelRow), params=[_values(*entry) for entry in models])


async def delete_models(session: Session, provider: str) -> None:
    """Remove all models of a provider."""
    await session.exec(delete(ModelRow).where(col(ModelRow.provider) == provider))


async def get_published(session: Session, provider: str, model_id: str) -> model_pb2.Model | None:
    """Return a model as its watchers know it; None: there is none."""
    rows = await session.exec(
        select(ModelRow.published).where(ModelRow.provider == provider, ModelRow.id == model_id)
    )
    payload = rows.one_or_none()
    return None if payload is None else model_pb2.Model.FromString(payload)


async def find_published(session: Session, names: Iterable[str]) -> list[model_pb2.Model]:
    """Return those models that exist, as their watchers know them.

    Args:
        session: a transaction.
        names: `provider/model`, some hundred at most.
    """
    rows = await session.exec(select(ModelRow.published).where(_named(names)))
    return [model_pb2.Model.FromString(payload) for payload in rows]


async def page_models(
    session: Session,
    *,
    provider: str = "",
    include_disabled: bool = True,
    after: tuple[str, str] | None = None,
    size: int | None = None,
) -> list[model_pb2.Model]:
    """Return models by provider and id, as their watchers know them.

    Args:
        session: a transaction.
        provider: only of this one; empty: of all.
        include_disabled: also those that are off.
        after: provider and id of the last one before the page; None: from the first on.
        size: how many at most; None: all.
    """
    query = select(ModelRow.published).order_by(col(ModelRow.provider), col(ModelRow.id))
    if provider:
        query = query.where(ModelRow.provider == provider)
    if not include_disabled:
        query = query.where(col(ModelRow.enabled))
    if after is not None:
        query = query.where(_key() > after)
    rows = await session.exec(query.limit(size) if size is not None else query)
    return [model_pb2.Model.FromString(payload) for payload in rows]


async def count_models(session: Session) -> dict[str, ModelCount]:
    """Return how many models each provider has; one that has none is left out."""
    rows = await session.exec(
        select(
            ModelRow.provider, func.count(), func.count().filter(col(ModelRow.enabled))
        ).group_by(col(ModelRow.provider))
    )
    return {provider: ModelCount(total, enabled) for provider, total, enabled in rows}


async def glance_at(session: Session, names: Iterable[str]) -> dict[str, Glance]:
    """Return a glance of those models that exist.

    Args:
        session: a transaction.
        names: `provider/model`.
    """
    glances = {}
    for chunk in _chunks(sorted(names), _CHUNK):
        rows = await session.exec(
            select(ModelRow.provider, ModelRow.id, ModelRow.enabled, ModelRow.listed).where(
                _named(chunk)
            )
        )
        for provider, model_id, enabled, listed in rows:
            glances[f"{provider}/{model_id}"] = Glance(enabled, listed)
    return glances


async def find_default(session: Session) -> StoredModel | None:
    """Return the deployment's default model; None: none is set."""
    rows = await session.exec(select(ModelRow).where(col(ModelRow.deployment_default)))
    row = rows.one_or_none()
    return None if row is None else _stored(row)


async def list_names(session: Session, limit: int) -> list[str]:
    """Return the names of models, at most so many."""
    rows = await session.exec(select(ModelRow.provider, ModelRow.id).limit(limit))
    return [f"{provider}/{model_id}" for provider, model_id in rows]


def _key() -> Any:
    """Return what models are sorted and found by."""
    return tuple_(col(ModelRow.provider), col(ModelRow.id))


def _named(names: Iterable[str]) -> ColumnElement[bool]:
    """Return what finds models by their names, `provider/model`.

    Not as pairs in a list: for those SQLite reads the whole table.
    """
    ids = defaultdict(list)
    for name in names:
        provider, _, model_id = name.partition("/")
        ids[provider].append(model_id)
    return or_(
        false(),
        *(
            and_(col(ModelRow.provider) == provider, col(ModelRow.id).in_(of_provider))
            for provider, of_provider in ids.items()
        ),
    )


def _chunks(names: list[str], size: int) -> Iterator[list[str]]:
    rest = iter(names)
    while chunk := list(islice(rest, size)):
        yield chunk


def _values(stored: StoredModel, published: bytes) -> dict[str, object]:
    """Return the columns of a model."""
    return {
        "provider": stored.provider,
        "id": stored.id,
        "manual": stored.manual.SerializeToString(deterministic=True),
        "reported": stored.reported.SerializeToString(deterministic=True),
        "known": stored.known.SerializeToString(deterministic=True),
        "known_version": stored.known_version,
        "enabled": stored.enabled,
        "deployment_default": stored.deployment_default,
        "listed": stored.listed,
        "etag": stored.etag,
        "create_time_ns": stored.create_time_ns,
        "update_time_ns": stored.update_time_ns,
        "published": published,
    }


def _stored(row: ModelRow) -> StoredModel:
    return StoredModel(
        provider=row.provider,
        id=row.id,
        create_time_ns=row.create_time_ns,
        update_time_ns=row.update_time_ns,
        etag=row.etag,
        manual=model_pb2.Model.FromString(row.manual),
        reported=model_pb2.Model.FromString(row.reported),
        known=model_pb2.Model.FromString(row.known),
        known_version=row.known_version,
        enabled=row.enabled,
        deployment_default=row.deployment_default,
        listed=row.listed,
    )
