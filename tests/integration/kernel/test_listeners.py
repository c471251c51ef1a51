"""What stands on which listener, and who may call it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_channelz.v1 import channelz_pb2, channelz_pb2_grpc
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from integration.kernel.listening import (
    ANN,
    DORA,
    LIMIT_S,
    SERVICE,
    Bed,
    Tokens,
    Watches,
    read_all,
    refused,
    serving,
)
from trunkline.catalog.v1 import catalog_service_pb2_grpc, watch_pb2
from trunkline.credential.v1 import access_pb2, access_pb2_grpc, credential_service_pb2_grpc
from trunkline.credential.v1 import resolve_pb2 as credential_resolve_pb2
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.call import Caller, current_caller
from trunkline.kernel.channel import connect
from trunkline.kernel.interceptor import Interceptor, known_as
from trunkline.kernel.server import Listener, Registration, prepare_socket, stop_all

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
INFERENCE = "trunkline.inference.v1.InferenceService"


class Access(access_pb2_grpc.AccessServiceServicer):
    """Lists no tokens, and sends a heartbeat."""

    async def ListAccessTokens(
        self, request: access_pb2.ListAccessTokensRequest, context: Any
    ) -> access_pb2.ListAccessTokensResponse:
        """Answer with the caller's name in place of a token."""
        return access_pb2.ListAccessTokensResponse(next_page_token=current_caller().principal)

    async def WatchAccess(
        self, request: access_pb2.WatchAccessRequest, context: Any
    ) -> AsyncIterator[access_pb2.WatchAccessResponse]:
        """Send one message."""
        yield access_pb2.WatchAccessResponse(revision=7, ended_token_id=current_caller().principal)


class Credentials(credential_service_pb2_grpc.CredentialServiceServicer):
    """Resolves to nothing."""

    async def ResolveCredential(
        self, request: credential_resolve_pb2.ResolveCredentialRequest, context: Any
    ) -> credential_resolve_pb2.ResolveCredentialResponse:
        """Answer without a secret."""
        return credential_resolve_pb2.ResolveCredentialResponse()


def registrations() -> list[Registration]:
    """Return a service of each kind."""
    return [
        (Access(), access_pb2_grpc.add_AccessServiceServicer_to_server),  # type: ignore[abstract] # for the checker only
        (Credentials(), credential_service_pb2_grpc.add_CredentialServiceServicer_to_server),  # type: ignore[abstract] # for the checker only
        (Watches(), catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server),  # type: ignore[abstract] # for the checker only
    ]


@contextlib.asynccontextmanager
async def internal(directory: Path, *callers: str) -> AsyncIterator[dict[str, Any]]:
    """Run an internal listener for each caller, and return a channel to each."""
    async with contextlib.AsyncExitStack() as stack:
        channels = {}
        for caller in callers:
            path = directory / f"{caller}.sock"
            listener = Listener(
                Interceptor(identify=known_as(Caller(SERVICE, caller))),
                internal=True,
                max_message_bytes=1024 * 1024,
            )
            listener.add(registrations())
            await listener.start(prepare_socket(path))
            stack.push_async_callback(listener.stop, 0)
            channels[caller] = await stack.enter_async_context(connect(path))
        yield channels


async def test_methods_for_services_are_not_on_the_public_listener() -> None:
    """gRPC itself answers UNIMPLEMENTED, as if they did not exist; whoever asks."""
    async with serving(Interceptor(authenticator=Tokens()), registrations()) as (_, channel):
        access = access_pb2_grpc.AccessServiceStub(channel)
        request = access_pb2.ListAccessTokensRequest()
        answer = await access.ListAccessTokens(request, metadata=ANN, timeout=LIMIT_S)
        assert answer.next_page_token == "ann"
        watch: Any = access.WatchAccess(access_pb2.WatchAccessRequest(), metadata=ANN)
        assert await watch.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_method_for_admins_and_services_stands_on_both(tmp_path: Path) -> None:
    """And on the public one it is for ADMIN only."""
    request = watch_pb2.WatchCatalogRequest()
    async with serving(Interceptor(authenticator=Tokens()), registrations()) as (_, channel):
        catalog = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        (message,) = await read_all(catalog.WatchCatalog(request, metadata=ANN))
        assert message.revision == 3
        failure = await refused(catalog.WatchCatalog(request, metadata=DORA))
        assert failure.reason == "CALLER_NOT_ALLOWED"
    async with internal(tmp_path, "health") as channels:
        catalog = catalog_service_pb2_grpc.CatalogServiceStub(channels["health"])
        (message,) = await read_all(catalog.WatchCatalog(request))
        assert message.revision == 3


