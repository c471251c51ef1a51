"""Processes that carry durable runs, in one loop and without the services around them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, cast

from support.chats import ask
from support.models import no_prices
from trunkline.inference.durable_runs import DurableRuns
from trunkline.inference.following import follow
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.registry import Registry
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import event_pb2, result_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.options.v1 import options_pb2

ANN: Final = Owner("ann")
_CLOCK: Final = SystemClock()

Carry = Callable[[Run], Awaitable[None]]


class OneKey:
    """Has one content key."""

    async def current(self) -> tuple[str, bytes]:
        """Return it."""
        return "dek_1", bytes(32)

    async def get(self, _: str) -> bytes:
        """Return it."""
        return bytes(32)


class House:
    """One process.

    Args:
        path: of the journal, which houses may share.
        carry: what its provider says.
        clock: the time.
        store: of the journal; None: one at its path.
        settings: over the defaults.
    """

    def __init__(
        self,
        path: Path,
        carry: Carry,
        clock: Clock = _CLOCK,
        store: SqliteStore | None = None,
        **settings: object,
    ) -> None:
        given = InferenceSettings.model_validate(settings)
        self.store = store or SqliteStore(path, clock)
        self.runs = Runs(given, clock, carry, lambda _: None)
        self.durable = DurableRuns(
            self.runs, self.store, cast("Any", OneKey()), given, clock, lambda _: True, no_prices()
        )
        self.registry = Registry(self.runs, self.durable)

    async def begin(self, key: str = "", text: str = "Hello.", **terms: Any) -> Run:
        """Begin a run, or attach to the one of a key."""
        caller = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
        request = ask("m", text, idempotency_key=key)
        settled: dict[str, Any] = {
            "grace_s": 15.0,
            "total_s": 60.0,
            "retention_s": 600.0,
            "durable": True,
            **terms,
        }
        run, _ = await self.registry.begin(Terms(ANN, caller, "req_1", "m", request, **settled))
        return run

    async def find(self, run_id: str) -> Run:
        """Return a run, as for a call of its owner."""
        return await self.registry.find(run_id, ANN)


@asynccontextmanager
async def living(house: House) -> AsyncIterator[House]:
    """Let a process live for a while."""
    await house.store.open()
    running = asyncio.create_task(house.durable.run())
    try:
        yield house
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        for run in house.runs.durable():
            run.leave()
        await house.store.close()


async def read(run: Run, after: int = 0) -> AsyncGenerator[event_pb2.ChatEvent]:
    """Read a run, and count among its readers meanwhile."""
    run.add_reader()
    try:
        async for data in follow(run, after):
            yield event_pb2.ChatEvent.FromString(data)
    finally:
        run.remove_reader()


def says(count: int, size: int, pause_s: float = 0.0) -> Carry:
    """Return a provider that says so many pieces of so many characters, as there is room."""

    async def carry(run: Run) -> None:
        for _ in range(count):
            await run.journal.wait_room()
            run.append(event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text="x" * size)))
            await asyncio.sleep(pause_s)
        run.finish(result_pb2.Completed())

    return carry
