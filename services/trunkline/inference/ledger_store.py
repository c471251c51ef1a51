"""Attempts at rest."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from google.protobuf.duration_pb2 import Duration
from sqlalchemy import ColumnElement, Dialect, literal_column, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import col, select

from trunkline.inference.ledger_filter import EntryFilter, storable
from trunkline.inference.ledger_tables import AttemptRow, Tables
from trunkline.inference.v1 import failure_pb2, result_pb2, usage_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.database import Session

# When an attempt began, in nanoseconds since 1970, its run and its number.
EntryKey = tuple[int, str, int]

_KEY: Final = ("run_id", "number")
_TABLE: Final = Tables.metadata.tables["attempt"]
_CLASSES: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_write_long_tokens",
)
# What is no name in the place of a provider's code might be a sentence of its.
_CODE: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,128}")
_MAX_SENTENCE: Final = 500


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """Which entries are listed, newest first.

    Attributes:
        entries: that are meant.
        after: the last one before the page; None: from the newest on.
        limit: at most.
    """

    entries: EntryFilter
    after: EntryKey | None = None
    limit: int = 100


async def put_entries(session: Session, entries: Sequence[usage_pb2.LedgerEntry]) -> None:
    """Save entries; one that is open does not replace one that was closed.

    Args:
        session: a transaction that writes.
        entries: of each attempt one at most.
    """
    connection = await session.connection()
    # As the driver takes them: otherwise a row costs twice as much on its way there.
    rows = [_write(entry) for entry in entries]
    await connection.exec_driver_sql(_put(connection.dialect), rows)


async def page_entries(session: Session, query: EntryQuery) -> list[usage_pb2.LedgerEntry]:
    """Return entries, newest first, and of one moment by their runs and numbers backwards."""
    place = (col(AttemptRow.start_ns), col(AttemptRow.run_id), col(AttemptRow.number))
    found = select(AttemptRow).order_by(*(column.desc() for column in place)).limit(query.limit)
    found = query.entries.narrow(found)
    if query.after is not None:
        found = found.where(tuple_(*place) < query.after)
    return [_read(row) for row in await session.exec(found)]


@lru_cache(maxsize=4)
def _put(dialect: Dialect) -> str:
    """Return the statement that saves an entry, given as a row of the table."""
    put = (postgresql.insert if dialect.name == "postgresql" else sqlite.insert)(_TABLE)
    open_: ColumnElement[int] = literal_column("0")
    put = put.on_conflict_do_update(
        index_elements=_KEY,
        set_={column.name: put.excluded[column.name] for column in _TABLE.c},
        where=(_TABLE.c.outcome == open_) | (put.excluded.outcome != open_),
    )
    return str(put.compile(dialect=dialect))


def _write(entry: usage_pb2.LedgerEntry) -> tuple[str | int | bool | None, ...]:
    """Return an entry as a row of the table."""
    attempt = entry.attempt
    failure = attempt.failure
    code = failure.reply.code
    has_cost = attempt.HasField("cost")
    has_first_token = attempt.HasField("time_to_first_token")
    usage = attempt.usage
    return (
        entry.run_id,
        attempt.number,
        storable(entry.principal),
        storable(entry.on_behalf_of),
        storable(entry.role),
        storable(entry.agent),
        storable(attempt.model.partition("/")[0]),
        storable(attempt.model),
        attempt.outcome,
        attempt.continuation,
        attempt.credential_scope,
        attempt.credential_id,
        attempt.start_time.ToNanoseconds(),
        attempt.duration.ToNanoseconds(),
        attempt.time_to_first_token.ToNanoseconds() if has_first_token else None,
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.reasoning_tokens,
        usage.cache_write_long_tokens,
        usage.source,
        attempt.cost.nanodollars if has_cost else None,
        attempt.cost.price_version,
        attempt.cost.estimated,
        failure.kind if attempt.HasField("failure") else None,
        failure.reply.http_status,
        code if _CODE.fullmatch(code) else "",
        storable(failure.message)[:_MAX_SENTENCE],
        failure.mid_stream,
    )


def _read(row: AttemptRow) -> usage_pb2.LedgerEntry:
    """Return what a row holds."""
    attempt = result_pb2.Attempt(
        number=row.number,
        model=row.model,
        outcome=result_pb2.AttemptOutcome.ValueType(row.outcome),
        credential_scope=failure_pb2.CredentialScope.ValueType(row.credential_scope),
        start_time=timestamp(row.start_ns),
        duration=_span(row.duration_ns),
        usage=result_pb2.Usage(
            **{name: getattr(row, name) for name in _CLASSES},
            source=result_pb2.UsageSource.ValueType(row.usage_source),
        ),
        continuation=result_pb2.ContinuationStrategy.ValueType(row.continuation),
        credential_id=row.credential_id,
    )
    if row.first_token_ns is not None:
        attempt.time_to_first_token.CopyFrom(_span(row.first_token_ns))
    if row.cost_nanodollars is not None:
        attempt.cost.nanodollars = row.cost_nanodollars
        attempt.cost.price_version = row.price_version
        attempt.cost.estimated = row.is_cost_estimated
    if row.failure_kind is not None:
        attempt.failure.kind = failure_pb2.ErrorKind.ValueType(row.failure_kind)
        attempt.failure.message = row.failure_message
        attempt.failure.mid_stream = row.is_mid_stream
        if row.failure_status or row.failure_code:
            attempt.failure.reply.http_status = row.failure_status
            attempt.failure.reply.code = row.failure_code
    return usage_pb2.LedgerEntry(
        run_id=row.run_id,
        principal=row.principal,
        attempt=attempt,
        role=row.role,
        agent=row.agent,
        on_behalf_of=row.on_behalf_of,
    )


def _span(nanoseconds: int) -> Duration:
    """Return a span of nanoseconds as a protobuf duration."""
    span = Duration()
    span.FromNanoseconds(nanoseconds)
    return span
