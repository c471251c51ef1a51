"""Calls that end before their answer: revoked, left, out of time. Nothing stays behind."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from integration.kernel.listening import (
    ANN,
    DEVELOPER,
    DORA,
    LIMIT_S,
    Bed,
    calls_in_memory,
    eventually,
    listening,
    refused,
    told,
)
from trunkline.inference.v1 import chat_pb2, event_pb2
from trunkline.kernel.call import Caller

RIGHT = chat_pb2.ChatRequest(model="sandbox/ok")
LARGE = event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text="x" * 200_000))


class Waiting:
    """A servicer that waits for ever, and notes what becomes of it.

    Attributes:
        entered: calls that came.
        sent: messages that a stream gave away.
        left: calls whose servicer ran to the end of its `finally`.
    """

    def __init__(self, bed: Bed) -> None:
        self.entered = self.sent = self.left = 0
        bed.chats.chat, bed.chats.stream = self._chat, self._stream

    async def _chat(self, request: Any, context: Any) -> chat_pb2.ChatResponse:
        self.entered += 1
        try:
            await asyncio.Event().wait()
        finally:
            self.left += 1
        raise AssertionError

    async def _stream(self, request: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        self.entered += 1
        try:
            yield event_pb2.ChatEvent(sequence=1)
            self.sent += 1
            while request.role == "flood":
                yield LARGE
                self.sent += 1
            await asyncio.Event().wait()
        finally:
            # A real one gives back what it holds, which takes a moment.
            await asyncio.sleep(0)
            self.left += 1

    async def begin(self, bed: Bed, kind: str, metadata: Any = DORA, **options: Any) -> Any:
        """Begin a call of a kind, and return it when it waits: for an answer, or to send."""
        if kind == "unary":
            call = bed.stub.Chat(RIGHT, metadata=metadata, **options)
            await eventually(lambda: self.entered == 1)
        elif kind == "stream":
            call = bed.stub.StreamChat(RIGHT, metadata=metadata, **options)
            await call.read()
            await eventually(lambda: self.sent == 1)
        else:
            request = chat_pb2.ChatRequest(model="sandbox/ok", role="flood")
            call = bed.stub.StreamChat(request, metadata=metadata, **options)
            await eventually(lambda: self.sent > 1)
            await self._stands_still()
        return call

    async def _stands_still(self) -> None:
        """Wait until a stream gives nothing more away: its client does not read."""
        async with asyncio.timeout(LIMIT_S):
            before = 0
            while self.sent != before:
                before = self.sent
                await asyncio.sleep(0.1)


@pytest.fixture
def waiting(bed: Bed) -> Waiting:
    """A servicer that waits for ever."""
    return Waiting(bed)


@pytest.fixture
async def nothing_stays(bed: Bed) -> AsyncIterator[None]:
    """Hold a test to leaving no task and no count behind."""
    await bed.channel.channel_ready()
    before = asyncio.all_tasks()
    yield
    await eventually(lambda: bed.interceptor.calls == 0)
    fixture = asyncio.current_task()
    await eventually(
        lambda: (
            not [
                task
                for task in asyncio.all_tasks() - before - {fixture}
                # gRPC waits for the next call in a task of its own.
                if "_request_call" not in repr(task)
            ]
        )
    )


KINDS = pytest.mark.parametrize("kind", ["unary", "stream", "flood"])


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("kind", ["unary", "stream"])
async def test_a_call_ends_with_its_token(
    bed: Bed, waiting: Waiting, logged: list[Any], kind: str
) -> None:
    """UNAUTHENTICATED, within a second, wherever its servicer waits."""
    call = await waiting.begin(bed, kind)
    begun = time.monotonic()
    bed.interceptor.end_calls_of("tok_dora")
    failure = await refused(call)
    assert time.monotonic() - begun < 1
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    assert failure.domain == "trunkline.inference"
    (line,) = await told(logged)
    assert (line["code"], line["principal"]) == ("UNAUTHENTICATED", "dora")
    assert waiting.left == 1
    del call, failure


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("then", ["reads on", "leaves"])
async def test_a_call_whose_client_does_not_read_ends_with_its_token(
    bed: Bed, waiting: Waiting, logged: list[Any], then: str
) -> None:
    """The servicer is closed within a second; the client, when it reads on, is told why."""
    call = await waiting.begin(bed, "flood")
    begun = time.monotonic()
    bed.interceptor.end_calls_of("tok_dora")
    await eventually(lambda: waiting.left == 1)
    assert time.monotonic() - begun < 1
    (line,) = await told(logged)
    assert line["code"] == "UNAUTHENTICATED"
    assert bed.interceptor.calls == 0
    if then == "leaves":
        call.cancel()
    else:
        assert (await refused(call)).reason == "TOKEN_INVALID"
    del call


async def test_only_the_calls_of_that_token_end(bed: Bed, waiting: Waiting) -> None:
    """Not those of another one, of the same principal or not."""
    bed.tokens.callers["second"] = Caller(DEVELOPER, "dora", "tok_second")
    hers = bed.stub.StreamChat(RIGHT, metadata=DORA)
    others = [
        bed.stub.StreamChat(RIGHT, metadata=metadata)
        for metadata in (ANN, (("authorization", "Bearer second"),))
    ]
    for call in (hers, *others):
        await call.read()
    bed.interceptor.end_calls_of("tok_dora")
    bed.interceptor.end_calls_of("tok_unknown")
    assert (await refused(hers)).reason == "TOKEN_INVALID"
    await eventually(lambda: bed.interceptor.calls == 2)
    for call in others:
        assert not call.done()
        call.cancel()
    await eventually(lambda: bed.interceptor.calls == 0)


@pytest.mark.usefixtures("nothing_stays")
@pytest.mark.parametrize("made", ["an answer", "another error"])
@pytest.mark.parametrize("kind", ["unary", "stream"])
async def test_whatever_a_servicer_makes_of_its_cancellation(
    bed: Bed, logged: list[Any], made: str, kind: str
) -> None:
    """The end of the token is what the caller is told: an answer must not slip through."""
    entered = asyncio.Event()

    async def wait() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if made == "another error":
                raise ValueError("canary") from None

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        await wait()
        return chat_pb2.ChatResponse(run_id="run_1")

    async def stream(request: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        await wait()
        if request.role:
            yield event_pb2.ChatEvent()

    bed.chats.chat, bed.chats.stream = chat, stream
    begin = bed.stub.Chat if kind == "unary" else bed.stub.StreamChat
    call = begin(RIGHT, metadata=DORA, timeout=LIMIT_S)
    async with asyncio.timeout(LIMIT_S):
        await entered.wait()
    bed.interceptor.end_calls_of("tok_dora")
    failure = await refused(call)
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAUTHENTICATED, "TOKEN_INVALID")
    assert [line["code"] for line in await told(logged)] == ["UNAUTHENTICATED"]
    del call, failure


@pytest.mark.usefixtures("nothing_stays")
@KINDS
async def test_a_client_that_leaves(
    bed: Bed, waiting: Waiting, logged: list[Any], kind: str
) -> None:
    """Its servicer is closed within a second, and the line says what happened."""
    call = await waiting.begin(bed, kind)
    begun = time.monotonic()
    call.cancel()
    await eventually(lambda: waiting.left == 1)
    assert time.monotonic() - begun < 1
    (line,) = await told(logged)
    assert line["code"] == "CANCELLED"
    del call


@pytest.mark.usefixtures("nothing_stays")
@KINDS
async def test_a_deadline_that_passes(
    bed: Bed, waiting: Waiting, logged: list[Any], kind: str
) -> None:
    """The line tells it apart from a client that left; gRPC does not."""
    call = await waiting.begin(bed, kind, timeout=1.0)
    await eventually(lambda: waiting.left == 1)
    (line,) = await told(logged)
    assert line["code"] == "DEADLINE_EXCEEDED"
    assert await call.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    del call


@KINDS
async def test_a_client_whose_connection_breaks(
    bed: Bed, waiting: Waiting, logged: list[Any], kind: str
) -> None:
    """As one that leaves."""
    async with grpc.aio.insecure_channel(bed.listener.address) as channel:
        other = Bed(bed.tokens, bed.chats, bed.interceptor, bed.listener, channel)
        call = await waiting.begin(other, kind)
    await eventually(lambda: waiting.left == 1)
    assert [line["code"] for line in await told(logged)] == ["CANCELLED"]
    assert call.cancelled()
    await eventually(lambda: bed.interceptor.calls == 0)


@pytest.mark.usefixtures("nothing_stays")
async def test_a_client_that_leaves_while_its_token_is_looked_up(
    bed: Bed, logged: list[Any]
) -> None:
    """The call is over before it was admitted, and counted nowhere."""
    asked = asyncio.Event()

    async def authenticate(token: str) -> Caller:
        asked.set()
        await asyncio.Event().wait()
        raise AssertionError

    bed.tokens.authenticate = authenticate  # type: ignore[method-assign] # a slower one
    call = bed.stub.Chat(RIGHT, metadata=DORA)
    await asked.wait()
    call.cancel()
    (line,) = await told(logged)
    assert (line["code"], line["principal"]) == ("CANCELLED", None)
    del call


@pytest.mark.usefixtures("nothing_stays")
async def test_a_servicer_that_fails_to_clean_up_is_only_logged(
    bed: Bed, logged: list[Any]
) -> None:
    """The count is right all the same."""
    sent = 0

    async def stream(request: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        nonlocal sent
        try:
            while True:
                yield LARGE
                sent += 1
        finally:
            raise OSError("the disk is full")

    bed.chats.stream = stream
    call = bed.stub.StreamChat(RIGHT, metadata=DORA)
    await eventually(lambda: sent > 1)
    async with asyncio.timeout(LIMIT_S):
        before = 0
        while sent != before:
            before = sent
            await asyncio.sleep(0.1)
    call.cancel()
    await eventually(lambda: len(logged) == 2)
    first, second = logged
    assert (first["event"], first["code"]) == ("call", "CANCELLED")
    assert second["event"] == "call_not_cleaned_up"
    assert "the disk is full" in str(second["exc_info"])
    logged.clear()
    del call, first, second


async def test_calls_of_every_end_leave_place_and_memory() -> None:
    """On a listener for one call at a time: a count that stays would refuse the next."""
    async with listening(max_calls=1) as bed:
        waiting = Waiting(bed)
        codes = (
            grpc.StatusCode.CANCELLED,
            grpc.StatusCode.UNAUTHENTICATED,
            grpc.StatusCode.DEADLINE_EXCEEDED,
        )
        for number in range(60):
            kind = ("unary", "stream")[number % 2]
            code = codes[number % 3]
            waiting.entered = waiting.sent = waiting.left = 0
            timeout = 0.1 if code is grpc.StatusCode.DEADLINE_EXCEEDED else LIMIT_S
            call = await waiting.begin(bed, kind, timeout=timeout)
            if code is grpc.StatusCode.CANCELLED:
                call.cancel()
            elif code is grpc.StatusCode.UNAUTHENTICATED:
                bed.interceptor.end_calls_of("tok_dora")
            assert await call.code() is code
            del call
            await eventually(lambda: bed.interceptor.calls == 0)
        # gRPC keeps what belongs to the last ones.
        await eventually(lambda: calls_in_memory() < 5)
