"""The other end vanishes without closing anything: its calls end all the same."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from integration.kernel.listening import (
    ANN,
    LIMIT_S,
    Chats,
    Tokens,
    eventually,
    listening,
    registration,
    serving,
)
from support.cuttable_line import CuttableLine
from trunkline.inference.v1 import chat_pb2, event_pb2, inference_service_pb2_grpc
from trunkline.kernel import keepalive
from trunkline.kernel.channel import CHANNEL_OPTIONS
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.keepalive import KeepAlive

QUICK = KeepAlive(silence_s=0.5, answer_s=0.5)
QUESTION = chat_pb2.ChatRequest(model="sandbox/ok")


class Endless:
    """A stream that sends one event and then waits to be ended.

    Attributes:
        begun: the event was sent.
        ended: the handler has ended.
    """

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = asyncio.Event()

    async def __call__(self, request: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        """Send one event, and wait."""
        try:
            yield event_pb2.ChatEvent(sequence=1)
            self.begun.set()
            await asyncio.Event().wait()
        finally:
            self.ended.set()


async def test_call_of_a_vanished_client_ends() -> None:
    """Nothing comes from the client any more, not even an end: the server gives it up."""
    async with listening(keep_alive=QUICK) as bed:
        bed.chats.stream = endless = Endless()
        with CuttableLine(bed.listener.address) as line:
            async with grpc.aio.insecure_channel(line.address) as channel:
                stub: Any = inference_service_pb2_grpc.InferenceServiceStub(channel)
                call = stub.StreamChat(QUESTION, metadata=ANN)
                await call.read()
                await endless.begun.wait()
                line.swallow()
                async with asyncio.timeout(LIMIT_S):
                    await endless.ended.wait()
                await eventually(lambda: bed.interceptor.calls == 0)
                call.cancel()


async def test_call_of_a_client_that_is_only_quiet_goes_on() -> None:
    """A client that answers when it is asked is kept, however long it says nothing."""
    keep_alive = KeepAlive(silence_s=0.1, answer_s=5.0)
    async with listening(keep_alive=keep_alive) as bed:
        bed.chats.stream = endless = Endless()
        call = bed.stub.StreamChat(QUESTION, metadata=ANN)
        await call.read()
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(endless.ended.wait(), 1.5)  # many times the silence
        call.cancel()
        await endless.ended.wait()


async def test_call_to_a_vanished_peer_ends() -> None:
    """A channel to a peer that answers no more fails its calls, by options like the real ones."""
    quick = dict([*CHANNEL_OPTIONS, *QUICK.options])
    chats = Chats()  # type: ignore[abstract] # abstract for the checker only
    chats.stream = Endless()
    interceptor = Interceptor(authenticator=Tokens())
    async with serving(interceptor, [registration(chats)]) as (listener, _):
        with CuttableLine(listener.address) as line:
            async with grpc.aio.insecure_channel(line.address, list(quick.items())) as channel:
                stub: Any = inference_service_pb2_grpc.InferenceServiceStub(channel)
                call = stub.StreamChat(QUESTION, metadata=ANN)
                await call.read()
                line.swallow()
                with pytest.raises(grpc.aio.AioRpcError) as caught:
                    await asyncio.wait_for(call.read(), LIMIT_S)
                assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def test_real_channels_and_servers_get_on() -> None:
    """Channels to peers ask as the constants say, and less often than a server puts up with."""
    options = dict(CHANNEL_OPTIONS)
    assert options["grpc.keepalive_time_ms"] == keepalive.CHANNEL.silence_s * 1000
    accepted = dict(keepalive.SERVER.options)["grpc.http2.min_ping_interval_without_data_ms"]
    assert accepted < options["grpc.keepalive_time_ms"]
    # In time for a security view, which may be 30 s old.
    assert keepalive.CHANNEL.silence_s + keepalive.CHANNEL.answer_s < 30
