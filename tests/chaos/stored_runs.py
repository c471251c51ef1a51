"""What lies in the journal of a deployment, as whoever gets at its disk or its Redis sees it."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import redis

from support.redis import RedisServer
from support.replicas import Replicas
from trunkline.inference.journal.redis import PREFIX


class StoredRuns(Protocol):
    """The records and segments of runs."""

    def get(self, run_id: str, name: str) -> bytes:
        """Return a field of a run's record."""

    def put(self, run_id: str, name: str, value: bytes) -> None:
        """Replace a field of a run's record."""

    def segments(self, run_id: str) -> list[bytes]:
        """Return what lies in a run's segments, in their order."""

    def put_segments(self, run_id: str, data: Sequence[bytes]) -> None:
        """Replace what lies in a run's segments; their places stay."""

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield everything as it lies on a disk, with what it is."""


class RunsInFile:
    """Those of a SQLite file.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def get(self, run_id: str, name: str) -> bytes:
        """Return a field of a run's record."""
        ((value,),) = self._do(f"SELECT {name} FROM run WHERE run_id = ?", run_id)
        return bytes(value)

    def put(self, run_id: str, name: str, value: bytes) -> None:
        """Replace a field of a run's record."""
        self._do(f"UPDATE run SET {name} = ? WHERE run_id = ?", value, run_id)

    def segments(self, run_id: str) -> list[bytes]:
        """Return what lies in a run's segments, in their order."""
        return [data for *_, data in self._places(run_id)]

    def put_segments(self, run_id: str, data: Sequence[bytes]) -> None:
        """Replace what lies in a run's segments; their places stay."""
        for (segment_id, _), each in zip(self._places(run_id), data, strict=True):
            self._do("UPDATE segment SET data = ? WHERE id = ?", each, segment_id)

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield the file and the log beside it."""
        for path in sorted(self._path.parent.glob(f"{self._path.name}*")):
            yield path.name, path.read_bytes()

    def _places(self, run_id: str) -> list[Any]:
        return self._do(
            "WITH RECURSIVE chain (id) AS ("
            " SELECT newest FROM progress WHERE run = (SELECT id FROM run WHERE run_id = ?)"
            " UNION ALL SELECT previous FROM chain JOIN segment USING (id)"
            ") SELECT id, data FROM chain JOIN segment USING (id) ORDER BY id",
            run_id,
        )

    def _do(self, statement: str, *values: object) -> list[Any]:
        with contextlib.closing(sqlite3.connect(self._path, isolation_level=None)) as file:
            return file.execute(statement, values).fetchall()


class RunsInRedis:
    """Those of a Redis server.

    Args:
        server: that is asked.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._client: redis.Redis = server.connect()

    def get(self, run_id: str, name: str) -> bytes:
        """Return a field of a run's record."""
        value: Any = self._client.hget(_key(run_id), name)
        return bytes(value)

    def put(self, run_id: str, name: str, value: bytes) -> None:
        """Replace a field of a run's record."""
        self._client.hset(_key(run_id), name, value)

    def segments(self, run_id: str) -> list[bytes]:
        """Return what lies in a run's segments, in their order."""
        return [fields[b"d"] for _, fields in self._entries(run_id)]

    def put_segments(self, run_id: str, data: Sequence[bytes]) -> None:
        """Replace what lies in a run's segments; their places stay."""
        entries = self._entries(run_id)
        journal = f"{_key(run_id)}:journal"
        self._client.delete(journal)
        for (place, fields), each in zip(entries, data, strict=True):
            self._client.xadd(journal, {**fields, b"d": each}, id=place)

    def pages(self) -> Iterator[tuple[str, bytes]]:
        """Yield what the server writes when it is told to save all it has."""
        self._client.config_set("rdbcompression", "no")
        self._client.save()
        yield "dump.rdb", (self._server.root / "dump.rdb").read_bytes()

    def _entries(self, run_id: str) -> list[Any]:
        found: Any = self._client.xrange(f"{_key(run_id)}:journal")
        return list(found)


def open_stored_runs(fleet: Replicas) -> StoredRuns:
    """Return what lies in a deployment's journal."""
    return RunsInFile(fleet.journal_file) if fleet.redis is None else RunsInRedis(fleet.redis)


def _key(run_id: str) -> str:
    return f"{PREFIX}run:{run_id}"
