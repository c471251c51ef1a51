"""The client over a restart of the whole server, on the same address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from support.deployment import Deployment
from support.ports import free_ports
from trunkline_client import AsyncClient, Patience, RunNotFound

STEADY = "tokens-20-per-second"
# A server needs a second or two to come back.
PATIENCE = Patience(tries=1000, total_s=30.0, first_wait_s=0.01, longest_wait_s=0.05)


@pytest_asyncio.fixture
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment that comes back on the same address."""
    (port,) = free_ports(1)
    async with Deployment(models=(STEADY,), time_scale=0.2, listen=f"127.0.0.1:{port}") as running:
        yield running


@pytest_asyncio.fixture
async def client(deployment: Deployment) -> AsyncIterator[AsyncClient]:
    """A client of the first admin."""
    token = deployment.admin[0][1].removeprefix("Bearer ")
    async with AsyncClient(deployment.suite.address, token, patience=PATIENCE) as client:
        yield client


async def test_durable_run_outlives_its_server(deployment: Deployment, client: AsyncClient) -> None:
    """Every event comes once, and the answer is whole: another attempt carried it on."""
    numbers, restart = [], None
    async with client.stream(f"sandbox/{STEADY}", "Hello") as stream:
        async for event in stream:
            numbers.append(event.sequence)
            if len(numbers) == 10:
                restart = asyncio.create_task(_restart(deployment))
    assert restart is not None
    await restart
    assert numbers == list(range(1, len(numbers) + 1))
    assert stream.completed is not None
    assert stream.text == stream.completed.text
    assert len(stream.completed.attempts) > 1
    assert (await client.resume(stream.run_id).answer()).message == stream.completed.message


async def test_memory_run_dies_with_its_server(deployment: Deployment, client: AsyncClient) -> None:
    """The caller has the message so far, and nothing was asked again."""
    async with client.stream(f"sandbox/{STEADY}", "Hello", durability="memory") as stream:
        while not stream.text:
            await anext(stream)
        asked = len(deployment.sandbox.seen)
        restart = asyncio.create_task(_restart(deployment))
        with pytest.raises(RunNotFound) as caught:
            async for _ in stream:
                pass
        await restart
    assert caught.value.partial == stream.message
    assert caught.value.run_id == stream.run_id
    assert len(deployment.sandbox.seen) == asked


async def test_chat_attaches_to_its_run_after_a_restart(
    deployment: Deployment, client: AsyncClient
) -> None:
    """A unary chat is sent again with its key, and gets the answer of the run that it began."""
    answer = asyncio.create_task(client.chat(f"sandbox/{STEADY}", "Hello"))
    while not deployment.sandbox.seen:
        await asyncio.sleep(0.005)
    await _restart(deployment)
    assert len((await answer).attempts) > 1


async def _restart(deployment: Deployment) -> None:
    """Stop everything at once, and start it again."""
    await deployment.stop()
    await deployment.start()
