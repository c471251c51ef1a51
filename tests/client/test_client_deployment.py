"""The client against a real deployment: four services in one process, and the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from client.conftest import QUICK
from support.cuttable_line import CuttableLine
from support.deployment import Deployment, eventually
from trunkline.inference.v1 import message_pb2, result_pb2, run_pb2
from trunkline_client import (
    AllCandidatesExhausted,
    AsyncClient,
    CallerNotAllowed,
    Client,
    InvalidRequest,
    ModelNotFound,
    NoFallback,
    RunCancelled,
    RunNotFound,
    TokenInvalid,
    TrunklineError,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")

SCRIPTS = ("ok", "reason", "tool", "parallel-tools", "refuse", "unicode")
STEADY = "tokens-10-per-second"
SLOW = tuple(f"tokens-50-per-second-of-{script}" for script in SCRIPTS)


def _weather(city: str) -> None:
    """Tell the weather."""


def _time(zone: str, hours: int) -> None:
    """Tell the time."""


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def deployment() -> AsyncIterator[Deployment]:
    """A deployment with default settings."""
    async with Deployment(models=("stall-after-30", STEADY, *SLOW)) as running:
        yield running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def token(deployment: Deployment) -> str:
    """A token of a developer."""
    issued = await deployment.issue(impersonate=True)
    return issued.metadata[0][1].removeprefix("Bearer ")


@pytest_asyncio.fixture(loop_scope="module")
async def chats(deployment: Deployment, token: str) -> AsyncIterator[AsyncClient]:
    """A client of the deployment."""
    async with AsyncClient(deployment.suite.address, token, patience=QUICK) as client:
        yield client


@pytest.fixture
def line(deployment: Deployment) -> Iterator[CuttableLine]:
    """A line to the deployment that can be cut."""
    with CuttableLine(deployment.suite.address) as running:
        yield running


@pytest.mark.parametrize("script", SCRIPTS)
async def test_events_fold_to_the_message_of_the_end(chats: AsyncClient, script: str) -> None:
    """Whatever a model says, what was folded on the way is the answer."""
    async with chats.stream(
        f"sandbox/tokens-50-per-second-of-{script}", "Hello", tools=[_weather, _time]
    ) as stream:
        so_far = message_pb2.Message()
        async for event in stream:
            if event.kind == "completed":
                break
            so_far = stream.message
        assert stream.completed is not None
        assert so_far == stream.completed.completed.message
        assert so_far.content


async def test_stream_cut_again_and_again_is_the_same(
    chats: AsyncClient, token: str, line: CuttableLine
) -> None:
    """Each cut is mended by itself: every event once, and the same answer in the end."""
    whole = await chats.chat("sandbox/ok", "Hello")
    numbers, cuts = [], 0
    async with (
        AsyncClient(line.address, token, patience=QUICK) as client,
        client.stream(f"sandbox/{STEADY}", "Hello") as stream,
    ):
        async for event in stream:
            numbers.append(event.sequence)
            if event.sequence % 10 == 5 and cuts < 4:
                cuts += 1
                line.cut()
    assert cuts == 4
    assert line.connections > 2
    assert numbers == list(range(1, len(numbers) + 1))
    assert stream.text == whole.text
    assert stream.completed is not None
    assert stream.completed.run_id == stream.run_id


async def test_stream_without_asyncio_that_is_cut_is_the_same(
    deployment: Deployment, token: str, line: CuttableLine
) -> None:
    """The other world, in a thread: every event once, and an answer."""

    def read() -> list[int]:
        numbers = []
        with (
            Client(line.address, token, patience=QUICK) as client,
            client.stream("sandbox/tokens-50-per-second-of-ok", "Hello") as stream,
        ):
            for event in stream:
                numbers.append(event.sequence)
                if event.sequence == 7:
                    line.cut()
            assert stream.completed is not None
            assert stream.answer().text == stream.text
        return numbers

    numbers = await asyncio.to_thread(read)
    assert numbers == list(range(1, len(numbers) + 1))
    assert line.connections == 2


async def test_chat_gives_the_answer_with_what_it_took(chats: AsyncClient) -> None:
    """Text, tokens, attempts and the run's name."""
    answer = await chats.chat("sandbox/ok", "Hello", on_behalf_of="ann")
    assert answer.text
    assert answer.model == "sandbox/ok"
    assert [attempt.model for attempt in answer.attempts] == ["sandbox/ok"]
    assert answer.usage.output_tokens > 0
    assert answer.completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert answer.message.role == message_pb2.ROLE_ASSISTANT
    assert (await chats.resume(answer.run_id, on_behalf_of="ann").answer()) == answer
    with pytest.raises(RunNotFound):
        await chats.resume(answer.run_id).answer()


