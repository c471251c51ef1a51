"""One service asks another: until when, under which name, and what goes wrong."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import grpc
import pytest

from integration.kernel.listening import DORA, LIMIT_S, SERVICE, Bed, bearer, refused
from trunkline.inference.v1 import chat_pb2, provider_pb2, provider_pb2_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.channel import PeerRefused, ask, connect
from trunkline.kernel.errors import NotFound, Unavailable
from trunkline.kernel.interceptor import Interceptor, known_as
from trunkline.kernel.server import Listener, prepare_socket
from trunkline.kernel.status import error_info, read_status

# gRPC sends a deadline rounded up, by a hundredth.
ROUNDED = 1.02
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
RIGHT = chat_pb2.ChatRequest(model="sandbox/ok")
PROBE = provider_pb2.ProbeProviderRequest(name="sandbox")


@dataclass
class Peer(provider_pb2_grpc.ProviderServiceServicer):
    """Answers probes, and records how it was asked.

    Attributes:
        remaining: seconds until the deadline, of each call.
        metadata: of each call.
        answer: answers.
        stub: a stub on its socket.
    """

    remaining: list[float | None] = field(default_factory=list)
    metadata: list[dict[str, str | bytes]] = field(default_factory=list)
    answer: Callable[[], Awaitable[None]] | None = None
    stub: Any = None

    async def ProbeProvider(
        self, request: provider_pb2.ProbeProviderRequest, context: Any
    ) -> provider_pb2.ProbeProviderResponse:
        """Record and answer."""
        self.remaining.append(context.time_remaining())
        self.metadata.append(dict(context.invocation_metadata()))
        if self.answer is not None:
            await self.answer()
        return provider_pb2.ProbeProviderResponse()


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    """The inference service, behind its socket."""
    servicer = Peer()
    listener = Listener(
        Interceptor(identify=known_as(Caller(SERVICE, "catalog"))),
        internal=True,
        max_message_bytes=2**20,
    )
    listener.add([(servicer, provider_pb2_grpc.add_ProviderServiceServicer_to_server)])
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        path = Path(directory) / "inference.sock"
        await listener.start(prepare_socket(path))
        async with connect(path) as channel:
            servicer.stub = provider_pb2_grpc.ProviderServiceStub(channel)
            yield servicer
        await listener.stop(0)


@pytest.fixture
def passing(bed: Bed, peer: Peer) -> Bed:
    """A public listener whose chats ask the peer, for a minute at most."""

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        await ask("inference", peer.stub.ProbeProvider, PROBE, timeout=60.0)
        return chat_pb2.ChatResponse()

    bed.chats.chat = chat
    return bed


async def hang() -> None:
    """Never answer."""
    await asyncio.Event().wait()


async def test_the_own_limit_holds_where_there_is_no_call(peer: Peer) -> None:
    """Background work has a request id of its own, a new one each time."""
    for _ in range(2):
        answer = await ask("inference", peer.stub.ProbeProvider, PROBE, timeout=7.0)
        assert isinstance(answer, provider_pb2.ProbeProviderResponse)
    for remaining in peer.remaining:
        assert remaining is not None
        assert 6.0 < remaining < 7.0 * ROUNDED
    ids = [str(metadata["x-request-id"]) for metadata in peer.metadata]
    assert all(each.startswith("req_") for each in ids)
    assert len(set(ids)) == 2
    assert all("traceparent" not in metadata for metadata in peer.metadata)


@pytest.mark.parametrize(("timeout", "most"), [(None, 60.0), (5.0, 5.0), (600.0, 60.0)])
async def test_the_nearer_deadline_is_passed_on(
    passing: Bed, peer: Peer, timeout: float | None, most: float
) -> None:
    """Ours, or what is left of the call that is being served."""
    await passing.stub.Chat(RIGHT, metadata=DORA, timeout=timeout)
    (remaining,) = peer.remaining
    assert remaining is not None
    assert most - 3 < remaining < most * ROUNDED


async def test_request_id_and_trace_are_passed_on(passing: Bed, peer: Peer) -> None:
    """And nothing else of the caller's: its token stays here."""
    metadata = bearer("dora", ("x-request-id", "mine"), ("traceparent", TRACE), ("x-other", "1"))
    await passing.stub.Chat(RIGHT, metadata=metadata, timeout=LIMIT_S)
    (seen,) = peer.metadata
    del seen["user-agent"]
    assert seen == {"x-request-id": "mine", "traceparent": TRACE}


