"""Cooldowns at rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import delete, insert
from sqlmodel import col, select

from trunkline.health.cooldown import Cooldown, Witness
from trunkline.health.route import Route
from trunkline.health.tables import CooldownRow
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.database import Session


async def read_cooldowns(
    session: Session, models: Collection[str] | None = None
) -> dict[Route, Cooldown]:
    """Return what cools, by route.

    Args:
        session: a transaction.
        models: only of these, each `provider/model` or `provider/*`; None: all.
    """
    query = select(CooldownRow)
    if models is not None:
        query = query.where(col(CooldownRow.model).in_(models))
    found = (_read(row) for row in await session.exec(query))
    return {cooldown.route: cooldown for cooldown in found}


async def put_cooldowns(session: Session, changes: Mapping[Route, Cooldown | None]) -> None:
    """Save changes, and remove what is over.

    Args:
        session: a transaction that writes, and has read what it changes.
        changes: by route; None: it is over.
    """
    for route in changes:
        await session.exec(
            delete(CooldownRow).where(
                col(CooldownRow.model) == route.model,
                col(CooldownRow.credential_id) == route.credential_id,
            )
        )
    rows = [_write(cooldown) for cooldown in changes.values() if cooldown is not None]
    if rows:
        await session.exec(insert(CooldownRow), params=rows)


def _read(row: CooldownRow) -> Cooldown:
    """Return what a row holds."""
    return Cooldown(
        Route(row.model, row.credential_id),
        failure_pb2.ErrorKind.ValueType(row.kind),
        row.failures,
        row.generation,
        row.deadline_ns,
        row.given_until_ns,
        row.trial_id,
        row.trial_end_ns,
        Witness(row.key_version, row.key_proof_ns, list_ns=row.list_ns),
    )


def _write(cooldown: Cooldown) -> dict[str, Any]:
    """Return the columns of a cooldown's row."""
    return {
        "model": cooldown.route.model,
        "credential_id": cooldown.route.credential_id,
        "kind": cooldown.kind,
        "failures": cooldown.failures,
        "generation": cooldown.generation,
        "deadline_ns": cooldown.deadline_ns,
        "given_until_ns": cooldown.given_until_ns,
        "trial_id": cooldown.trial_id,
        "trial_end_ns": cooldown.trial_end_ns,
        "key_version": cooldown.witness.version,
        "key_proof_ns": cooldown.witness.proof_ns,
        "list_ns": cooldown.witness.list_ns,
    }
