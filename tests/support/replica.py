"""Processes of inference that share a journal, without the services around them.

Each has its own store, runs and leases, in the loop of the test; what a run says a function
of the test's does. A store can lose its answers.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from trunkline.inference.conversation import Loop
from trunkline.inference.durable_runs import DurableRuns
from trunkline.inference.following import follow
from trunkline.inference.journal.content_keys import ContentKeys
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import JournalUnavailable, RunRecord
from trunkline.inference.registry import Registry
from trunkline.inference.run import Run
from trunkline.inference.runs import Carry, Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2, event_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import SystemClock
from trunkline.options.v1 import options_pb2

OWNER: Final = Owner("ann")
LEASE_S: Final = 1.0
_CLOCK: Final = SystemClock()
_CALLER: Final = Caller(options_pb2.CALLER_ROLE_ADMIN, OWNER.principal)


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


class Replica:
    """One process.

    Args:
        path: of the journal.
        carry: does what a run does.
        settings: over the defaults.

    Attributes:
        store: the journal, as this process reaches it.
        runs, durable, registry: of this process.
    """

    def __init__(self, path: Path, carry: Carry, **settings: Any) -> None:
        given = {"run_lease_s": LEASE_S, **settings}
        self.settings = InferenceSettings.model_validate(given)
        self.store = LossyStore(path, _CLOCK)
        self.runs = Runs(self.settings, _CLOCK, carry, lambda _: None)
        self.durable = DurableRuns(
            self.runs,
            self.store,
            cast(ContentKeys, _OneKey()),
            self.settings,
            _CLOCK,
            lambda _: True,
        )
        self.registry = Registry(self.runs, self.durable)
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

    async def begin(
        self,
        *,
        key: str = "",
        grace_s: float = 15.0,
        total_s: float = 60.0,
        continues: bool = False,
        loop: Loop | None = None,
    ) -> Run:
        """Begin a run, or find the one that a key began."""
        terms = Terms(
            owner=OWNER,
            caller=_CALLER,
            request_id="req_1",
            target="sandbox/ok",
            request=chat_pb2.ChatRequest(idempotency_key=key),
            grace_s=grace_s,
            total_s=total_s,
            retention_s=3600.0,
            durable=True,
            continues=continues,
            loop=loop,
        )
        run, _ = await self.durable.start(terms)
        return run

    async def find(self, run: Run) -> Run:
        """Return a run as this process knows it."""
        return await self.registry.find(run.id, OWNER)

    async def record(self, run: Run) -> RunRecord:
        """Return what the store has of a run."""
        record = await self.store.load(run.id)
        assert record is not None
        return record

    @asynccontextmanager
    async def reading(self, run: Run, after: int = 0) -> AsyncIterator[Reader]:
        """Read a run here."""
        reader = Reader(await self.find(run))
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
        self.run.add_reader()
        try:
            async for data in follow(self.run, after):
                self.sequences.append(event_pb2.ChatEvent.FromString(data).sequence)
        except Exception as error:
            self.failure = error
        finally:
            self.run.remove_reader()
        self.has_ended = True


class _OneKey:
    """Has one content key."""

    async def current(self) -> tuple[str, bytes]:
        """Return it."""
        return "dek_1", bytes(32)

    async def get(self, key_id: str) -> bytes:
        """Return it."""
        del key_id
        return bytes(32)


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
