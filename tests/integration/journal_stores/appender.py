"""A process that appends until it is killed: it says each sequence that was committed.

It is run as a script, with the id of a run; a line of its input says where: a file, or a
URL of Redis with a prefix after `#`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

from trunkline.inference.journal.store import Append, NewRun, RunStore
from trunkline.inference.terms import Owner
from trunkline.kernel.clock import SystemClock

LEASE_S = 0.3


def content(run_id: str, first: int, last: int) -> bytes:
    """Return the segment of a span; some are larger than a page."""
    return f"{run_id}:{first}-{last};".encode() * (1 + first % 200)


def choose_store(location: str) -> RunStore:
    """Return the store at a location."""
    if location.startswith("/"):
        from trunkline.inference.journal.sqlite import SqliteStore

        return SqliteStore(Path(location), SystemClock())
    from trunkline.inference.journal.redis import RedisStore

    url, _, prefix = location.partition("#")
    return RedisStore(url, prefix=prefix)


async def _append(location: str, run_id: str) -> None:
    """Append until killed."""
    store = choose_store(location)
    await store.open()
    await store.renew("killed", LEASE_S)
    run = NewRun(
        run_id=run_id,
        owner=Owner("ann"),
        target="sandbox/echo",
        created_ns=time.time_ns(),
        process_id="killed",
        wrapped_key=b"key",
        terms=b"terms",
        grace_s=15.0,
        continues=False,
        retention_s=60.0,
    )
    assert await store.create(run) is None
    first = 1
    while True:
        last = first + first % 7
        outcome = await store.append([Append(run_id, 1, first, last, content(run_id, first, last))])
        print(last, outcome[0].name, flush=True)
        first = last + 1


if __name__ == "__main__":
    asyncio.run(_append(sys.stdin.readline().strip(), sys.argv[1]))
