"""Fifty streams whose process is told to stop, or dies, while all of them are under way."""

from __future__ import annotations

import asyncio
import signal
import time
from itertools import product
from typing import Final

import pytest

from support import matrix
from support.chats import ask
from support.readers import Reader, check_history
from support.replicas import Replicas
from trunkline.sandbox.scripts import say_words

STREAMS: Final = 50
WORDS: Final = 50
MODEL: Final = f"tokens-10-per-second-of-long-{WORDS}"
TEXT: Final = "".join(say_words(WORDS)(None))  # type: ignore[arg-type] # it says the same to all
_LEASE_S: Final = 60.0
_LIMIT_S: Final = 100.0

CELLS = matrix.cells(
    "many-at-once", product((signal.SIGTERM, signal.SIGKILL), (False, True)), sample=1
)


@pytest.mark.timeout(240)
@pytest.mark.parametrize(
    ("number", "on_redis"),
    CELLS,
    ids=[f"{number.name}-{'redis' if on_redis else 'sqlite'}" for number, on_redis in CELLS],
)
async def test_many_streams_outlive_both_processes(number: signal.Signals, on_redis: bool) -> None:
    """Each process goes in its turn and comes back; told to stop, it makes nobody wait.

    Its leases would be long: who is told to stop gives them back.
    """
    is_told = number is signal.SIGTERM
    lease_s = _LEASE_S if is_told else 1.0
    async with (
        Replicas(on_redis=on_redis, lease_s=lease_s, models=(MODEL,)) as fleet,
        fleet.channels() as (first, second),
        asyncio.timeout(_LIMIT_S),
    ):
        readers = [
            Reader(((first, second), (second, first))[place % 2], fleet.admin)
            for place in range(STREAMS)
        ]
        tasks = [
            asyncio.create_task(
                reader.begin(ask(f"sandbox/{MODEL}", idempotency_key=f"{number.name} {place}"))
            )
            for place, reader in enumerate(readers)
        ]
        for reader in readers:
            await reader.reach(5)
        began = time.monotonic()
        for process in reversed(fleet.pair):
            await process.end(number)
            await process.start()
        await asyncio.gather(*tasks)
        took_s = time.monotonic() - began
    for reader in readers:
        check_history([reader], TEXT)
    # All of those that it carried went on at another; and not because a lease had ended.
    assert sum(len(reader.completed.attempts) > 1 for reader in readers) >= STREAMS // 2
    if is_told:
        assert took_s < _LEASE_S
    matrix.ran("many-at-once")
