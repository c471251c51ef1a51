"""A listener of the kernel on a real socket, in front of servicers whose methods a test gives."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2_grpc

from trunkline.catalog.v1 import catalog_service_pb2_grpc, watch_pb2
from trunkline.inference.v1 import chat_pb2, event_pb2, inference_service_pb2_grpc
from trunkline.kernel import keepalive
from trunkline.kernel.call import Call, Caller
from trunkline.kernel.errors import Unauthenticated
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.keepalive import KeepAlive
from trunkline.kernel.server import Listener, Registration
from trunkline.kernel.status import find_detail, read_status
from trunkline.options.v1 import options_pb2

ADMIN = options_pb2.CALLER_ROLE_ADMIN
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER
SERVICE = options_pb2.CALLER_ROLE_SERVICE

LIMIT_S = 10.0
MESSAGE_LIMIT = 64 * 1024 * 1024

Metadata = tuple[tuple[str, str], ...]
Context = grpc.aio.ServicerContext[Any, Any]


def bearer(token: str, *more: tuple[str, str]) -> Metadata:
    """Return the metadata of a call that is made with a token."""
    return (("authorization", f"Bearer {token}"), *more)


ANN = bearer("ann")
DORA = bearer("dora")


class Tokens:
    """Knows the tokens that it is given, and records which it was asked for.

    Attributes:
        callers: by token.
        asked: every token, in order.
    """

    def __init__(self) -> None:
        self.callers = {
            "ann": Caller(ADMIN, "ann", "tok_ann"),
            "dora": Caller(DEVELOPER, "dora", "tok_dora"),
        }
        self.asked: list[str] = []

    async def authenticate(self, token: str) -> Caller:
        """Return whose a token is."""
        self.asked.append(token)
        if token not in self.callers:
            raise Unauthenticated("TOKEN_INVALID", "The access token is unknown.")
        return self.callers[token]


async def _answer(request: Any, context: Context) -> chat_pb2.ChatResponse:
    """Answer a chat."""
    return chat_pb2.ChatResponse(run_id="run_1")


async def _stream(request: Any, context: Context) -> AsyncIterator[event_pb2.ChatEvent]:
    """Send one event."""
    yield event_pb2.ChatEvent(sequence=1)


class Chats(inference_service_pb2_grpc.InferenceServiceServicer):
    """Serves chats as a test says.

    Attributes:
        chat: answers `Chat`.
        stream: answers `StreamChat`.
    """

    def __init__(self) -> None:
        self.chat: Callable[[Any, Context], Awaitable[Any]] = _answer
        self.stream: Callable[[Any, Context], AsyncIterator[Any]] = _stream

    async def Chat(self, request: chat_pb2.ChatRequest, context: Context) -> Any:
        """Answer in one piece."""
        return await self.chat(request, context)

    def StreamChat(self, request: chat_pb2.ChatRequest, context: Context) -> AsyncIterator[Any]:
        """Answer event by event."""
        return self.stream(request, context)


class Watches(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Serves a watch that sends one message, on any listener that has it."""

    async def WatchCatalog(
        self, request: watch_pb2.WatchCatalogRequest, context: Context
    ) -> AsyncIterator[watch_pb2.WatchCatalogResponse]:
        """Send a heartbeat."""
        yield watch_pb2.WatchCatalogResponse(revision=3, heartbeat=watch_pb2.Heartbeat())


def registration(chats: Chats) -> Registration:
    """Return what registers chats."""
    return chats, inference_service_pb2_grpc.add_InferenceServiceServicer_to_server


@dataclass
class Bed:
    """A public listener with chats behind it.

    Attributes:
        tokens: who is known.
        chats: what is served.
        interceptor: its steps.
        listener: itself.
        channel: to it; stubs of other contracts know only the synchronous kind.
        stub: of its chats.
        health: a stub.
    """

    tokens: Tokens
    chats: Chats
    interceptor: Interceptor
    listener: Listener
    channel: Any
    stub: Any = field(init=False)
    health: Any = field(init=False)

    def __post_init__(self) -> None:
        self.stub = inference_service_pb2_grpc.InferenceServiceStub(self.channel)
        self.health = health_pb2_grpc.HealthStub(self.channel)


@contextlib.asynccontextmanager
async def listening(
    max_calls: int = 100, keep_alive: KeepAlive = keepalive.SERVER
) -> AsyncIterator[Bed]:
    """Run a public listener."""
    tokens, chats = Tokens(), Chats()  # type: ignore[abstract] # abstract for the checker only
    interceptor = Interceptor(authenticator=tokens, max_calls=max_calls)
    async with serving(interceptor, [registration(chats)], keep_alive=keep_alive) as (
        listener,
        channel,
    ):
        yield Bed(tokens, chats, interceptor, listener, channel)


@contextlib.asynccontextmanager
async def serving(
    interceptor: Interceptor,
    registrations: Iterable[Registration],
    *,
    internal: bool = False,
    address: str = "127.0.0.1:0",
    keep_alive: KeepAlive = keepalive.SERVER,
) -> AsyncIterator[tuple[Listener, grpc.aio.Channel]]:
    """Run a listener, and open a channel to it."""
    listener = Listener(
        interceptor,
        internal=internal,
        max_message_bytes=MESSAGE_LIMIT,
        keep_alive=keep_alive,
    )
    listener.add(registrations)
    if not internal:
        listener.add_public_tools(address)
    await listener.start(address)
    await listener.serving()
    try:
        async with grpc.aio.insecure_channel(listener.address) as channel:
            yield listener, channel
    finally:
        await listener.stop(0)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed.

    Attributes:
        code: its gRPC status.
        message: its sentence.
        reason: of its ErrorInfo.
        domain: of its ErrorInfo.
        metadata: of its ErrorInfo.
        status: the whole.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    domain: str
    metadata: dict[str, str]
    status: status_pb2.Status

    def detail(self, into: Any) -> Any:
        """Return the first detail of a message's type; None: there is none."""
        return find_detail(self.status.details, into)


async def refused(call: Any) -> Failure:
    """Return how a call fails; it must, and with a rich status."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await read_all(call)
    return failure_of(caught.value)


async def read_all(call: Any) -> list[Any]:
    """Read a call to its end; return what it answered.

    Raises:
        grpc.aio.AioRpcError: it failed.
    """
    async with asyncio.timeout(LIMIT_S):
        if not isinstance(call, grpc.aio.UnaryStreamCall):
            return [await call]
        messages = []
        while (message := await call.read()) is not grpc.aio.EOF:
            messages.append(message)
        return messages


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Return how a call failed."""
    status = read_status(error)
    assert status is not None, f"no rich status: {error!r}"
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    assert info is not None
    return Failure(
        error.code(), status.message, info.reason, info.domain, dict(info.metadata), status
    )


async def eventually(condition: Callable[[], bool]) -> None:
    """Wait for a condition, and fail when it does not come true in time."""
    async with asyncio.timeout(LIMIT_S):
        while not condition():
            await asyncio.sleep(0.005)


async def told(logged: list[Any]) -> list[Any]:
    """Return all lines once a call's own has been written, which is its last.

    The caller has its answer a little before.
    """
    await eventually(lambda: any(line["event"] == "call" for line in logged))
    return logged


def calls_in_memory() -> int:
    """Return how many records of calls are held by anybody."""
    gc.collect()
    return sum(isinstance(each, Call) for each in gc.get_objects())