async def test_methods_for_people_are_not_on_an_internal_listener(tmp_path: Path) -> None:
    """Nor are health, reflection and channelz, which are for people's tools."""
    async with internal(tmp_path, "health") as channels:
        channel = channels["health"]
        access = access_pb2_grpc.AccessServiceStub(channel)
        listing: Any = access.ListAccessTokens(
            access_pb2.ListAccessTokensRequest(), metadata=ANN, timeout=LIMIT_S
        )
        assert await listing.code() is grpc.StatusCode.UNIMPLEMENTED
        for path in ("/grpc.health.v1.Health/Check", "/grpc.channelz.v1.Channelz/GetServers"):
            call = channel.unary_unary(path)(b"", timeout=LIMIT_S)
            assert await call.code() is grpc.StatusCode.UNIMPLEMENTED


async def test_a_socket_says_which_service_calls(tmp_path: Path) -> None:
    """No token is asked for, and one that is sent changes nothing."""
    async with internal(tmp_path, "catalog", "inference") as channels:
        for caller, channel in channels.items():
            access = access_pb2_grpc.AccessServiceStub(channel)
            (message,) = await read_all(
                access.WatchAccess(access_pb2.WatchAccessRequest(), metadata=ANN)
            )
            assert message.ended_token_id == caller


async def test_a_table_says_which_service_may_call(tmp_path: Path) -> None:
    """A stored key is resolved for inference, and for nobody else inside."""
    request = credential_resolve_pb2.ResolveCredentialRequest(
        provider="openai", origin="https://api.openai.com:443"
    )
    async with internal(tmp_path, "catalog", "credential", "health", "inference") as channels:
        for caller, channel in channels.items():
            stub = credential_service_pb2_grpc.CredentialServiceStub(channel)
            call: Any = stub.ResolveCredential(request, timeout=LIMIT_S)
            if caller == "inference":
                assert await call.code() is grpc.StatusCode.OK
                continue
            failure = await refused(call)
            assert failure.code is grpc.StatusCode.PERMISSION_DENIED
            assert failure.metadata["role"] == "SERVICE"


async def test_health_tells_everybody_of_every_service(bed: Bed) -> None:
    """Without a token; the empty name is the listener, and unknown names are not found."""
    for name in ("", INFERENCE, "grpc.health.v1.Health"):
        answer = await bed.health.Check(
            health_pb2.HealthCheckRequest(service=name), timeout=LIMIT_S
        )
        assert answer.status == SERVING
    failure = await refused(
        bed.health.Check(health_pb2.HealthCheckRequest(service="none"), timeout=LIMIT_S)
    )
    assert failure.code is grpc.StatusCode.NOT_FOUND


async def test_health_of_every_service_is_listed(bed: Bed) -> None:
    """By `List` of grpc.health.v1, which generated stubs of this language may not know yet."""
    listing: Any = bed.channel.unary_unary("/grpc.health.v1.Health/List")
    answer = health_pb2.HealthListResponse.FromString(  # type: ignore[attr-defined] # as above
        await listing(b"", timeout=LIMIT_S)
    )
    states = {name: each.status for name, each in answer.statuses.items()}
    assert states[""] == states[INFERENCE] == SERVING


async def test_health_is_watched_into_the_drain(bed: Bed) -> None:
    """Each watcher hears of the change, also one whose service is not here."""
    watchers = {
        name: bed.health.Watch(health_pb2.HealthCheckRequest(service=name), timeout=LIMIT_S)
        for name in ("", INFERENCE, "none")
    }
    first = {name: (await watcher.read()).status for name, watcher in watchers.items()}
    assert first == {"": SERVING, INFERENCE: SERVING, "none": UNKNOWN}
    await bed.listener.drain()
    await bed.listener.serving()  # too late: a service that stops does not come back
    assert (await watchers[""].read()).status == NOT_SERVING
    assert (await watchers[INFERENCE].read()).status == NOT_SERVING
    answer = await bed.health.Check(
        health_pb2.HealthCheckRequest(service=INFERENCE), timeout=LIMIT_S
    )
    assert answer.status == NOT_SERVING
    for watcher in watchers.values():
        watcher.cancel()


async def test_watchers_who_do_not_read_do_not_hold_up_the_drain(bed: Bed) -> None:
    """The process says that it stops, whoever listens."""
    watchers = [bed.health.Watch(health_pb2.HealthCheckRequest()) for _ in range(20)]
    for watcher in watchers:
        await watcher.initial_metadata()
    async with asyncio.timeout(1):
        await bed.listener.drain()
    for watcher in watchers:
        watcher.cancel()


