"""A journal as several processes see it, of either kind."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import sqlite3
from collections.abc import Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Protocol

from support.redis import RedisServer
from support.waiting import eventually
from trunkline.inference.journal import redis as redis_store
from trunkline.inference.journal import redis_records, sqlite_writes
from trunkline.inference.journal.redis import RedisStore
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import Append, Appended, End, NewRun, RunRecord, RunStore
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import run_pb2

LONG_S = 60.0
"""A lease that outlives every test."""
SHORT_S = 0.05
"""A lease that `Journal.pass_s` outlives soon."""
NOW_NS = 1_800_000_000 * 1_000_000_000

_MOMENT_S = 0.01
_NUMBERS = itertools.count(1)


class HandClock:
    """Stands until it is told that time passed."""

    def __init__(self) -> None:
        self.now_ns = NOW_NS

    def time_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self.now_ns

    def monotonic(self) -> float:
        """Return seconds from an unknown start."""
        return self.now_ns / 1e9


class Journal(Protocol):
    """Where runs lie, for all processes of a test."""

    async def open(self) -> RunStore:
        """Return a store over it, as another process would open one."""

    async def pass_s(self, seconds: float) -> None:
        """Let seconds pass by the store's clock."""

    async def pass_days(self, days: int) -> None:
        """Let days pass, as far as processes are concerned."""

    async def processes(self) -> set[str]:
        """Return the processes that are known."""

    async def traces(self) -> list[str]:
        """Return all that lies there about runs, for people."""

    def write_as(self, version: int, monkeypatch: Any) -> None:
        """Write as a build of another version does."""

    async def close(self) -> None:
        """Close every store."""


class SqliteJournal:
    """A file, and a clock whose hands are turned.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.clock = HandClock()
        self._opened = AsyncExitStack()

    async def open(self) -> RunStore:
        """Return a store over it, as another process would open one."""
        store = SqliteStore(self.path, self.clock)
        await store.open()
        self._opened.push_async_callback(store.close)
        return store

    async def pass_s(self, seconds: float) -> None:
        """Turn the hands."""
        self.clock.now_ns += int(seconds * 1e9)

    async def pass_days(self, days: int) -> None:
        """Turn the hands far."""
        await self.pass_s(days * 24 * 3600)

    async def processes(self) -> set[str]:
        """Return the processes that are known."""
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return {name for (name,) in connection.execute("SELECT process_id FROM process")}

    async def traces(self) -> list[str]:
        """Return all rows of the tables in which runs lie."""
        return await asyncio.to_thread(self._traces)

    def write_as(self, version: int, monkeypatch: Any) -> None:
        """Write as a build of another version does."""
        monkeypatch.setattr(sqlite_writes, "VERSION", version)

    async def close(self) -> None:
        """Close every store."""
        await self._opened.aclose()

    def _traces(self) -> list[str]:
        with contextlib.closing(sqlite3.connect(self.path)) as connection:
            return [
                f"{table}: {row[:3]}"
                for table in ("run", "segment", "inbox", "reader", "notice", "doomed")
                for row in connection.execute(f"SELECT * FROM {table}")
            ]


class RedisJournal:
    """Keys of a real server, whose time is its own.

    Args:
        server: that runs.
    """

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.prefix = server.new_prefix()
        self._opened = AsyncExitStack()
        self._client = server.connect()

    async def open(self) -> RunStore:
        """Return a store over it, as another process would open one."""
        store = RedisStore(self.server.url, prefix=self.prefix, wait_s=5.0)
        await store.open()
        self._opened.push_async_callback(store.close)
        return store

    async def pass_s(self, seconds: float) -> None:
        """Wait until the server's clock went on."""
        until = self._time() + seconds

        async def is_past() -> bool:
            return self._time() > until

        if seconds > _MOMENT_S:
            await eventually(is_past)
        while not await is_past():
            await asyncio.sleep(0)

    async def pass_days(self, days: int) -> None:
        """Let every lease have ended so much earlier: the server's clock is its own."""
        for name in await self.processes():
            self._client.zincrby(f"{self.prefix}processes", -days * 24 * 3_600_000, name)

    async def processes(self) -> set[str]:
        """Return the processes that are known."""
        found: Any = self._client.zrange(f"{self.prefix}processes", 0, -1)
        return {name.decode() for name in found}

    async def traces(self) -> list[str]:
        """Return all keys but those of processes and turns, and what notices are left."""
        keys = [key.decode() for key in self._client.scan_iter(f"{self.prefix}*", count=1_000)]
        alive = {f"{self.prefix}{name}" for name in ("processes", "retired", "turns")}
        return [key for key in keys if key not in alive]

    def write_as(self, version: int, monkeypatch: Any) -> None:
        """Write as a build of another version does."""
        monkeypatch.setattr(redis_store, "VERSION", version)
        monkeypatch.setattr(redis_records, "VERSION", version)

    async def close(self) -> None:
        """Close every store, and remove all keys."""
        await self._opened.aclose()
        for key in self._client.scan_iter(f"{self.prefix}*", count=1_000):
            self._client.delete(key)
        self._client.close()

    def _time(self) -> float:
        seconds, microseconds = self._client.time()
        return float(seconds + microseconds / 1e6)


def new_run(process_id: str = "p1", **given: Any) -> NewRun:
    """Return a run that begins."""
    values: dict[str, Any] = {
        "run_id": f"run_{next(_NUMBERS):08}",
        "owner": Owner("ann", ""),
        "target": "sandbox/echo",
        "created_ns": NOW_NS,
        "process_id": process_id,
        "wrapped_key": b"a wrapped key",
        "terms": b"sealed terms",
        "grace_s": 15.0,
        "continues": False,
        "retention_s": 3600.0,
        **given,
    }
    return NewRun(**values)


async def begin(store: RunStore, process_id: str = "p1", lease_s: float = LONG_S) -> str:
    """Begin a run of a process that lives; return its id."""
    await store.renew(process_id, lease_s)
    run = new_run(process_id)
    assert await store.create(run) is None
    return run.run_id


def segment(run_id: str, first: int, last: int, *, epoch: int = 1, **given: Any) -> Append:
    """Return an append of some events."""
    data = f"{run_id}:{epoch}:{first}-{last}".encode()
    return Append(run_id, epoch, first, last, given.pop("data", data), **given)


def ending(
    run_id: str,
    last: int = 0,
    *,
    epoch: int = 1,
    state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_FAILED,
    **given: Any,
) -> Append:
    """Return an append of an end and nothing else; with epoch 0: by somebody else."""
    return Append(run_id, epoch, last + 1, last, b"", end=End(state, **given))


async def write(store: RunStore, *appends: Append) -> list[Appended]:
    """Append in one commit."""
    return await store.append(appends)


async def get(store: RunStore, run_id: str) -> RunRecord:
    """Return a run that is there."""
    record = await store.load(run_id)
    assert record is not None
    return record


async def spans(store: RunStore, run_id: str, after: int = 0) -> list[tuple[int, int]]:
    """Return first and last sequence of each segment."""
    return [(part.first, part.last) for part in await store.read(run_id, after, 2**20)]


def ids(records: Sequence[RunRecord]) -> list[str]:
    """Return the ids of runs."""
    return [record.run_id for record in records]
