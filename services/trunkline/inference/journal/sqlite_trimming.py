"""What is destroyed in the durable journal in SQLite; each function is a transaction's body.

A run goes in two steps. With its record goes its key, and with that everything that could
be read of it; what was sealed by it is cleared away afterwards, run by run, so that
appends wait only a little.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from trunkline.inference.journal.sqlite_reads import NANOSECONDS
from trunkline.inference.journal.sqlite_writes import delete_segments

# A process that is gone for so long left no reader for whom a run could still wait.
_FORGET_AFTER_S: Final = 24 * 3600


def doom(connection: sqlite3.Connection, now_ns: int, limit: int) -> int:
    """Remove the records, and so the keys, of runs whose time is over; return how many."""
    rows = connection.execute(
        "SELECT id, run_id FROM run WHERE is_ledgered = 1 AND expires_ns <= ?"
        " ORDER BY expires_ns LIMIT ?",
        (now_ns, limit),
    ).fetchall()
    connection.executemany("INSERT INTO doomed VALUES (?, ?)", rows)
    connection.executemany("DELETE FROM run WHERE id = ?", [(run,) for run, _ in rows])
    return len(rows)


def clear(connection: sqlite3.Connection) -> bool:
    """Remove what is left of one run that lost its record; False: there is none."""
    row = connection.execute("SELECT run, run_id FROM doomed LIMIT 1").fetchone()
    if row is None:
        return False
    run, run_id = row
    (newest,) = connection.execute("SELECT newest FROM progress WHERE run = ?", (run,)).fetchone()
    delete_segments(connection, newest)
    for table in ("progress", "inbox", "reader", "doomed"):
        connection.execute(f"DELETE FROM {table} WHERE run = ?", (run,))  # noqa: S608
    connection.execute("DELETE FROM notice WHERE run_id = ?", (run_id,))
    return True


def forget_processes(connection: sqlite3.Connection, now_ns: int) -> None:
    """Remove processes that are gone for long and own nothing that goes on."""
    before_ns = now_ns - _FORGET_AFTER_S * NANOSECONDS
    gone = connection.execute(
        "SELECT p.process_id FROM process p WHERE p.until_ns < ? AND NOT EXISTS"
        " (SELECT 1 FROM run r WHERE r.process_id = p.process_id AND r.ended_ns = 0)",
        (before_ns,),
    ).fetchall()
    for table in ("process", "reader", "notice"):
        connection.executemany(f"DELETE FROM {table} WHERE process_id = ?", gone)  # noqa: S608
    connection.execute("DELETE FROM turn WHERE until_ns < ?", (before_ns,))
