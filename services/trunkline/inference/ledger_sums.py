"""Sums over the ledger, made by the database: in slots of time, by what is asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import BigInteger, ColumnElement, and_, case, cast, func, literal, or_, select, text

from trunkline.inference.ledger_filter import EntryFilter
from trunkline.inference.ledger_tables import Tables
from trunkline.inference.v1 import result_pb2, usage_pb2
from trunkline.kernel.database import Session

# By dimension: the columns that name a group.
DIMENSIONS: Final[Mapping[int, tuple[str, ...]]] = {
    usage_pb2.USAGE_DIMENSION_PROVIDER: ("provider",),
    usage_pb2.USAGE_DIMENSION_MODEL: ("model",),
    usage_pb2.USAGE_DIMENSION_PRINCIPAL: ("principal",),
    usage_pb2.USAGE_DIMENSION_ROLE: ("role",),
    usage_pb2.USAGE_DIMENSION_AGENT: ("agent",),
    usage_pb2.USAGE_DIMENSION_ON_BEHALF_OF: ("principal", "on_behalf_of"),
}

_COLUMNS: Final = Tables.metadata.tables["attempt"].c
_MOST: Final = 2**63 - 1
# What took something; the longer-lived are a part of what was written to a cache.
_TOKENS: Final = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
_FAILED: Final = (
    result_pb2.ATTEMPT_OUTCOME_FAILED,
    result_pb2.ATTEMPT_OUTCOME_SUPERSEDED,
)


@dataclass(frozen=True, slots=True)
class SumQuery:
    """Which sums are made.

    Attributes:
        entries: of which attempts; its start is the first slot's.
        columns: that name a group; none: all are one.
        interval_ns: width of a slot, in nanoseconds; 0: there are no slots.
        limit: how many sums at most.
    """

    entries: EntryFilter
    columns: Sequence[str]
    interval_ns: int
    limit: int


async def sum_entries(session: Session, query: SumQuery) -> list[usage_pb2.UsageSum]:
    """Return sums by slot and then by cost, highest first; equals by their names."""
    names = list(query.columns)
    start_ns = query.entries.start_ns
    figures = _figures()
    selected: list[ColumnElement[Any]] = [_COLUMNS[name] for name in names]
    if query.interval_ns:
        width = cast(literal(query.interval_ns), BigInteger)
        elapsed = _COLUMNS.start_ns - cast(literal(start_ns), BigInteger)
        selected.append((elapsed // width).label("slot"))
        names.append("slot")
    selected += (figure.label(name) for name, figure in figures.items())
    found = query.entries.narrow(select(*selected).select_from(_COLUMNS.run_id.table))  # type: ignore[type-var] # a query as any other
    # By its name: the parameters of an expression are not the same twice to PostgreSQL.
    found = found.group_by(*(text(name) for name in names))
    slot = (text("slot"),) if query.interval_ns else ()
    found = found.order_by(*slot, text("nanodollars DESC"), *(text(n) for n in query.columns))
    connection = await session.connection()
    rows = (await connection.execute(found.limit(query.limit))).mappings()
    sums = []
    for row in rows:
        each = usage_pb2.UsageSum(**{name: row[name] for name in query.columns})
        each.start_time.FromNanoseconds(start_ns + row.get("slot", 0) * query.interval_ns)
        for name in figures:
            setattr(each, name, min(int(row[name]), _MOST))
        sums.append(each)
    return sums


def _figures() -> dict[str, ColumnElement[int]]:
    """Return what is summed, by its name in the contract."""
    took = or_(*(_COLUMNS[name] > 0 for name in _TOKENS))
    spoke = or_(_COLUMNS.first_token_ns.is_not(None), _COLUMNS.output_tokens > 0)
    is_reported = _COLUMNS.usage_source == result_pb2.USAGE_SOURCE_REPORTED
    summed = {
        name: func.coalesce(func.sum(_COLUMNS[name]), 0) for name in (*_TOKENS, "reasoning_tokens")
    }
    return {
        "attempts": func.count(),
        "runs": func.count(_COLUMNS.run_id.distinct()),
        **summed,
        "nanodollars": func.coalesce(func.sum(_COLUMNS.cost_nanodollars), 0),
        "unpriced_attempts": _count(and_(_COLUMNS.cost_nanodollars.is_(None), took)),
        "estimated_attempts": _count(and_(spoke, ~is_reported)),
        "failed_attempts": _count(_COLUMNS.outcome.in_(_FAILED)),
    }


def _count(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """Return the number of rows that a condition holds for."""
    return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)
