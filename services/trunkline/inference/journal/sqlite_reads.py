"""What is asked of the durable journal in SQLite; each function is one look at the file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, Final

from trunkline.inference.journal.store import ID_SKEW_NS, RunQuery, RunRecord, Segment
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import run_pb2

NANOSECONDS: Final = 1_000_000_000

# A lease that ends long after it could was given before the clock was set back.
ALIVE: Final = "(p.until_ns > :now AND p.until_ns <= :now + 2 * p.lease_ns)"
_RECORD: Final = f"""
    SELECT r.run_id, r.principal, r.on_behalf_of, r.target, r.created_ns, r.wrapped_key,
        r.terms, r.grace_s, r.continues, r.retention_s, r.request_digest, r.process_id,
        r.epoch, r.takeovers, r.version, r.state,
        (SELECT g.last_sequence FROM progress g WHERE g.run = r.id), r.ended_ns, r.status,
        (SELECT coalesce(sum(e.count), 0) FROM reader e JOIN process p USING (process_id)
            WHERE e.run = r.id AND {ALIVE}),
        EXISTS (SELECT 1 FROM reader e JOIN process p USING (process_id)
            WHERE e.run = r.id AND e.process_id <> r.process_id AND {ALIVE}),
        EXISTS (SELECT 1 FROM process p WHERE p.process_id = r.process_id AND {ALIVE}),
        r.is_ledgered
    FROM run r
"""  # noqa: S608 - constants
_LISTED: Final = _RECORD.replace("r.terms", "x''")
# The moment from which on nobody owned a run: its owner's last, or when it became the owner.
_GONE: Final = """
    max(r.owned_ns, coalesce(
        (SELECT p.until_ns FROM process p WHERE p.process_id = r.process_id), 0))
"""
_ABANDONED: Final = f"""
    {_RECORD.replace("FROM run r", f", {_GONE} AS gone_ns FROM run r")}
    WHERE r.ended_ns = 0 AND r.process_id NOT IN (SELECT p.process_id FROM process p WHERE {ALIVE})
    ORDER BY gone_ns, r.run_id LIMIT :limit
"""  # noqa: S608 - constants
# A run's segments, the newest first, back to the first that reaches beyond a sequence.
_CHAIN: Final = """
    WITH RECURSIVE chain (id, previous) AS (
        SELECT id, previous FROM segment WHERE id = :newest AND reach > :after
        UNION ALL
        SELECT s.id, s.previous FROM chain JOIN segment s ON s.id = chain.previous
            WHERE s.reach > :after
    )
    SELECT id FROM chain
"""
_MARKS: Final = (
    "SELECT run_id, epoch, newest, last_sequence, state, ended_ns"
    " FROM run JOIN progress ON progress.run = run.id"
)
_ENDED_STATES: Final = (
    run_pb2.RUN_STATE_SUCCEEDED,
    run_pb2.RUN_STATE_FAILED,
    run_pb2.RUN_STATE_CANCELLED,
)


def load(connection: sqlite3.Connection, now_ns: int, run_id: str) -> RunRecord | None:
    """Return a run; None: there is none."""
    return _one(connection, "r.run_id = :run_id", {"now": now_ns, "run_id": run_id})


def find_key(connection: sqlite3.Connection, now_ns: int, key: bytes) -> RunRecord | None:
    """Return the run that has an idempotency key; None: there is none."""
    # The condition is the index's own: it holds no run without a key.
    where = "r.idempotency_key = :key AND r.idempotency_key <> x''"
    return _one(connection, where, {"now": now_ns, "key": key})


def chain(connection: sqlite3.Connection, newest: int, after: int) -> list[int]:
    """Return the ids of a run's segments that reach beyond a sequence, in order.

    Args:
        connection: to the file.
        newest: the id of the last one; 0: there is none.
        after: a sequence.
    """
    found = connection.execute(_CHAIN, {"newest": newest, "after": after}).fetchall()
    # Ids grow: those of the other order are sorted in no time.
    return sorted(row[0] for row in found)


def read(connection: sqlite3.Connection, run_id: str, after: int, max_bytes: int) -> list[Segment]:
    """Return the segments that hold events after a sequence, or lie after it, in order."""
    # Both questions see the file as it is at one moment.
    connection.execute("BEGIN")
    try:
        row = connection.execute(
            "SELECT newest FROM progress WHERE run = (SELECT id FROM run WHERE run_id = ?)",
            (run_id,),
        ).fetchone()
        segments: list[Segment] = []
        size = 0
        for segment_id in chain(connection, row[0] if row else 0, after):
            found = connection.execute(
                "SELECT epoch, first, last, data FROM segment WHERE id = ?", (segment_id,)
            ).fetchone()
            segment = Segment(*found)
            size += len(segment.data)
            if segments and size > max_bytes:
                break
            segments.append(segment)
        return segments
    finally:
        connection.execute("ROLLBACK")


def inbox(connection: sqlite3.Connection, run_id: str) -> list[tuple[str, bytes]]:
    """Return a run's inbox, in the order in which it was put."""
    rows: list[tuple[str, bytes]] = connection.execute(
        "SELECT item_id, data FROM inbox"
        " WHERE run = (SELECT id FROM run WHERE run_id = ?) ORDER BY id",
        (run_id,),
    ).fetchall()
    return rows


