"""What is left of a run whose process was killed while it wrote."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from integration.journal_stores import appender
from integration.journal_stores.journals import LONG_S, get
from support.redis import RedisServer
from support.waiting import eventually
from trunkline.inference.journal.store import RunRecord, Segment

_COMMITS = 150
_LIMIT_S = 30.0


@pytest.mark.parametrize("kind", ["sqlite", "redis"])
async def test_a_killed_writer_leaves_whole_segments(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """All that was committed is there, the last segment is whole, and another goes on."""
    location = str(tmp_path / "journal.db")
    if kind == "redis":
        server: RedisServer = request.getfixturevalue("redis_server")
        location = f"{server.url}#{server.new_prefix()}"
    run_id = "run_of_the_killed"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        appender.__file__,
        run_id,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(location.encode() + b"\n")
    committed = 0
    try:
        async with asyncio.timeout(_LIMIT_S):
            for _ in range(_COMMITS):
                number, outcome = (await process.stdout.readline()).decode().split()
                assert outcome == "DONE"
                committed = int(number)
    finally:
        process.kill()
        await process.wait()
    store = appender.choose_store(location)
    await store.open()
    try:
        record = await get(store, run_id)
        assert record.last_sequence >= committed
        segments: list[Segment] = []
        while parts := await store.read(run_id, segments[-1].last if segments else 0, 100_000):
            segments += parts
        assert [part.first for part in segments] == [1, *(part.last + 1 for part in segments[:-1])]
        assert segments[-1].last == record.last_sequence
        for part in segments:
            assert part.data == appender.content(run_id, part.first, part.last)

        async def is_abandoned() -> bool:
            return run_id in [found.run_id for found, _ in await store.abandoned(10)]

        await eventually(is_abandoned)
        await store.renew("p2", LONG_S)
        assert isinstance(await store.claim(run_id, "p2"), RunRecord)
    finally:
        await store.close()
