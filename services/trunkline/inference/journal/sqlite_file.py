"""The file of the durable journal: made, opened, kept small.

The schema's version stands in `user_version`; several processes of one machine may open
the file at once.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path
from typing import Final

from trunkline.kernel.database import DatabaseError

BUSY_TIMEOUT_S: Final = 1.5
_OPEN_WAIT_S: Final = 4.0
_PAUSE_S: Final = 0.02

# Each brings the version before to its own: the first makes version 1.
_SCHEMAS: Final = (
    """
    CREATE TABLE run (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run_id TEXT NOT NULL UNIQUE,
        principal TEXT NOT NULL,
        on_behalf_of TEXT NOT NULL,
        target TEXT NOT NULL,
        created_ns INTEGER NOT NULL,
        wrapped_key BLOB NOT NULL,
        terms BLOB NOT NULL,
        grace_s REAL NOT NULL,
        continues INTEGER NOT NULL,
        retention_s REAL NOT NULL,
        idempotency_key BLOB NOT NULL,
        request_digest BLOB NOT NULL,
        process_id TEXT NOT NULL,
        owned_ns INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        takeovers INTEGER NOT NULL,
        version INTEGER NOT NULL,
        state INTEGER NOT NULL,
        read_ns INTEGER NOT NULL,
        ended_ns INTEGER NOT NULL,
        expires_ns INTEGER NOT NULL,
        status BLOB NOT NULL,
        is_ledgered INTEGER NOT NULL
    );
    CREATE UNIQUE INDEX run_idempotency ON run (idempotency_key) WHERE idempotency_key <> x'';
    CREATE INDEX run_principal ON run (principal, run_id);
    CREATE INDEX run_user ON run (principal, on_behalf_of, run_id);
    CREATE INDEX run_live ON run (process_id) WHERE ended_ns = 0;
    CREATE INDEX run_unledgered ON run (ended_ns) WHERE ended_ns > 0 AND is_ledgered = 0;
    CREATE INDEX run_expired ON run (expires_ns) WHERE is_ledgered = 1;
    -- Apart from `run`, since each event changes it: a thousand of these lie on a few pages.
    CREATE TABLE progress (
        run INTEGER PRIMARY KEY,
        last_sequence INTEGER NOT NULL,
        newest INTEGER NOT NULL
    );
    -- A log of all runs: what one commit adds lies side by side, and no index names it. Each
    -- segment names the one before it of its run (0 where there is none). docs/performance.md has
    -- what that saves.
    CREATE TABLE segment (
        id INTEGER PRIMARY KEY,
        previous INTEGER NOT NULL,
        reach INTEGER NOT NULL,
        epoch INTEGER NOT NULL,
        first INTEGER NOT NULL,
        last INTEGER NOT NULL,
        data BLOB NOT NULL
    );
    CREATE TABLE inbox (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        run INTEGER NOT NULL,
        item_id TEXT NOT NULL,
        digest BLOB NOT NULL,
        data BLOB NOT NULL,
        UNIQUE (run, item_id)
    );
    CREATE TABLE reader (
        run INTEGER NOT NULL,
        process_id TEXT NOT NULL,
        count INTEGER NOT NULL,
        PRIMARY KEY (run, process_id)
    ) WITHOUT ROWID;
    CREATE TABLE process (
        process_id TEXT PRIMARY KEY,
        until_ns INTEGER NOT NULL,
        lease_ns INTEGER NOT NULL,
        is_retired INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE turn (
        name TEXT PRIMARY KEY,
        process_id TEXT NOT NULL,
        until_ns INTEGER NOT NULL,
        lease_ns INTEGER NOT NULL
    ) WITHOUT ROWID;
    CREATE TABLE notice (
        process_id TEXT NOT NULL,
        run_id TEXT NOT NULL,
        PRIMARY KEY (process_id, run_id)
    ) WITHOUT ROWID;
    CREATE TABLE doomed (run INTEGER PRIMARY KEY, run_id TEXT NOT NULL);
    """,
)


def prepare(path: Path) -> None:
    """Make the file, or bring its schema up to date; blocking.

    Raises:
        DatabaseError: the directory cannot be written, the file is none of SQLite's, or a
            newer version of Trunkline wrote it.
        sqlite3.OperationalError: another program holds the file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Ours alone from the first byte on; SQLite gives its rights to the log beside it.
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseError(
            f"The journal {path} cannot be written: {error.strerror or error}.",
            "Choose another data directory, or mend its rights.",
        ) from error
    deadline = time.monotonic() + _OPEN_WAIT_S
    while True:
        try:
            with contextlib.closing(connect(path)) as connection:
                _migrate(connection, path)
            return
        except sqlite3.OperationalError:
            # Who changes the kind of log waits for nobody, and two may begin at once.
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)
        except sqlite3.DatabaseError as error:
            raise DatabaseError(
                f"The file {path} cannot be read as a journal: {error}.",
                "Restore it from a backup, or choose another data directory.",
            ) from error


def connect(path: Path, *, writes: bool = True) -> sqlite3.Connection:
    """Open a connection, for the thread that calls; blocking."""
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_S, isolation_level=None)
    try:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=NORMAL")
        # What is deleted is overwritten: a removed key does not linger in a free page.
        connection.execute("PRAGMA secure_delete=ON")
        # Who writes for a reader that waits must not wait for the disk.
        connection.execute("PRAGMA wal_autocheckpoint=0")
        if not writes:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def checkpoint(connection: sqlite3.Connection) -> bool:
    """Move what was committed into the file and empty the log; blocking.

    Returns:
        Whether it was done; a reader or another process may be in the way.
    """
    # Most of it beside the writers, then what they wrote meanwhile, and only the rest while they
    # wait.
    for _ in range(2):
        connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    busy, *_ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def log_size(path: Path) -> int:
    """Return the bytes of the log beside a file."""
    try:
        return path.with_name(f"{path.name}-wal").stat().st_size
    except FileNotFoundError:
        return 0


def _migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring the schema to the newest version."""
    connection.execute("BEGIN IMMEDIATE")
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(_SCHEMAS):
        connection.execute("ROLLBACK")
        raise DatabaseError(
            f"The journal {path} was written by a newer Trunkline"
            f" (schema {version}; this one knows up to {len(_SCHEMAS)}).",
            "Start that version again, or choose another data directory.",
        )
    for schema in _SCHEMAS[version:]:
        for statement in schema.split(";"):
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {len(_SCHEMAS)}")
    connection.execute("COMMIT")