def abandoned(
    connection: sqlite3.Connection, now_ns: int, limit: int
) -> list[tuple[RunRecord, float]]:
    """Return runs that go on without an owner, and for how many seconds, the longest first."""
    rows = connection.execute(_ABANDONED, {"now": now_ns, "limit": limit})
    return [(_record(row), max(0, now_ns - row[-1]) / NANOSECONDS) for row in rows]


def list_runs(connection: sqlite3.Connection, now_ns: int, query: RunQuery) -> list[RunRecord]:
    """Return runs, newest first."""
    where = ["true"]
    if query.principal:
        where.append("r.principal = :principal")
    if query.on_behalf_of is not None:
        where.append("r.on_behalf_of = :on_behalf_of")
    if query.before:
        where.append("r.run_id < :before")
    if query.state:
        where.append("r.state = :state")
        if query.state not in _ENDED_STATES:
            where.append("r.ended_ns = 0")
    rows = connection.execute(
        f"{_LISTED} WHERE {' AND '.join(where)} ORDER BY r.run_id DESC",
        {
            "now": now_ns,
            "principal": query.principal,
            "on_behalf_of": query.on_behalf_of,
            "before": query.before,
            "state": query.state,
        },
    )
    found: list[RunRecord] = []
    for record in map(_record, rows):
        # Ids sort by time: what comes after one that is too old is older still.
        if record.created_ns < query.since_ns - ID_SKEW_NS or len(found) == query.limit:
            break
        if record.created_ns >= query.since_ns:
            found.append(record)
    rows.close()
    return found


def unledgered(connection: sqlite3.Connection, now_ns: int, limit: int) -> list[RunRecord]:
    """Return ended runs whose attempts are not in the ledger, oldest first."""
    rows = connection.execute(
        f"{_RECORD} WHERE r.ended_ns > 0 AND r.is_ledgered = 0"
        " ORDER BY r.ended_ns, r.run_id LIMIT :limit",
        {"now": now_ns, "limit": limit},
    )
    return [_record(row) for row in rows]


def marks(connection: sqlite3.Connection, run_ids: Iterable[str]) -> dict[str, tuple[int, ...]]:
    """Return of each run what changes when it is written: its epoch, segments and end."""
    wanted = list(run_ids)
    found: dict[str, tuple[int, ...]] = {}
    # SQLite bounds how many values a statement may have.
    for start in range(0, len(wanted), 500):
        some = wanted[start : start + 500]
        statement = f"{_MARKS} WHERE run_id IN ({_places(some)})"
        for run_id, *mark in connection.execute(statement, some):
            found[run_id] = tuple(mark)
    return found


def notices(connection: sqlite3.Connection, process_ids: Iterable[str]) -> list[tuple[str, str]]:
    """Return what others left for processes: each with the id of a run."""
    wanted = list(process_ids)
    rows: list[tuple[str, str]] = connection.execute(
        f"SELECT process_id, run_id FROM notice WHERE process_id IN ({_places(wanted)})",  # noqa: S608
        wanted,
    ).fetchall()
    return rows


def _places(values: Sequence[object]) -> str:
    """Return a place in a statement for each value."""
    return ", ".join("?" * len(values))


def _one(connection: sqlite3.Connection, where: str, values: dict[str, Any]) -> RunRecord | None:
    """Return the one run that a condition finds."""
    row = connection.execute(f"{_RECORD} WHERE {where}", values).fetchone()
    return None if row is None else _record(row)


def _record(row: Sequence[Any]) -> RunRecord:
    """Return a row as a record."""
    return RunRecord(
        run_id=row[0],
        owner=Owner(row[1], row[2]),
        target=row[3],
        created_ns=row[4],
        wrapped_key=row[5],
        terms=row[6],
        grace_s=row[7],
        continues=bool(row[8]),
        retention_s=row[9],
        request_digest=row[10],
        process_id=row[11],
        epoch=row[12],
        takeovers=row[13],
        version=row[14],
        state=row[15],
        last_sequence=row[16],
        ended_ns=row[17],
        status=row[18],
        readers=row[19],
        is_read_elsewhere=bool(row[20]),
        is_owned=bool(row[21]),
        is_ledgered=bool(row[22]),
    )
