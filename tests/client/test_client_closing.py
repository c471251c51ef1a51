"""A client that is closed calls nobody any more, and says so to who still reads."""

from __future__ import annotations

import asyncio
import threading

import grpc
import pytest

from client.conftest import TOKEN
from client.recorder import Fault, Fleet, say, text
from support.waiting import eventually
from trunkline_client import AsyncClient, AsyncStream, Client, ClientClosed, Patience


async def _read(stream: AsyncStream) -> None:
    async for _ in stream:
        pass


async def _begin_reading(
    fleet: Fleet, client: AsyncClient
) -> tuple[AsyncStream, asyncio.Task[None]]:
    """Return a stream of which two events came and no more will, and who reads it."""
    fleet.scripts.append([text("One"), threading.Event()])
    stream = client.stream("sandbox/ok", "Hello")
    reader = asyncio.create_task(_read(stream))
    while stream.last_sequence < 2:
        await asyncio.sleep(0)
    return stream, reader


async def test_reader_of_a_closed_client_is_told(fleet: Fleet, aclient: AsyncClient) -> None:
    """It was not cancelled itself: it gets an error that names the run, and calls no more."""
    stream, reader = await _begin_reading(fleet, aclient)
    await aclient.close()
    with pytest.raises(ClientClosed) as caught:
        await reader
    error = caught.value
    assert (error.run_id, error.last_sequence) == ("run_1", 2)
    assert error.partial is not None
    assert fleet.methods() == ["StreamChat"]
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


async def test_chat_of_a_closed_client_is_told(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who waits for a whole answer is not cancelled either."""
    fleet.scripts.append([threading.Event()])
    answer = asyncio.create_task(aclient.chat("sandbox/ok", "Hello"))

    async def has_begun() -> bool:
        return bool(fleet.seen)

    await eventually(has_begun)
    await aclient.close()
    with pytest.raises(ClientClosed):
        await answer


async def test_reader_that_is_cancelled_is_cancelled(fleet: Fleet, aclient: AsyncClient) -> None:
    """Its own end comes before the client's."""
    _, reader = await _begin_reading(fleet, aclient)
    reader.cancel()
    await aclient.close()
    with pytest.raises(asyncio.CancelledError):
        await reader


async def test_stream_that_comes_back_finds_its_client_closed(fleet: Fleet) -> None:
    """Closed while it waits to come back, no line is opened again."""
    fleet.scripts.append(say("One"))
    fleet.faults.append(Fault(1, (grpc.StatusCode.UNAVAILABLE, "Socket closed")))
    client = AsyncClient(fleet.addresses[0], TOKEN, patience=Patience(first_wait_s=0.2))
    stream = client.stream("sandbox/ok", "Hello")
    await anext(stream)
    reader = asyncio.create_task(_read(stream))
    await asyncio.sleep(0.05)
    await client.close()
    with pytest.raises(ClientClosed):
        await reader
    assert fleet.methods() == ["StreamChat"]


async def test_closed_client_asks_nothing(fleet: Fleet, aclient: AsyncClient) -> None:
    """It may be closed twice, and opens no line again."""
    await aclient.close()
    await aclient.close()
    with pytest.raises(ClientClosed):
        await aclient.chat("sandbox/ok", "Hello")
    with pytest.raises(ClientClosed):
        async with aclient.stream("sandbox/ok", "Hello"):
            pass
    assert fleet.seen == []


def test_reader_without_asyncio_of_a_closed_client_is_told(fleet: Fleet, client: Client) -> None:
    """Who waits for the next event in one thread is told when another closes the client."""
    fleet.scripts.append([text("One"), threading.Event()])
    with client.stream("sandbox/ok", "Hello") as stream:
        next(stream)
        next(stream)
        threading.Timer(0.01, client.close).start()
        with pytest.raises(ClientClosed) as caught:
            next(stream)
        assert list(stream) == []
    assert (caught.value.run_id, caught.value.last_sequence) == ("run_1", 2)
    assert fleet.methods() == ["StreamChat"]
    with pytest.raises(ClientClosed):
        client.chat("sandbox/ok", "Hello")
