"""Processes that share a journal, are killed, and have a store that loses its answers."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from support.houses import Carry, House, read
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import JournalUnavailable, RunRecord
from trunkline.inference.run import Run
from trunkline.inference.v1 import event_pb2
from trunkline.kernel.clock import SystemClock

LEASE_S: Final = 1.0


class LossyStore(SqliteStore):
    """A store that answers as a test says."""

    def lose(self, name: str, count: int) -> None:
        """Have a method do its work, and lose its next answers."""
        method = getattr(self, name)
        left = count

        async def lose(*args: Any) -> Any:
            nonlocal left
            answer = await method(*args)
            if not left:
                return answer
            left -= 1
            raise JournalUnavailable

        setattr(self, name, lose)

    def refuse(self, *names: str) -> None:
        """Have methods do nothing any more."""

        async def refuse(*_: Any) -> Any:
            raise JournalUnavailable

        for name in names:
            setattr(self, name, refuse)


class Replica(House):
    """A process that can be killed, and whose store can lose its answers.

    Args:
        path: of the journal.
        carry: does what a run does.
        settings: over the defaults.

    Attributes:
        lossy: its store.
    """

    def __init__(self, path: Path, carry: Carry, **settings: Any) -> None:
        self.lossy = LossyStore(path, SystemClock())
        super().__init__(path, carry, store=self.lossy, **{"run_lease_s": LEASE_S, **settings})
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Start it, and wait until it is alive to others."""
        await self.store.open()
        self._tasks = [asyncio.create_task(self.durable.run())]
        await self.store.renew(self.durable.ownership.process_id, LEASE_S)

    async def kill(self) -> None:
        """End it as SIGKILL does: nothing is written any more, nothing released."""
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for run in self.runs.durable():
            self.durable.ownership.disconnect(run)
            run.leave()
        await self.store.close()

    async def record(self, run: Run) -> RunRecord:
        """Return what the store has of a run."""
        record = await self.store.load(run.id)
        assert record is not None
        return record

    @asynccontextmanager
    async def reading(self, run: Run, after: int = 0) -> AsyncIterator[Reader]:
        """Read a run here."""
        reader = Reader(await self.find(run.id))
        task = asyncio.create_task(reader.read(after))
        try:
            yield reader
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


class Reader:
    """Somebody who reads a run at a process.

    Attributes:
        run: as its process knows it.
        sequences: of the events that came.
        failure: why it was ended; None: it was not, or well.
        has_ended: it was told the end.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.sequences: list[int] = []
        self.failure: Exception | None = None
        self.has_ended = False

    async def read(self, after: int) -> None:
        """Read until the end."""
        try:
            async with contextlib.aclosing(read(self.run, after)) as events:
                async for event in events:
                    self.sequences.append(event.sequence)
        except Exception as error:
            self.failure = error
        self.has_ended = True


def say(run: Run, size: int = 10) -> None:
    """Let a run say something."""
    run.append(event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text="x" * size)))


async def say_once(run: Run) -> None:
    """Say something, and go on for as long as the run may."""
    say(run)
    await asyncio.Event().wait()


async def keep_saying(run: Run) -> None:
    """Say something a few times a second, as long as the run may."""
    while True:
        say(run)
        await asyncio.sleep(0.2)
