"""What is changed in the durable journal in SQLite; each function is one transaction's body.

A transaction that writes takes its lock at once, so that what it looked at stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import TypeVar

from trunkline.inference.journal import sqlite_reads
from trunkline.inference.journal.sqlite_reads import ALIVE, NANOSECONDS
from trunkline.inference.journal.store import (
    MAX_TAKEOVERS,
    VERSION,
    Append,
    Appended,
    End,
    NewRun,
    Refusal,
    RunRecord,
)
from trunkline.inference.v1 import run_pb2

T = TypeVar("T")


def transact(connection: sqlite3.Connection, body: Callable[[], T]) -> T:
    """Run a body in a transaction that writes: committed at its end, or not at all."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        result = body()
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise
    return result


def renew(connection: sqlite3.Connection, now_ns: int, process_id: str, lease_s: float) -> None:
    """Say that a process lives for so long."""
    lease_ns = int(lease_s * NANOSECONDS)
    connection.execute(
        "INSERT OR REPLACE INTO process VALUES (?, ?, ?, 0)",
        (process_id, now_ns + lease_ns, lease_ns),
    )


def retire(connection: sqlite3.Connection, now_ns: int, process_id: str) -> None:
    """Say that a process lives no longer."""
    connection.execute("INSERT OR REPLACE INTO process VALUES (?, ?, 0, 1)", (process_id, now_ns))
    connection.execute("DELETE FROM turn WHERE process_id = ?", (process_id,))
    connection.execute("DELETE FROM notice WHERE process_id = ?", (process_id,))


def create(connection: sqlite3.Connection, now_ns: int, run: NewRun) -> RunRecord | None:
    """Write a run that begins; return the one that is there instead."""
    found = sqlite_reads.load(connection, now_ns, run.run_id)
    if found is None and run.idempotency_key:
        found = sqlite_reads.find_key(connection, now_ns, run.idempotency_key)
    if found is not None:
        return found
    values = {
        "run_id": run.run_id,
        "principal": run.owner.principal,
        "on_behalf_of": run.owner.on_behalf_of,
        "target": run.target,
        "created_ns": run.created_ns,
        "wrapped_key": run.wrapped_key,
        "terms": run.terms,
        "grace_s": run.grace_s,
        "continues": run.continues,
        "retention_s": run.retention_s,
        "idempotency_key": run.idempotency_key,
        "request_digest": run.request_digest,
        "process_id": run.process_id,
        "owned_ns": now_ns,
        "epoch": 1,
        "takeovers": 0,
        "version": VERSION,
        "state": run_pb2.RUN_STATE_RUNNING,
        "read_ns": 0,
        "ended_ns": 0,
        "expires_ns": 0,
        "status": b"",
        "is_ledgered": 0,
    }
    places = ", ".join(f":{name}" for name in values)
    cursor = connection.execute(
        f"INSERT INTO run ({', '.join(values)}) VALUES ({places})",  # noqa: S608 - names above
        values,
    )
    connection.execute("INSERT INTO progress VALUES (?, 0, 0)", (cursor.lastrowid,))
    return None


def append(connection: sqlite3.Connection, now_ns: int, entry: Append) -> Appended:
    """Write what one commit holds of one run, if its writer still owns it."""
    row = connection.execute(
        "SELECT id, process_id, epoch, state, last_sequence, newest, ended_ns, retention_s,"
        " read_ns FROM run JOIN progress ON run = id WHERE run_id = ?",
        (entry.run_id,),
    ).fetchone()
    if row is None:
        return Appended.SUPERSEDED
    run, process_id, epoch, state, last, newest, ended_ns, retention_s, read_ns = row
    if ended_ns:
        return Appended.ENDED
    end = entry.end
    if entry.epoch and epoch != entry.epoch:
        return Appended.SUPERSEDED
    holds_events = bool(entry.epoch and entry.first)
    if holds_events:
        if last == entry.last and _is_written(connection, newest, entry):
            return Appended.DONE
        if last != entry.first - 1:
            return Appended.SUPERSEDED
    if end is not None and _is_read(connection, now_ns, run, read_ns, end):
        return Appended.READ
    if holds_events:
        if entry.data:
            newest = _add_segment(connection, newest, entry)
        connection.execute(
            "UPDATE progress SET last_sequence = ?, newest = ? WHERE run = ?",
            (entry.last, newest, run),
        )
        if end is None and entry.state and entry.state != state:
            connection.execute("UPDATE run SET state = ? WHERE id = ?", (entry.state, run))
    if end is None:
        return Appended.DONE
    connection.execute(
        "UPDATE run SET state = ?, status = ?, ended_ns = ?,"
        " expires_ns = ?, idempotency_key = CASE ? WHEN 1 THEN x'' ELSE idempotency_key END"
        " WHERE id = ?",
        (
            end.state,
            end.status,
            now_ns,
            now_ns + int(retention_s * NANOSECONDS),
            int(end.frees_key),
            run,
        ),
    )
    if not entry.epoch:
        _leave_notice(connection, process_id, entry.run_id)
    return Appended.DONE


