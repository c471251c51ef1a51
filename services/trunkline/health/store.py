"""States and traffic at rest."""

from __future__ import annotations

from sqlalchemy import delete
from sqlmodel import col, select

from trunkline.health.tables import ProviderRow, TrafficRow
from trunkline.health.v1 import health_pb2
from trunkline.kernel.database import Session


async def all_states(session: Session) -> list[health_pb2.ProviderHealth]:
    """Return every provider's state, without its traffic."""
    rows = await session.exec(select(ProviderRow.state).order_by(col(ProviderRow.name)))
    return [health_pb2.ProviderHealth.FromString(state) for state in rows]


async def all_traffic(session: Session) -> list[tuple[int, health_pb2.TrafficHealth]]:
    """Return what is kept of traffic: by minute since 1970, and model."""
    rows = await session.exec(
        select(TrafficRow).order_by(col(TrafficRow.minute), col(TrafficRow.model))
    )
    return [(row.minute, health_pb2.TrafficHealth.FromString(row.tally)) for row in rows]


async def put_state(session: Session, state: health_pb2.ProviderHealth) -> None:
    """Save a provider's state; its traffic is saved by the minute."""
    await session.merge(ProviderRow(name=state.provider, state=state.SerializeToString()))


async def put_traffic(session: Session, minute: int, traffic: health_pb2.TrafficHealth) -> None:
    """Save what was counted for a model in one minute."""
    await session.merge(
        TrafficRow(model=traffic.model, minute=minute, tally=traffic.SerializeToString())
    )


async def delete_provider(session: Session, name: str) -> None:
    """Remove a provider's state and its traffic."""
    await session.exec(delete(ProviderRow).where(col(ProviderRow.name) == name))
    await session.exec(
        delete(TrafficRow).where(col(TrafficRow.model).startswith(f"{name}/", autoescape=True))
    )


async def delete_traffic(session: Session, before: int) -> None:
    """Remove the traffic of the minutes before one."""
    await session.exec(delete(TrafficRow).where(col(TrafficRow.minute) < before))
