"""A thousand clients that never read: memory stays within its bounds, and nobody else waits."""

from __future__ import annotations

import asyncio
import itertools
import json
import resource
import socket
import statistics
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import grpc
import psutil
import pytest

from support.chats import ask, read, stream
from support.deployment import Metadata, Stubs, bearer, eventually, patiently
from support.process import Up
from trunkline.catalog.v1 import provider_pb2
from trunkline.credential.v1 import save_pb2

KIB = 1024
MIB = 1024 * KIB

CLIENTS = 1_000
CHANNELS = 10
AT_ONCE = 100
ANSWER = 16 * MIB
JOURNALS = 32 * MIB
# What a stalled run takes beside its part of the journals: what gRPC has taken from it and sent
# ahead (64 KiB at the client, 64 KiB here) and a read of its provider's socket (128 KiB), each held
# as an event and as part of the answer; what lies on that socket (128 KiB); gRPC's copy (64 KiB);
# and 64 KiB for two connections, a task and a call.
BESIDES = 768 * KIB
QUESTIONS = 15
BRIEF = "In a word, please."


class Talker:
    """A provider that says 16 MiB, as fast as it is let; or a word, to whom it is enough.

    Attributes:
        base_url: where it is, once it was entered.
        told: how many bytes it could say, to all.
    """

    def __init__(self) -> None:
        self.base_url = ""
        self.told = 0
        self._server: asyncio.Server
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        """Listen."""
        self._server = await asyncio.start_server(self._attend, "127.0.0.1", 0, backlog=CLIENTS)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/v1"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Listen no more, and cut what is open."""
        self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _attend(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        # Of a provider's own machine nothing counts here, and what its system would keep is much.
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 64 * KIB)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                await self._talk(reader, writer)
        finally:
            writer.transport.abort()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"GET"):
            listed = b'{"object":"list","data":[{"id":"talk","object":"model"}]}'
            fields = b"content-type: application/json\r\ncontent-length: %d" % len(listed)
            writer.write(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (fields, listed))
            await writer.drain()
            return
        length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
        question = await reader.readexactly(length)
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        if BRIEF.encode() in question:
            said = {"choices": [{"index": 0, "delta": {"content": "ok"}, "finish_reason": "stop"}]}
            writer.write(f"data: {json.dumps(said)}\n\ndata: [DONE]\n\n".encode())
            await writer.drain()
            return
        said = {"choices": [{"index": 0, "delta": {"content": "x" * 4 * KIB}}]}
        frame = f"data: {json.dumps(said)}\n\n".encode()
        for _ in range(ANSWER // (4 * KIB)):
            writer.write(frame)
            await writer.drain()
            self.told += len(frame)


@pytest.fixture
def many_files() -> Iterator[None]:
    """Let this process, and those that it starts, open as many sockets as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def connect(stubs: Stubs, admin: Metadata, talker: Talker) -> None:
    """Connect the talker, and wait until it can be asked."""
    endpoint = provider_pb2.ProviderEndpoint(base_url=talker.base_url)
    provider = provider_pb2.Provider(name="talker", type="openai-compatible", endpoint=endpoint)
    await stubs.catalog.CreateProvider(
        provider_pb2.CreateProviderRequest(provider=provider, models=["talk"]), metadata=admin
    )
    await patiently(
        lambda: stubs.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(provider="talker", api_key="key"), metadata=admin
        ),
        "PROVIDER_NOT_FOUND",
    )

    async def answers() -> bool:
        failure = (await read(ask_briefly(stubs, admin))).failure
        assert failure is None or failure.reason in ("MODEL_NOT_FOUND", "NO_CREDENTIAL")
        return failure is None

    await eventually(answers)


def ask_briefly(stubs: Stubs, admin: Metadata) -> grpc.aio.UnaryStreamCall[Any, bytes]:
    """Begin a chat whose answer is short."""
    return stream(stubs.channel, "StreamChat", ask("talker/talk", BRIEF), admin)


async def stall(channel: grpc.aio.Channel, admin: Metadata) -> grpc.aio.UnaryStreamCall[Any, bytes]:
    """Begin a chat, read its first event and nothing more."""
    call = stream(channel, "StreamChat", ask("talker/talk"), admin)
    await call.read()
    return call


async def usual_time(stubs: Stubs, admin: Metadata) -> float:
    """Return how long a chat takes to have its whole answer, in seconds."""
    times = []
    for _ in range(QUESTIONS):
        begun = time.perf_counter()
        reading = await read(ask_briefly(stubs, admin))
        times.append(time.perf_counter() - begun)
        assert reading.completed.HasField("message")
    return statistics.median(times)


async def stillness(talker: Talker) -> None:
    """Wait until nobody takes anything from the talker any more."""
    told = [-1]

    def is_still() -> bool:
        told.append(talker.told)
        # Looked at each 5 ms.
        return len(told) > 60 and len(set(told[-60:])) == 1

    await eventually(is_still, 15)


@pytest.mark.usefixtures("many_files")
async def test_a_thousand_clients_that_never_read(tmp_path: Path) -> None:
    """Each reads one event; the process holds what settings say, and a fresh chat is as quick."""
    env = {
        "TRUNKLINE_JOURNAL_TOTAL_BYTES": str(JOURNALS),
        "TRUNKLINE_LOG_LEVEL": "warning",
        "TRUNKLINE_STOP_GRACE_S": "0",
    }
    async with Talker() as talker, Up(tmp_path, env=env) as up:
        assert up.process is not None
        process = psutil.Process(up.process.pid)
        stubs, admin = Stubs(up.address), bearer(up.token)
        await connect(stubs, admin, talker)
        usual = await usual_time(stubs, admin)
        before = process.memory_info().rss
        options = [
            ("grpc.use_local_subchannel_pool", 1),
            # gRPC itself reads ahead of its reader, up to this; by default it makes it grow.
            ("grpc.http2.bdp_probe", 0),
            ("grpc.http2.lookahead_bytes", 64 * KIB - 1),
        ]
        channels = [grpc.aio.insecure_channel(up.address, options) for _ in range(CHANNELS)]
        calls = []
        for _ in range(CLIENTS // AT_ONCE):
            turn = itertools.islice(itertools.cycle(channels), AT_ONCE)
            calls += await asyncio.gather(*(stall(channel, admin) for channel in turn))
        await stillness(talker)
        grown = process.memory_info().rss - before
        assert grown < JOURNALS + CLIENTS * BESIDES, f"{grown / CLIENTS / KIB:.0f} KiB each"
        # Nobody has been given up, and the provider is held back: it said a part of 16 MiB.
        assert talker.told < CLIENTS * ANSWER / 8
        assert not any(call.done() for call in calls)
        assert await usual_time(stubs, admin) < 10 * usual
        for call in calls:
            call.cancel()
        for channel in (*channels, stubs.channel):
            await channel.close()