def compact(connection: sqlite3.Connection, run_id: str, epoch: int, data: bytes) -> None:
    """Replace all segments of an ended run by one."""
    row = connection.execute(
        "SELECT id, last_sequence, newest FROM run JOIN progress ON run = id"
        " WHERE run_id = ? AND epoch = ? AND ended_ns > 0",
        (run_id, epoch),
    ).fetchone()
    if row is None:
        return
    run, last, newest = row
    delete_segments(connection, newest)
    whole = _add_segment(connection, 0, Append(run_id, epoch, 1, last, data))
    connection.execute("UPDATE progress SET newest = ? WHERE run = ?", (whole, run))


def delete_segments(connection: sqlite3.Connection, newest: int) -> None:
    """Delete all segments of a run.

    Args:
        connection: in a transaction.
        newest: the id of the last one; 0: there is none.
    """
    connection.executemany(
        "DELETE FROM segment WHERE id = ?",
        [(segment_id,) for segment_id in sqlite_reads.chain(connection, newest, 0)],
    )


def claim(
    connection: sqlite3.Connection, now_ns: int, run_id: str, process_id: str, epoch: int
) -> RunRecord | Refusal:
    """Make a process a run's owner."""
    found = sqlite_reads.load(connection, now_ns, run_id)
    if found is None or found.ended_ns:
        return Refusal.ENDED
    takeovers = found.takeovers
    if (found.process_id, found.epoch) != (process_id, epoch):
        if found.is_owned:
            return Refusal.OWNED
        if found.version > VERSION:
            return Refusal.NEWER
        if not _is_retired(connection, found.process_id):
            if takeovers >= MAX_TAKEOVERS:
                return Refusal.EXHAUSTED
            takeovers += 1
    connection.execute(
        "UPDATE run SET process_id = ?, epoch = epoch + 1, takeovers = ?, version = ?,"
        " owned_ns = ? WHERE run_id = ?",
        (process_id, takeovers, VERSION, now_ns, run_id),
    )
    if found.process_id != process_id:
        _leave_notice(connection, found.process_id, run_id)
    claimed = sqlite_reads.load(connection, now_ns, run_id)
    assert claimed is not None
    return claimed


def set_readers(
    connection: sqlite3.Connection, now_ns: int, run_id: str, process_id: str, count: int
) -> None:
    """Note how many readers a process has of a run, and when the last one left."""
    row = connection.execute(
        "SELECT id, process_id FROM run WHERE run_id = ?", (run_id,)
    ).fetchone()
    if row is None:
        return
    run, owner = row
    had = connection.execute(
        "DELETE FROM reader WHERE run = ? AND process_id = ?", (run, process_id)
    ).rowcount
    if count:
        connection.execute("INSERT INTO reader VALUES (?, ?, ?)", (run, process_id, count))
    elif had:
        connection.execute("UPDATE run SET read_ns = ? WHERE id = ?", (now_ns, run))
    if bool(count) != bool(had) and process_id != owner:
        _leave_notice(connection, owner, run_id)


