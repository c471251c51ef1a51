"""States, traffic and snapshots at rest."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import ColumnElement, case, delete, func, or_
from sqlmodel import col, select

from trunkline.health.board import Change, Kept
from trunkline.health.state import join
from trunkline.health.tables import ProviderRow, SnapshotRow, TrafficRow
from trunkline.health.traffic import Tally
from trunkline.health.v1 import health_pb2
from trunkline.kernel.database import Session

# More are not named one by one.
_MAX_NAMED = 64
_ANSWERED = (health_pb2.ENDPOINT_STATUS_OK, health_pb2.ENDPOINT_STATUS_DEGRADED)

# A minute since 1970, and what was counted for a model in it.
Counted = tuple[int, health_pb2.TrafficHealth]
# When a snapshot was made, in nanoseconds since 1970, and its provider.
SnapshotKey = tuple[int, str]


async def read_kept(
    session: Session, since: int, names: Collection[str] | None = None
) -> list[Kept]:
    """Return what is kept of providers, by name.

    Args:
        session: a transaction.
        since: the first minute since 1970 whose traffic is wanted.
        names: of the providers; None: all.
    """
    states = select(ProviderRow.state).order_by(col(ProviderRow.name))
    traffic = select(TrafficRow).where(col(TrafficRow.minute) >= since)
    if names is not None and len(names) <= _MAX_NAMED:
        states = states.where(col(ProviderRow.name).in_(names))
        traffic = traffic.where(or_(*(_is_of(name) for name in names)))
    found = {}
    for data in await session.exec(states):
        state = health_pb2.ProviderHealth.FromString(data)
        found[state.provider] = Kept(state)
    for row in await session.exec(traffic.order_by(col(TrafficRow.minute), col(TrafficRow.model))):
        kept = found.get(row.model.partition("/")[0])
        if kept is not None:
            kept.traffic.append((row.minute, health_pb2.TrafficHealth.FromString(row.tally)))
    return list(found.values())


async def put_states(
    session: Session, changes: Sequence[Change], uptimes: Mapping[str, float]
) -> dict[str, health_pb2.ProviderHealth]:
    """Save providers' states, together with what other processes saved meanwhile.

    Args:
        session: a transaction.
        changes: the states; their traffic is saved by the minute.
        uptimes: by the provider's name, of the last 24 hours; who is not here keeps its own.

    Returns:
        By the provider's name, the states as they are kept now.
    """
    names = [change.state.provider for change in changes]
    found = await session.exec(select(ProviderRow).where(col(ProviderRow.name).in_(names)))
    rows = {row.name: row for row in found}
    kept = {}
    for name, change in zip(names, changes, strict=True):
        state, row = change.state, rows.get(name)
        if row is not None and row.state != change.kept:
            state = join(state, health_pb2.ProviderHealth.FromString(row.state))
        if name in uptimes:
            state.uptime = uptimes[name]
        kept[name] = state
        data = state.SerializeToString()
        if row is None:
            session.add(ProviderRow(name=name, state=data))
        else:
            row.state = data
    await session.flush()
    return kept


async def add_traffic(session: Session, counts: Sequence[Counted]) -> list[Counted]:
    """Add what was counted for models by the minute; return all that is kept of these minutes."""
    models = {counted.model for _, counted in counts}
    minutes = {minute for minute, _ in counts}
    found = await session.exec(
        select(TrafficRow).where(
            col(TrafficRow.model).in_(models), col(TrafficRow.minute).in_(minutes)
        )
    )
    rows = {(row.minute, row.model): row for row in found}
    kept = []
    for minute, counted in counts:
        row = rows.get((minute, counted.model))
        tally = Tally()
        tally.merge(counted)
        if row is not None:
            tally.merge(health_pb2.TrafficHealth.FromString(row.tally))
        sum_ = tally.describe(counted.model)
        kept.append((minute, sum_))
        data = sum_.SerializeToString()
        if row is None:
            session.add(TrafficRow(model=counted.model, minute=minute, tally=data))
        else:
            row.tally = data
    await session.flush()
    return kept


async def delete_provider(session: Session, name: str) -> None:
    """Remove a provider's state, its traffic and its snapshots."""
    await session.exec(delete(ProviderRow).where(col(ProviderRow.name) == name))
    await session.exec(delete(TrafficRow).where(_is_of(name)))
    await session.exec(delete(SnapshotRow).where(col(SnapshotRow.provider) == name))


