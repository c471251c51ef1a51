"""Who starts several processes of inference is told to stop while one of them hangs."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.deployment import eventually
from trunkline.cli.workers import Workers

# Stands for a process of inference; number 1 hangs from the start on that follows `STARTS` others.
_STAND_IN = """#!/bin/sh
mark="$ROOT/$TRUNKLINE_WORKER"
echo $$ >> "$mark"
if [ "$TRUNKLINE_WORKER" = 1 ] && [ "$(wc -l < "$mark")" -gt "$STARTS" ]; then exec sleep 300; fi
trap 'echo drained > "$mark.drained"; exit 0' TERM
echo "{}"
while :; do sleep 0.05; done
"""
_LIMIT_S = 10.0


class Crew:
    """Two stand-ins and who started them.

    Attributes:
        root: where they leave their marks.
        stop: tells who started them to stop.
        told: the addresses that were told.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.stop = asyncio.Event()
        self.told: list[str] = []

    def pids(self, number: int) -> list[int]:
        """Return the ids of all that were started under a number."""
        mark = self.root / str(number)
        return [int(line) for line in mark.read_text().split()] if mark.exists() else []

    def is_drained(self, number: int) -> bool:
        """Tell whether the last one of a number ended in order."""
        return (self.root / f"{number}.drained").exists()

    @asynccontextmanager
    async def running(self, starts: int) -> AsyncIterator[asyncio.Task[None]]:
        """Run them; number 1 hangs after so many starts."""
        script = self.root / "stand-in"
        script.write_text(_STAND_IN)
        script.chmod(0o700)
        environment = {"PATH": os.environ["PATH"], "ROOT": str(self.root), "STARTS": str(starts)}
        workers = Workers([], environment, "127.0.0.1:0", 2)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "executable", str(script))
            task = asyncio.create_task(workers.run(self.stop, self.told.append))
            try:
                yield task
            finally:
                self.stop.set()
                async with asyncio.timeout(_LIMIT_S):
                    await task


@pytest.mark.parametrize("starts", [0, 1], ids=["at first", "again"])
async def test_told_to_stop_nobody_waits_for_one_that_starts(tmp_path: Path, starts: int) -> None:
    """The others end in order at once; the one that hangs goes with them."""
    crew = Crew(tmp_path)
    async with crew.running(starts) as task:
        if starts:
            await eventually(lambda: bool(crew.told))
            os.kill(crew.pids(1)[0], signal.SIGKILL)
        await eventually(lambda: len(crew.pids(1)) == starts + 1)
        crew.stop.set()
        async with asyncio.timeout(_LIMIT_S):
            await asyncio.shield(task)
    assert bool(crew.told) is bool(starts)
    assert crew.is_drained(0)
    for number in (0, 1):
        assert not [pid for pid in crew.pids(number) if Path(f"/proc/{pid}").exists()]
