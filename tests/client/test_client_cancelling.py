"""A run that may have begun is ended, also when nobody has told its id yet."""

from __future__ import annotations

import asyncio
import threading
from datetime import timedelta

import grpc
import pytest

from client.conftest import TOKEN
from client.recorder import Fault, Fleet, text
from support.waiting import eventually
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import ResourceExhausted
from trunkline_client import AsyncClient, Client, LimitReached, Patience, RunCancelled

CUT = Fault(-1, (grpc.StatusCode.UNAVAILABLE, "Socket closed"), begins=True)
REFUSAL = ResourceExhausted("LIMIT_REACHED", "Too many.", retry_after=timedelta(seconds=7))


async def test_run_of_a_call_that_broke_early_is_cancelled(fleet: Fleet) -> None:
    """Its reader waits to come back: the key finds the run, and the reader learns its end."""
    fleet.scripts.append([text("One"), threading.Event()])
    fleet.faults.append(CUT)
    patience = Patience(first_wait_s=0.3)
    async with AsyncClient(fleet.addresses[0], TOKEN, patience=patience) as client:
        stream = client.stream("sandbox/ok", "Hello", disconnect="continue")
        reader = asyncio.create_task(stream.answer())

        async def has_begun() -> bool:
            return bool(fleet.runs)

        await eventually(has_begun)
        await asyncio.sleep(0.05)
        run = await stream.cancel()
        assert run is not None
        assert run.id == stream.run_id == "run_1"
        with pytest.raises(RunCancelled):
            await reader
    assert fleet.methods() == ["StreamChat", "StreamChat", "CancelChat", "ResumeChat"]
    assert fleet.seen[0].request == fleet.seen[1].request
    assert len(fleet.runs) == 1


async def test_run_that_nobody_reads_is_cancelled_after_a_break(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A call that has failed unnoticed tells no id; the next one does."""
    fleet.scripts.append([threading.Event()])
    fleet.faults.append(CUT)
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await stream.cancel() is not None
    assert fleet.methods() == ["StreamChat", "StreamChat", "CancelChat"]


async def test_run_that_was_left_early_is_cancelled(fleet: Fleet, aclient: AsyncClient) -> None:
    """Who has left may still end what was begun."""
    fleet.scripts.append([threading.Event()])
    stream = aclient.stream("sandbox/ok", "Hello", disconnect="continue")
    async with stream:
        pass
    assert await stream.cancel() is not None
    assert fleet.seen[-1].request == run_pb2.CancelChatRequest(run_id="run_1")


async def test_loop_of_a_call_that_broke_early_is_cancelled(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """The same start finds the loop."""
    fleet.scripts.append([threading.Event()])
    fleet.faults.append(CUT)
    async with aclient.converse("sandbox/ok", "Hello", tools={}) as loop:
        assert await loop.cancel() is not None
    assert fleet.methods() == ["Converse", "Converse", "CancelChat"]
    assert [each.request[0].WhichOneof("kind") for each in fleet.seen[:2]] == ["start", "start"]
    assert len(fleet.runs) == 1


async def test_cancel_is_tried_again_until_the_id_is_told(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """A line that breaks again costs patience and not the end."""
    fleet.scripts.append([threading.Event()])
    fleet.faults.extend([CUT, CUT, CUT])
    async with aclient.stream("sandbox/ok", "Hello") as stream:
        assert await stream.cancel() is not None
    assert fleet.methods() == ["StreamChat"] * 4 + ["CancelChat"]


async def test_what_was_refused_or_never_asked_is_not_begun_to_be_cancelled(
    fleet: Fleet, aclient: AsyncClient
) -> None:
    """There is no run to end, and none is begun for it."""
    assert await aclient.stream("sandbox/ok", "Hello").cancel() is None
    assert fleet.seen == []
    fleet.faults.append(Fault(-1, REFUSAL))
    stream = aclient.stream("sandbox/ok", "Hello")
    with pytest.raises(LimitReached):
        await stream.answer()
    assert await stream.cancel() is None
    assert fleet.methods() == ["StreamChat"]


def test_run_of_a_call_that_broke_early_is_cancelled_without_asyncio(
    fleet: Fleet, client: Client
) -> None:
    """The other world, a chat and a loop."""
    fleet.scripts.extend([[threading.Event()], [threading.Event()]])
    fleet.faults.extend([CUT, None, CUT])
    with client.stream("sandbox/ok", "Hello") as stream:
        assert stream.cancel() is not None
    with client.converse("sandbox/ok", "Hello", tools={}) as loop:
        assert loop.cancel() is not None
    assert fleet.methods() == ["StreamChat"] * 2 + ["CancelChat"] + ["Converse"] * 2 + [
        "CancelChat"
    ]
    assert client.stream("sandbox/ok", "Hello").cancel() is None
