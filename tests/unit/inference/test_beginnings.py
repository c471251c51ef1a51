"""Durable runs that begin while others ask for them, or while whoever asked leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from support.chats import ask
from support.houses import OneKey
from support.models import no_prices
from support.waiting import eventually
from trunkline.inference.durable_runs import DurableRuns
from trunkline.inference.following import follow
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import NewRun, RunRecord
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2, result_pb2, run_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import SystemClock
from trunkline.options.v1 import options_pb2

CLOCK: Final = SystemClock()
REQUEST: Final = ask(idempotency_key="once")


class SlowStore(SqliteStore):
    """Says late that a run is written.

    Attributes:
        written: it is.
        may_say: and that may be said.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, CLOCK)
        self.written = asyncio.Event()
        self.may_say = asyncio.Event()

    async def create(self, run: NewRun) -> RunRecord | None:
        """Write it, and wait when it was new."""
        found = await super().create(run)
        if found is None:
            self.written.set()
            await self.may_say.wait()
        return found


class House:
    """The durable runs of one process, whose provider answers at once with nothing.

    Args:
        store: of all processes.
    """

    def __init__(self, store: SlowStore) -> None:
        settings = InferenceSettings()
        self.store = store
        self.runs = Runs(settings, CLOCK, self._carry, lambda _: None)
        self.may_answer = asyncio.Event()
        self.durable = DurableRuns(
            self.runs, store, cast("Any", OneKey()), settings, CLOCK, lambda _: True, no_prices()
        )

    async def begin(self, grace_s: float = 15.0) -> tuple[Run, bool]:
        """Ask for the run."""
        terms = Terms(
            owner=Owner("ann"),
            caller=Caller(options_pb2.CALLER_ROLE_ADMIN, "ann"),
            request_id="req_1",
            target="sandbox/ok",
            request=chat_pb2.ChatRequest.FromString(REQUEST.SerializeToString()),
            grace_s=grace_s,
            total_s=60.0,
            retention_s=60.0,
            durable=True,
        )
        return await self.durable.start(terms)

    async def _carry(self, run: Run) -> None:
        """Answer."""
        await self.may_answer.wait()
        run.finish(result_pb2.Completed())


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    """A process that runs."""
    store = SlowStore(tmp_path / "journal.db")
    await store.open()
    made = House(store)
    running = asyncio.create_task(made.durable.run())
    yield made
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    await store.close()


async def test_who_finds_a_run_that_begins_here_reads_it_to_its_end(house: House) -> None:
    """It lies in the store before the process that wrote it knows; it is one run all the same."""
    first = asyncio.create_task(house.begin())
    await house.store.written.wait()
    second = asyncio.create_task(house.begin())
    # It finds the first one's in the store, and must not take it for another process's.
    await asyncio.wait((second,), timeout=0.05)
    house.store.may_say.set()
    house.may_answer.set()
    async with asyncio.timeout(10):
        (run, attached), (found, found_attached) = await first, await second
        events = [event async for event in follow(found, 0)]
    assert (attached, found_attached) == (False, True)
    assert found is run
    assert len(events) == 2


async def test_run_whose_asker_left_while_it_was_written_is_carried(house: House) -> None:
    """Who sends it again under its key gets the answer."""
    first = asyncio.create_task(house.begin())
    await house.store.written.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    house.store.may_say.set()
    house.may_answer.set()
    async with asyncio.timeout(10):
        found, attached = await house.begin()
        events = [event async for event in follow(found, 0)]
    assert attached
    assert len(events) == 2


async def test_run_whose_asker_left_while_it_was_written_waits_for_its_grace(
    house: House,
) -> None:
    """When nobody comes it ends, and its key is free."""
    first = asyncio.create_task(house.begin(grace_s=0.05))
    await house.store.written.wait()
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)
    house.store.may_say.set()

    async def is_over() -> bool:
        states = [run.state for run in house.runs.durable()]
        return states == [run_pb2.RUN_STATE_CANCELLED]

    await eventually(is_over)
    _, attached = await house.begin()
    assert not attached
