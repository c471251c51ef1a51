"""The durable journal in Redis: what a fleet on several machines shares.

Each conditional write is one script, so that nobody comes between what it looked at and
what it wrote. Times are the server's. What a write survives is what the server's operator
configured (`appendonly`, replicas).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from trunkline.inference.journal.outage import Outage
from trunkline.inference.journal.redis_line import WAIT_S, RedisLine, load_script
from trunkline.inference.journal.redis_records import read_record, read_segment, to_fields
from trunkline.inference.journal.redis_url import read_redis_url
from trunkline.inference.journal.redis_wakes import RedisWakes
from trunkline.inference.journal.store import (
    ID_SKEW_NS,
    MAX_TAKEOVERS,
    VERSION,
    Append,
    Appended,
    NewRun,
    Refusal,
    RunQuery,
    RunRecord,
    Segment,
)
from trunkline.inference.v1 import run_pb2

PREFIX: Final = "trunkline:"

_RENEW: Final = load_script("renew")
_RETIRE: Final = load_script("retire")
_CREATE: Final = load_script("create")
_LOAD: Final = load_script("load")
_APPEND: Final = load_script("append")
_READ: Final = load_script("read")
_COMPACT: Final = load_script("compact")
_CLAIM: Final = load_script("claim")
_SET_READERS: Final = load_script("set_readers")
_PUT: Final = load_script("put")
_ABANDONED: Final = load_script("abandoned")
_LIST: Final = load_script("list")
_UNLEDGERED: Final = load_script("unledgered")
_MARK_LEDGERED: Final = load_script("mark_ledgered")
_TRIM: Final = load_script("trim")
_FORGET_PROCESSES: Final = load_script("forget_processes")
_TAKE_TURN: Final = load_script("take_turn")

# In the order of the numbers in `append.lua` and `claim.lua`.
_APPENDED: Final = (Appended.DONE, Appended.SUPERSEDED, Appended.ENDED, Appended.READ)
_REFUSED: Final = (Refusal.OWNED, Refusal.ENDED, Refusal.EXHAUSTED, Refusal.NEWER)

# A script holds up everybody else: it takes only so much at a time.
_APPENDED_AT_ONCE: Final = 256
_LOOKED_AT_AT_ONCE: Final = 500
_TRIMMED_AT_ONCE: Final = 20
_MS: Final = 1_000
# How long a run that nobody trims outlives its time, and a process that owns nothing its lease.
_LEFT_FOR_MS: Final = 3600 * _MS
_FORGET_AFTER_MS: Final = 24 * 3600 * _MS


class RedisStore:
    """Keeps durable runs in a Redis server.

    Args:
        url: of the server, as `read_redis_url` reads it.
        prefix: of all keys and channels.
        wait_s: how long, in seconds, an answer may take.

    Raises:
        ValueError: it is no such URL; never repeats any of it.
    """

    kind = "redis"

    def __init__(self, url: str, *, prefix: str = PREFIX, wait_s: float = WAIT_S) -> None:
        self._prefix = prefix
        self._line = RedisLine(read_redis_url(url), Outage(self.kind), wait_s=wait_s)
        self._wakes = RedisWakes(self._line, prefix)
        self._tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        """Connect.

        Raises:
            DatabaseError: the server cannot be used; says why and what to do.
        """
        await self._line.open()
        self._tasks = [
            asyncio.create_task(self._wakes.listen()),
            asyncio.create_task(self._wakes.look()),
        ]

    async def close(self) -> None:
        """Disconnect; again is no error."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self._line.close()

    def on_wake(self, wake: Callable[[str], None]) -> None:
        """Have a function called in this loop with a run's id when somebody else wrote it."""
        self._wakes.subscribe(wake)

    async def follow(self, run_id: str) -> None:
        """Begin to be woken for a run of another process."""
        await self._wakes.follow(run_id)

    async def unfollow(self, run_id: str) -> None:
        """End that."""
        await self._wakes.unfollow(run_id)

    def disown(self, run_id: str) -> None:
        """Do nothing: notices are heard of for the process, not for its runs."""

    async def renew(self, process_id: str, lease_s: float) -> None:
        """Say that a process lives, and will for so long."""
        await self._wakes.add_process(process_id)
        await self._line.run(_RENEW, self._prefix, process_id, int(lease_s * _MS))

    async def retire(self, process_id: str) -> None:
        """Say that a process lives no longer: its runs may be claimed, its readers left."""
        await self._wakes.remove_process(process_id)
        await self._line.run(_RETIRE, self._prefix, process_id)

    async def create(self, run: NewRun) -> RunRecord | None:
        """Write a run that begins; return the one that is there instead."""
        found = await self._line.run(
            _CREATE,
            self._prefix,
            run.run_id,
            run.process_id,
            run.owner.principal,
            run.owner.on_behalf_of,
            run.idempotency_key.hex(),
            *to_fields(run),
        )
        return None if found is None else read_record(found)

    async def load(self, run_id: str) -> RunRecord | None:
        """Return a run; None: there is none."""
        found = await self._line.run(_LOAD, self._prefix, run_id)
        return None if found is None else read_record(found)

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        """Write, each for itself and all in one commit; in the order given."""
        outcomes: list[Appended] = []
        for start in range(0, len(appends), _APPENDED_AT_ONCE):
            words: list[str | bytes | int] = []
            for entry in appends[start : start + _APPENDED_AT_ONCE]:
                words += _to_words(entry)
            done = await self._line.run(_APPEND, self._prefix, *words)
            outcomes += [_APPENDED[number - 1] for number in done]
        return outcomes

    async def read(self, run_id: str, after: int, max_bytes: int) -> list[Segment]:
        """Return the segments that hold events after a sequence, in order."""
        found = await self._line.run(_READ, self._prefix, run_id, after, max_bytes)
        return [read_segment(part) for part in found]

    async def compact(self, run_id: str, epoch: int, data: bytes) -> None:
        """Replace all segments of an ended run by one."""
        await self._line.run(_COMPACT, self._prefix, run_id, epoch, data)

    async def claim(self, run_id: str, process_id: str, epoch: int = 0) -> RunRecord | Refusal:
        """Become a run's owner: its epoch is raised."""
        claimed = await self._line.run(
            _CLAIM, self._prefix, run_id, process_id, epoch, VERSION, MAX_TAKEOVERS
        )
        return _REFUSED[claimed - 1] if isinstance(claimed, int) else read_record(claimed)

    async def set_readers(self, run_id: str, process_id: str, count: int) -> None:
        """Note how many readers a process has of a run."""
        await self._line.run(_SET_READERS, self._prefix, run_id, process_id, count)

    async def put(self, run_id: str, item_id: str, digest: bytes, data: bytes) -> bool:
        """Put something into a run's inbox, and wake its owner."""
        return bool(await self._line.run(_PUT, self._prefix, run_id, item_id, digest, data))

    async def inbox(self, run_id: str) -> list[tuple[str, bytes]]:
        """Return a run's inbox, in the order in which it was put."""
        found = await self._line.ask("LRANGE", f"{self._prefix}run:{run_id}:inbox", 0, -1)
        return [(item.decode(), data) for item, data in zip(found[::2], found[1::2], strict=True)]

    async def abandoned(self, limit: int) -> list[tuple[RunRecord, float]]:
        """Return runs that go on without an owner, and for how many seconds."""
        found = await self._line.run(_ABANDONED, self._prefix, limit)
        return [(read_record(record), gone_ms / _MS) for record, gone_ms in found]

    async def list_runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest first."""
        found: list[RunRecord] = []
        before = query.before
        while True:
            some, last = await self._line.run(
                _LIST,
                self._prefix,
                _choose_index(query),
                before,
                query.principal,
                int(query.on_behalf_of is not None),
                query.on_behalf_of or "",
                query.state or "",
                query.limit - len(found),
                _LOOKED_AT_AT_ONCE,
            )
            records = [read_record(record) for record in some]
            found += [record for record in records if record.created_ns >= query.since_ns]
            before = last.decode()
            is_past = any(each.created_ns < query.since_ns - ID_SKEW_NS for each in records)
            if not before or is_past or len(found) >= query.limit:
                return found

    async def unledgered(self, limit: int) -> list[RunRecord]:
        """Return ended runs whose attempts are not in the ledger, oldest first."""
        return [
            read_record(record) for record in await self._line.run(_UNLEDGERED, self._prefix, limit)
        ]

    async def mark_ledgered(self, run_ids: Sequence[str]) -> None:
        """Note that the attempts of ended runs are in the ledger."""
        await self._line.run(_MARK_LEDGERED, self._prefix, _LEFT_FOR_MS, *run_ids)

    async def trim(self, limit: int) -> int:
        """Destroy ended runs whose time is over and whose attempts are in the ledger."""
        count = 0
        while count < limit:
            some = min(_TRIMMED_AT_ONCE, limit - count)
            gone: int = await self._line.run(_TRIM, self._prefix, some)
            count += gone
            if gone < some:
                break
        await self._line.run(_FORGET_PROCESSES, self._prefix, _FORGET_AFTER_MS)
        return count

    async def take_turn(self, name: str, process_id: str, lease_s: float) -> bool:
        """Take or keep a lease on periodic work of the fleet; False: another has it."""
        return bool(
            await self._line.run(_TAKE_TURN, self._prefix, name, process_id, int(lease_s * _MS))
        )


def _to_words(entry: Append) -> list[str | bytes | int]:
    """Return an append as its script takes it."""
    words: list[str | bytes | int] = [entry.run_id, entry.epoch, entry.first, entry.last]
    words += [entry.data, entry.state or ""]
    end = entry.end
    if end is None:
        return [*words, "", "", "", ""]
    unread = "" if end.unread_for_s is None else int(end.unread_for_s * _MS)
    return [*words, end.state, end.status, int(end.frees_key), unread]


def _choose_index(query: RunQuery) -> str:
    """Return the name of the smallest set that holds all runs of a query."""
    if query.state in (run_pb2.RUN_STATE_RUNNING, run_pb2.RUN_STATE_WAITING):
        return "live"
    if not query.principal:
        return "runs"
    if query.on_behalf_of is None:
        return f"runs:{query.principal}"
    return f"runs:{query.principal}\0{query.on_behalf_of}"
