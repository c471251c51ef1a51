"""The client against a server that dies: durable runs are read on when it is back."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.deployment import eventually
from support.fleet import Fleet, Shape, make_fleet
from trunkline_client import AsyncClient, RunNotFound

pytestmark = pytest.mark.asyncio(loop_scope="module")

SLOW = "tokens-50-per-second-of-ok"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def fleet(request: pytest.FixtureRequest) -> AsyncIterator[Fleet]:
    """Four processes, of which inference may be killed: it comes back at its address."""
    models = (SLOW, "tool-loop-2")
    async with make_fleet(request, Shape.FOUR, models=models, run_lease_s=0.5) as running:
        yield running


def _token(fleet: Fleet) -> str:
    return fleet.admin[0][1].removeprefix("Bearer ")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_durable_run_outlives_its_process(fleet: Fleet, number: signal.Signals) -> None:
    """Inference dies in mid-answer and comes back: every event once, and a whole answer."""
    address = fleet.members["inference"].address
    async with AsyncClient(address, _token(fleet)) as client:
        async with client.stream(f"sandbox/{SLOW}", "Hello") as stream:
            numbers = []
            restart = None
            async for event in stream:
                numbers.append(event.sequence)
                if len(numbers) == 10:
                    restart = asyncio.create_task(fleet.restart("inference", number))
        assert restart is not None
        await restart
        assert numbers == list(range(1, len(numbers) + 1))
        assert stream.completed is not None
        assert stream.text == stream.completed.text
        replayed = await client.resume(stream.run_id).answer()
        assert replayed.message == stream.completed.message


async def test_memory_run_dies_with_its_process(fleet: Fleet) -> None:
    """The caller has the message so far, and no second answer was begun."""
    address = fleet.members["inference"].address
    async with (
        AsyncClient(address, _token(fleet)) as client,
        client.stream(f"sandbox/{SLOW}", "Hello", durability="memory") as stream,
    ):
        while not stream.text:
            await anext(stream)
        asked = len(fleet.sandbox.seen)
        restart = asyncio.create_task(fleet.restart("inference", signal.SIGKILL))
        with pytest.raises(RunNotFound) as caught:
            async for _ in stream:
                pass
        await restart
        assert caught.value.partial == stream.message
        assert len(fleet.sandbox.seen) == asked


async def test_chat_attaches_after_its_process_died(fleet: Fleet) -> None:
    """A unary chat is sent again with its key: the run that it began is taken over."""
    address = fleet.members["inference"].address
    async with AsyncClient(address, _token(fleet)) as client:
        asked = len(fleet.sandbox.seen)
        answer = asyncio.create_task(client.chat(f"sandbox/{SLOW}", "Hello"))
        await eventually(lambda: len(fleet.sandbox.seen) > asked)
        await fleet.restart("inference", signal.SIGKILL)
        assert (await answer).text


async def test_loop_outlives_its_process_while_a_function_runs(fleet: Fleet) -> None:
    """Inference dies while a tool is under way: the tool ran once, and its result counts."""
    begun, gate, called = asyncio.Event(), threading.Event(), []

    async def weather(city: str) -> str:
        """Tell the weather."""
        called.append(city)
        begun.set()
        await asyncio.to_thread(gate.wait, 30)
        return "sunny"

    address = fleet.members["inference"].address
    async with AsyncClient(address, _token(fleet)) as client:
        loop = client.converse("sandbox/tool-loop-2", "Hello", tools={"weather": weather})
        answer = asyncio.create_task(loop.answer())
        waiting = asyncio.create_task(begun.wait())
        await asyncio.wait({waiting, answer}, timeout=20, return_when="FIRST_COMPLETED")
        waiting.cancel()
        assert not answer.done(), answer.exception()
        await fleet.restart("inference", signal.SIGKILL)
        gate.set()
        assert (await answer).text
        assert len(called) == 1


async def test_converse_with_the_sandbox(fleet: Fleet) -> None:
    """Two turns of tools against a real server, and an answer."""
    called = []

    def weather(city: str) -> str:
        """Tell the weather."""
        called.append(city)
        return "sunny"

    address = fleet.members["inference"].address
    async with AsyncClient(address, _token(fleet)) as client:
        loop = client.converse("sandbox/tool-loop-3", "Hello", tools={"weather": weather})
        answer = await loop.answer()
        assert len(called) == 2
        assert answer.text
        # A call and its result in each turn, and the answer.
        assert len(loop.transcript) == 5