def reflect(channel: Any, metadata: Any = (), *, asking: bool = True) -> Any:
    """Ask two questions of reflection, in one stream; or open it and ask none."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)

    async def questions() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
        if not asking:
            # A client that still writes when it is refused tells of that and not of why.
            await asyncio.Event().wait()
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        yield reflection_pb2.ServerReflectionRequest(file_containing_symbol=INFERENCE)

    return stub.ServerReflectionInfo(questions(), metadata=metadata, timeout=LIMIT_S)


async def test_reflection_is_open_on_loopback(bed: Bed) -> None:
    """It lists what stands on the listener, and gives the contract."""
    listed, file = [answer async for answer in reflect(bed.channel)]
    names = {service.name for service in listed.list_services_response.service}
    assert names == {
        INFERENCE,
        "grpc.health.v1.Health",
        "grpc.channelz.v1.Channelz",
        "grpc.reflection.v1alpha.ServerReflection",
    }
    assert file.file_descriptor_response.file_descriptor_proto


async def test_reflection_beyond_loopback_needs_a_token() -> None:
    """Any role's."""
    address = "0.0.0.0:0"
    interceptor = Interceptor(authenticator=Tokens())
    async with serving(interceptor, registrations(), address=address) as (listener, _):
        port = listener.address.rpartition(":")[2]
        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            for metadata in (ANN, DORA):
                assert len([answer async for answer in reflect(channel, metadata)]) == 2
            call = reflect(channel, asking=False)
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED


async def test_channelz_shows_the_listener_to_admins(bed: Bed) -> None:
    """With its calls and sockets; to nobody else."""
    await bed.stub.Chat(chat_pb2.ChatRequest(model="a/b"), metadata=DORA, timeout=LIMIT_S)
    stub: Any = channelz_pb2_grpc.ChannelzStub(bed.channel)
    request = channelz_pb2.GetServersRequest()
    answer = await stub.GetServers(request, metadata=ANN, timeout=LIMIT_S)
    # Others of this process may not be forgotten yet; ours has just answered.
    mine = max(
        answer.server,
        key=lambda server: server.data.last_call_started_timestamp.ToNanoseconds(),
    )
    assert mine.data.calls_started == 2
    assert "127.0.0.1" in mine.listen_socket[0].name
    sockets = await stub.GetServerSockets(
        channelz_pb2.GetServerSocketsRequest(server_id=mine.ref.server_id),
        metadata=ANN,
        timeout=LIMIT_S,
    )
    assert len(sockets.socket_ref) == 1
    assert (await refused(stub.GetServers(request, metadata=DORA, timeout=LIMIT_S))).reason == (
        "CALLER_NOT_ALLOWED"
    )
    assert (await refused(stub.GetServers(request, timeout=LIMIT_S))).reason == "TOKEN_MISSING"


async def test_stopping_lets_calls_end_within_the_grace(bed: Bed) -> None:
    """And ends what is left after it; new connections are refused meanwhile."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def chat(request: chat_pb2.ChatRequest, context: Any) -> chat_pb2.ChatResponse:
        entered.set()
        if request.model == "a/stuck":
            await asyncio.Event().wait()
        await leave.wait()
        return chat_pb2.ChatResponse(run_id="run_last")

    bed.chats.chat = chat
    going = asyncio.ensure_future(
        bed.stub.Chat(chat_pb2.ChatRequest(model="a/b"), metadata=DORA, timeout=LIMIT_S)
    )
    stuck: Any = bed.stub.Chat(chat_pb2.ChatRequest(model="a/stuck"), metadata=DORA)
    await entered.wait()
    stopping = asyncio.create_task(stop_all([bed.listener], 1.0))
    leave.set()
    assert (await going).run_id == "run_last"
    async with asyncio.timeout(LIMIT_S):
        await stopping
        assert await stuck.code() is not grpc.StatusCode.OK
    raw: Any = grpc.aio.insecure_channel(bed.listener.address)
    async with raw as channel:
        late = channel.unary_unary("/x/y")(b"", timeout=LIMIT_S)
        assert await late.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("name", ["plain", "a b", "50%25", "q?x", "h#1", "ünï"])
async def test_a_socket_may_lie_under_any_name(tmp_path: Path, name: str) -> None:
    """gRPC takes an address for a URI, and a data directory's name is anybody's choice."""
    directory = tmp_path / name
    directory.mkdir()
    async with internal(directory, "health") as channels:
        assert (directory / "health.sock").is_socket()
        access = access_pb2_grpc.AccessServiceStub(channels["health"])
        (message,) = await read_all(access.WatchAccess(access_pb2.WatchAccessRequest()))
        assert message.revision == 7


async def test_channelz_of_what_is_not_there_is_not_found(bed: Bed) -> None:
    """It tells gRPC itself so and answers nothing, which is no fault of ours."""
    stub: Any = channelz_pb2_grpc.ChannelzStub(bed.channel)
    for call in (
        stub.GetServer(channelz_pb2.GetServerRequest(server_id=-1), metadata=ANN, timeout=LIMIT_S),
        stub.GetSocket(channelz_pb2.GetSocketRequest(), metadata=ANN, timeout=LIMIT_S),
    ):
        assert await call.code() is grpc.StatusCode.NOT_FOUND