async def test_answer_with_calls_names_them(chats: AsyncClient) -> None:
    """Calls stand beside the text, each with its arguments."""
    answer = await chats.chat("sandbox/parallel-tools", "Hello", tools=[_weather, _time])
    assert len(answer.tool_calls) > 1
    assert all(call.id for call in answer.tool_calls)


@pytest.mark.parametrize(
    ("kind", "model", "fields"),
    [
        (ModelNotFound, "sandbox/nothing", {}),
        (InvalidRequest, "sandbox/ok", {"temperature": 9.0}),
        (InvalidRequest, "sandbox/ok", {"max_output_tokens": -1}),
        ((NoFallback, AllCandidatesExhausted), "sandbox/500", {}),
    ],
)
async def test_errors_have_their_types(
    chats: AsyncClient,
    kind: type[TrunklineError] | tuple[type[TrunklineError], ...],
    model: str,
    fields: dict[str, float],
) -> None:
    """Streamed or whole, with what is needed to act on it."""
    given: Any = fields

    async def whole() -> None:
        await chats.chat(model, "Hello", **given)

    async def streamed() -> None:
        await chats.stream(model, "Hello", **given).answer()

    for ask in (whole, streamed):
        with pytest.raises(kind) as caught:
            await ask()
        error = caught.value
        assert error.request_id
        assert bool(error.violations) is (kind is InvalidRequest)
        if isinstance(kind, tuple):
            assert error.trail is not None
            assert error.trail.attempts
            assert error.run_id.startswith("run_")


async def test_wrong_token_has_its_type(deployment: Deployment) -> None:
    """Nobody is let in, and nothing is tried again."""
    async with AsyncClient(deployment.suite.address, "tl_nobody") as client:
        with pytest.raises(TokenInvalid):
            await client.chat("sandbox/ok", "Hello")


async def test_caller_that_may_not_has_its_type(
    deployment: Deployment,
) -> None:
    """A token without the scope may not ask for somebody else."""
    issued = await deployment.issue()
    plain = issued.metadata[0][1].removeprefix("Bearer ")
    async with AsyncClient(deployment.suite.address, plain) as client:
        with pytest.raises(TrunklineError) as caught:
            await client.chat("sandbox/ok", "Hello", on_behalf_of="ann")
    assert type(caught.value).__name__ == "OutOfScope"
    assert not isinstance(caught.value, CallerNotAllowed)


async def test_cancel_ends_the_run_and_its_reader_is_told(
    deployment: Deployment, chats: AsyncClient
) -> None:
    """The run is cancelled, its provider's request too, and the message so far is kept."""
    async with chats.stream("sandbox/stall-after-30", "Hello") as stream:
        while not stream.text:
            await anext(stream)
        run = await stream.cancel()
        assert run is not None
        assert run.state == run_pb2.RUN_STATE_CANCELLED
        with pytest.raises(RunCancelled) as caught:
            async for _ in stream:
                pass
    assert caught.value.metadata["by"] == "cancel"
    assert caught.value.partial is not None
    assert (await deployment.run(stream.run_id)).state == run_pb2.RUN_STATE_CANCELLED


async def test_reader_that_leaves_leaves_the_run(
    deployment: Deployment, chats: AsyncClient
) -> None:
    """Who leaves has not cancelled: the run waits for a reader, and is read on by its id."""
    async with chats.stream("sandbox/tokens-50-per-second-of-ok", "Hello") as stream:
        while not stream.text:
            await anext(stream)
    run_id = stream.run_id

    async def has_no_reader() -> bool:
        return (await deployment.run(run_id)).readers == 0

    await eventually(has_no_reader)
    rest = await chats.resume(run_id, after_sequence=stream.last_sequence).answer()
    assert rest.text.startswith(stream.text)
    assert rest.text != stream.text