async def delete_traffic(session: Session, before: int) -> None:
    """Remove the traffic of the minutes before one."""
    await session.exec(delete(TrafficRow).where(col(TrafficRow.minute) < before))


async def put_snapshots(session: Session, snapshots: Sequence[health_pb2.Snapshot]) -> None:
    """Save what probes found; one that is there already was saved by a commit that broke off."""
    by_key = {(each.time.ToNanoseconds(), each.provider): each for each in snapshots}
    times = [time_ns for time_ns, _ in by_key]
    there = select(SnapshotRow.time_ns, SnapshotRow.provider).where(
        col(SnapshotRow.time_ns).in_(times)
    )
    for time_ns, provider in await session.exec(there):
        by_key.pop((time_ns, provider), None)
    session.add_all(
        SnapshotRow(
            time_ns=time_ns,
            provider=provider,
            status=each.status,
            snapshot=each.SerializeToString(),
        )
        for (time_ns, provider), each in by_key.items()
    )
    await session.flush()


async def read_uptimes(
    session: Session, providers: Collection[str], since_ns: int
) -> dict[str, float]:
    """Return the share of some providers' probes that were answered, by name.

    Args:
        session: a transaction.
        providers: their names; who was not probed is left out.
        since_ns: how far to look back: nanoseconds since 1970.
    """
    provider, status = col(SnapshotRow.provider), col(SnapshotRow.status)
    query = (
        select(provider, func.count(), func.sum(case((status.in_(_ANSWERED), 1), else_=0)))
        .where(provider.in_(providers), col(SnapshotRow.time_ns) > since_ns)
        .group_by(provider)
    )
    return {name: int(up) / int(made) for name, made, up in await session.exec(query)}


async def page_snapshots(
    session: Session,
    *,
    provider: str,
    start_ns: int,
    end_ns: int,
    after: SnapshotKey | None,
    size: int,
) -> list[health_pb2.Snapshot]:
    """Return snapshots, newest first, and of one time by their providers backwards.

    Args:
        session: a transaction.
        provider: only of this one; empty: of all.
        start_ns: the first time that is wanted, in nanoseconds since 1970.
        end_ns: the first time after it that is not.
        after: the last one before the page; None: from the first on.
        size: how many at most.
    """
    query = (
        select(SnapshotRow.snapshot)
        .where(col(SnapshotRow.time_ns) >= start_ns, col(SnapshotRow.time_ns) < end_ns)
        .order_by(col(SnapshotRow.time_ns).desc(), col(SnapshotRow.provider).desc())
    )
    if provider:
        query = query.where(col(SnapshotRow.provider) == provider)
    if after is not None:
        query = query.where(
            col(SnapshotRow.time_ns) <= after[0],
            (col(SnapshotRow.time_ns) < after[0]) | (col(SnapshotRow.provider) < after[1]),
        )
    rows = await session.exec(query.limit(size))
    return [health_pb2.Snapshot.FromString(data) for data in rows]


async def delete_snapshots(session: Session, before_ns: int, size: int) -> int:
    """Remove the oldest snapshots of those before a time.

    Args:
        session: a transaction.
        before_ns: nanoseconds since 1970.
        size: how many at most.

    Returns:
        How many were removed.
    """
    oldest = (
        select(SnapshotRow.time_ns, SnapshotRow.provider)
        .where(col(SnapshotRow.time_ns) < before_ns)
        .order_by(col(SnapshotRow.time_ns), col(SnapshotRow.provider))
        .limit(size)
    )
    found = (await session.exec(oldest)).all()
    if found:
        time_ns, provider = found[-1]
        await session.exec(
            delete(SnapshotRow).where(
                col(SnapshotRow.time_ns) <= time_ns,
                (col(SnapshotRow.time_ns) < time_ns) | (col(SnapshotRow.provider) <= provider),
            )
        )
    return len(found)


def _is_of(name: str) -> ColumnElement[bool]:
    """Return the condition that finds a provider's traffic."""
    return col(TrafficRow.model).startswith(f"{name}/", autoescape=True)