def put(
    connection: sqlite3.Connection, run_id: str, item_id: str, digest: bytes, data: bytes
) -> bool:
    """Put something into a run's inbox; False: another one of that id is there."""
    row = connection.execute(
        "SELECT id, process_id FROM run WHERE run_id = ? AND ended_ns = 0", (run_id,)
    ).fetchone()
    if row is None:
        return True
    run, process_id = row
    found = connection.execute(
        "SELECT digest FROM inbox WHERE run = ? AND item_id = ?", (run, item_id)
    ).fetchone()
    if found is not None:
        return bool(found[0] == digest)
    connection.execute(
        "INSERT INTO inbox (run, item_id, digest, data) VALUES (?, ?, ?, ?)",
        (run, item_id, digest, data),
    )
    _leave_notice(connection, process_id, run_id)
    return True


def take_notices(connection: sqlite3.Connection, taken: Sequence[tuple[str, str]]) -> None:
    """Remove notices: each the id of a process and of a run."""
    connection.executemany("DELETE FROM notice WHERE process_id = ? AND run_id = ?", taken)


def mark_ledgered(connection: sqlite3.Connection, run_ids: Sequence[str]) -> None:
    """Note that the attempts of ended runs are in the ledger."""
    connection.executemany(
        "UPDATE run SET is_ledgered = 1 WHERE run_id = ? AND ended_ns > 0",
        [(run_id,) for run_id in run_ids],
    )


def take_turn(
    connection: sqlite3.Connection, now_ns: int, name: str, process_id: str, lease_s: float
) -> bool:
    """Take or keep a lease on work of the fleet; False: another has it."""
    held = connection.execute(
        f"SELECT 1 FROM turn p WHERE name = :name AND process_id <> :process_id AND {ALIVE}",  # noqa: S608
        {"name": name, "process_id": process_id, "now": now_ns},
    ).fetchone()
    if held is not None:
        return False
    lease_ns = int(lease_s * NANOSECONDS)
    connection.execute(
        "INSERT OR REPLACE INTO turn VALUES (?, ?, ?, ?)",
        (name, process_id, now_ns + lease_ns, lease_ns),
    )
    return True


def _is_read(connection: sqlite3.Connection, now_ns: int, run: int, read_ns: int, end: End) -> bool:
    """Tell whether an end that wants no readers finds one, or one that left too lately.

    A process that died took its readers with it at the end of its lease.
    """
    if end.unread_for_s is None:
        return False
    for is_alive, until_ns in connection.execute(
        f"SELECT {ALIVE}, p.until_ns FROM reader e JOIN process p USING (process_id)"  # noqa: S608
        " WHERE e.run = :run",
        {"now": now_ns, "run": run},
    ):
        if is_alive:
            return True
        read_ns = max(read_ns, min(until_ns, now_ns))
    return bool(read_ns and now_ns - read_ns < end.unread_for_s * NANOSECONDS)


def _add_segment(connection: sqlite3.Connection, previous: int, entry: Append) -> int:
    """Write the segment that an append holds; return its id."""
    # One without events lies before those that follow it.
    reach = max(entry.first, entry.last)
    cursor = connection.execute(
        "INSERT INTO segment (previous, reach, epoch, first, last, data) VALUES (?, ?, ?, ?, ?, ?)",
        (previous, reach, entry.epoch, entry.first, entry.last, entry.data),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid


def _is_written(connection: sqlite3.Connection, newest: int, entry: Append) -> bool:
    """Tell whether an append is the last one again, of which its writer heard nothing."""
    row = connection.execute(
        "SELECT epoch, first, last, data FROM segment WHERE id = ?", (newest,)
    ).fetchone()
    return bool(row == (entry.epoch, entry.first, entry.last, entry.data))


def _is_retired(connection: sqlite3.Connection, process_id: str) -> bool:
    """Tell whether a process said itself that it lives no longer."""
    row = connection.execute(
        "SELECT is_retired FROM process WHERE process_id = ?", (process_id,)
    ).fetchone()
    return row is not None and bool(row[0])


def _leave_notice(connection: sqlite3.Connection, process_id: str, run_id: str) -> None:
    """Have a run's owner woken."""
    connection.execute("INSERT OR IGNORE INTO notice VALUES (?, ?)", (process_id, run_id))