async def test_the_peer_logs_the_same_request_id(
    passing: Bed, peer: Peer, logged: list[Any]
) -> None:
    """One search finds both lines; the inner one is for debugging."""
    await passing.stub.Chat(
        RIGHT, metadata=bearer("dora", ("x-request-id", "mine")), timeout=LIMIT_S
    )
    lines = {line["method"].rpartition("/")[2]: line for line in logged}
    assert lines["ProbeProvider"]["request_id"] == "mine"
    assert lines["ProbeProvider"]["principal"] == "catalog"


async def test_a_peer_that_is_away_is_named() -> None:
    """UNAVAILABLE, at once."""
    async with connect(Path("/nowhere/inference.sock")) as channel:
        stub = provider_pb2_grpc.ProviderServiceStub(channel)
        with pytest.raises(Unavailable) as failed:
            await ask("inference", stub.ProbeProvider, PROBE, timeout=LIMIT_S)
    assert failed.value.reason == "PEER_UNAVAILABLE"
    assert failed.value.metadata == {"peer": "inference"}


async def test_a_peer_that_does_not_answer_is_given_up(peer: Peer) -> None:
    """After the limit, as one that is away."""
    peer.answer = hang
    begun = time.monotonic()
    with pytest.raises(Unavailable) as failed:
        await ask("inference", peer.stub.ProbeProvider, PROBE, timeout=0.2)
    assert 0.2 <= time.monotonic() - begun < 3
    assert failed.value.reason == "PEER_UNAVAILABLE"


async def test_a_caller_is_told_which_peer_is_away(bed: Bed) -> None:
    """As the error of the method that it called, under its own request id."""
    async with connect(Path("/nowhere/inference.sock")) as channel:
        stub = provider_pb2_grpc.ProviderServiceStub(channel)

        async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
            await ask("inference", stub.ProbeProvider, PROBE, timeout=LIMIT_S)
            return chat_pb2.ChatResponse()

        bed.chats.chat = chat
        metadata = bearer("dora", ("x-request-id", "mine"))
        failure = await refused(bed.stub.Chat(RIGHT, metadata=metadata, timeout=LIMIT_S))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "PEER_UNAVAILABLE")
    assert failure.metadata == {"peer": "inference", "request_id": "mine"}


async def test_a_peers_refusal_that_nobody_expected_is_internal(passing: Bed, peer: Peer) -> None:
    """What it said is for the log; a caller has no use for another method's reasons."""

    async def fail() -> None:
        raise NotFound("PROVIDER_NOT_FOUND", "canary-peer")

    peer.answer = fail
    failure = await refused(passing.stub.Chat(RIGHT, metadata=DORA, timeout=LIMIT_S))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert b"canary" not in failure.status.SerializeToString()


async def test_an_error_of_the_peer_is_handed_on_whole(peer: Peer) -> None:
    """Reason and sentence at hand, everything else in the status."""

    async def fail() -> None:
        raise NotFound("PROVIDER_NOT_FOUND", "No such provider.", metadata={"provider": "x"})

    peer.answer = fail
    with pytest.raises(PeerRefused) as failed:
        await ask("inference", peer.stub.ProbeProvider, PROBE, timeout=LIMIT_S)
    assert (failed.value.reason, failed.value.message) == (
        "PROVIDER_NOT_FOUND",
        "No such provider.",
    )
    status = read_status(failed.value.error)
    assert status is not None
    info = error_info(status)
    assert info is not None
    assert info.metadata["provider"] == "x"


async def test_an_error_without_details_is_handed_on(peer: Peer) -> None:
    """Such as that of a request which is larger than the peer reads; its reason is empty."""
    large = provider_pb2.ProbeProviderRequest(base_url="x" * 2**21)
    with pytest.raises(PeerRefused) as failed:
        await ask("inference", peer.stub.ProbeProvider, large, timeout=LIMIT_S)
    assert failed.value.reason == ""
    assert failed.value.error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_call_that_ends_takes_its_question_with_it(passing: Bed, peer: Peer) -> None:
    """The peer stops working when nobody waits for it any more."""
    ended, begun = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        begun.set()
        try:
            await hang()
        finally:
            ended.set()

    peer.answer = wait
    call = passing.stub.Chat(RIGHT, metadata=DORA)
    async with asyncio.timeout(LIMIT_S):
        await begun.wait()
        call.cancel()
        await ended.wait()
