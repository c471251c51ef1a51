"""The steps around every call: in which order, and what each asks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2

from integration.kernel.listening import (
    ANN,
    DEVELOPER,
    DORA,
    LIMIT_S,
    Bed,
    Tokens,
    bearer,
    eventually,
    failure_of,
    listening,
    refused,
    told,
)
from trunkline.inference.v1 import chat_pb2, event_pb2
from trunkline.kernel.call import Call, Caller, current_call, current_caller
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.policy import MethodPolicy
from trunkline.options.v1 import options_pb2

CHAT = "trunkline.inference.v1.InferenceService/Chat"
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
WRONG = chat_pb2.ChatRequest(model="no slash")
RIGHT = chat_pb2.ChatRequest(model="sandbox/ok")


async def line(logged: list[Any]) -> dict[str, Any]:
    """Return the only line of a call."""
    (only,) = await told(logged)
    return dict(only)


async def test_a_call_that_is_allowed_is_answered(bed: Bed, logged: list[Any]) -> None:
    """With one line: who called what, how it ended, how long it took, and nothing else."""
    answer = await bed.stub.Chat(RIGHT, metadata=(*DORA, ("x-request-id", "mine")), timeout=LIMIT_S)
    assert answer.run_id == "run_1"
    facts = await line(logged)
    assert 0 <= facts.pop("ms") < LIMIT_S * 1000
    assert facts == {
        "event": "call",
        "source": "trunkline.call",
        "log_level": "info",
        "method": CHAT,
        "code": "OK",
        "principal": "dora",
        "request_id": "mine",
    }


async def test_a_servicer_knows_its_call(bed: Bed) -> None:
    """Caller, request id, trace and what is left of the deadline; unary and stream."""
    seen: list[tuple[Call | None, Caller]] = []

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        seen.append((current_call(), current_caller()))
        return chat_pb2.ChatResponse()

    async def stream(request: Any, context: Any) -> Any:
        seen.append((current_call(), current_caller()))
        yield event_pb2.ChatEvent(sequence=1)

    bed.chats.chat, bed.chats.stream = chat, stream
    metadata = bearer("dora", ("x-request-id", "mine"), ("traceparent", TRACE))
    await bed.stub.Chat(RIGHT, metadata=metadata, timeout=60)
    assert [e.sequence async for e in bed.stub.StreamChat(RIGHT, metadata=metadata)] == [1]
    (unary, first), (streamed, second) = seen
    assert unary is not None
    assert streamed is not None
    assert first == second == bed.tokens.callers["dora"]
    assert (unary.request_id, unary.trace_parent, unary.method) == ("mine", TRACE, CHAT)
    assert unary.deadline is not None
    assert streamed.deadline is None
    assert unary is not streamed


@pytest.mark.parametrize("given", ["mine", None, "not good"])
async def test_the_request_id_comes_back_with_an_error(
    bed: Bed, logged: list[Any], given: str | None
) -> None:
    """The caller's, or one that was minted, and it is the one in the log."""
    more = (("x-request-id", given),) if given else ()
    failure = await refused(bed.stub.Chat(WRONG, metadata=(*DORA, *more), timeout=LIMIT_S))
    known = failure.metadata["request_id"]
    assert known == given if given == "mine" else known.startswith("req_")
    facts = await line(logged)
    assert (facts["request_id"], facts["code"]) == (known, "INVALID_ARGUMENT")


async def test_a_call_without_a_token_is_refused(bed: Bed, logged: list[Any]) -> None:
    """And nobody is named in its line."""
    failure = await refused(bed.stub.Chat(RIGHT, timeout=LIMIT_S))
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert (failure.reason, failure.domain) == ("TOKEN_MISSING", "trunkline.inference")
    assert (await line(logged))["principal"] is None
    assert bed.tokens.asked == []


async def test_an_unknown_token_is_refused_and_not_shown(bed: Bed, logged: list[Any]) -> None:
    """Neither in the status nor in the log."""
    failure = await refused(bed.stub.Chat(RIGHT, metadata=bearer("canary-5x"), timeout=LIMIT_S))
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert failure.reason == "TOKEN_INVALID"
    assert "canary-5x" not in repr((failure, await line(logged)))


async def test_a_role_that_a_method_does_not_name_is_refused(bed: Bed) -> None:
    """The metadata tell the method and the role."""
    bed.tokens.callers["sam"] = Caller(options_pb2.CALLER_ROLE_SERVICE, "sam", "tok_sam")
    failure = await refused(bed.stub.Chat(RIGHT, metadata=bearer("sam"), timeout=LIMIT_S))
    assert failure.code is grpc.StatusCode.PERMISSION_DENIED
    assert failure.reason == "CALLER_NOT_ALLOWED"
    del failure.metadata["request_id"]
    assert failure.metadata == {"method": CHAT, "role": "SERVICE"}


async def test_every_wrong_field_is_named(bed: Bed) -> None:
    """By its path, in BadRequest; the servicer never sees the request."""
    called: list[Any] = []

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        called.append(request)
        return chat_pb2.ChatResponse()

    bed.chats.chat = chat
    request = chat_pb2.ChatRequest(model="a/b", fallbacks=["c/d", "?"])
    request.sampling.top_p = 2
    failure = await refused(bed.stub.Chat(request, metadata=DORA, timeout=LIMIT_S))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "INVALID_REQUEST"
    wrong = failure.detail(error_details_pb2.BadRequest())
    assert {each.field for each in wrong.field_violations} == {"fallbacks[1]", "sampling.top_p"}
    assert called == []


@pytest.mark.parametrize("method", ["Chat", "StreamChat"])
async def test_bytes_that_are_no_request_are_refused(bed: Bed, method: str) -> None:
    """Like every other wrong request; gRPC itself would answer UNKNOWN and log a traceback."""
    path = f"/trunkline.inference.v1.InferenceService/{method}"
    call: Any
    if method == "Chat":
        call = bed.channel.unary_unary(path)(b"\xff\xff", metadata=DORA, timeout=LIMIT_S)
    else:
        call = bed.channel.unary_stream(path)(b"\xff\xff", metadata=DORA, timeout=LIMIT_S)
    failure = await refused(call)
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "INVALID_REQUEST"


async def test_who_comes_before_may_before_bounds_before_admission() -> None:
    """Each refusal tells nothing that a later step knows."""
    async with listening(max_calls=1) as bed:
        entered, leave = asyncio.Event(), asyncio.Event()

        async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
            entered.set()
            await leave.wait()
            return chat_pb2.ChatResponse()

        bed.chats.chat = chat
        first = asyncio.ensure_future(bed.stub.Chat(RIGHT, metadata=DORA, timeout=LIMIT_S))
        await entered.wait()
        bed.tokens.callers["sam"] = Caller(options_pb2.CALLER_ROLE_SERVICE, "sam")
        sam = bearer("sam")
        order = []
        for request, metadata in ((WRONG, ()), (WRONG, sam), (WRONG, DORA), (RIGHT, DORA)):
            failure = await refused(bed.stub.Chat(request, metadata=metadata, timeout=LIMIT_S))
            order.append(failure.reason)
        leave.set()
        await first
    assert order == ["TOKEN_MISSING", "CALLER_NOT_ALLOWED", "INVALID_REQUEST", "LIMIT_REACHED"]


async def test_bytes_of_strangers_are_not_read(bed: Bed) -> None:
    """Who calls is asked before the request is parsed."""
    path = "/trunkline.inference.v1.InferenceService/Chat"
    failure = await refused(bed.channel.unary_unary(path)(b"\xff\xff", timeout=LIMIT_S))
    assert failure.reason == "TOKEN_MISSING"


async def test_one_call_too_many_is_told_to_wait() -> None:
    """The limit is in the metadata; when a call is over, its place is free."""
    async with listening(max_calls=2) as bed:
        leave = asyncio.Event()

        async def stream(request: Any, context: Any) -> Any:
            yield event_pb2.ChatEvent(sequence=1)
            await leave.wait()

        bed.chats.stream = stream
        calls = [bed.stub.StreamChat(RIGHT, metadata=metadata) for metadata in (DORA, ANN)]
        for call in calls:
            await call.read()
        assert bed.interceptor.calls == 2
        for refusal in (
            bed.stub.Chat(RIGHT, metadata=ANN, timeout=LIMIT_S),
            bed.stub.StreamChat(RIGHT, metadata=ANN, timeout=LIMIT_S),
        ):
            failure = await refused(refusal)
            assert failure.code is grpc.StatusCode.RESOURCE_EXHAUSTED
            assert failure.reason == "LIMIT_REACHED"
            del failure.metadata["request_id"]
            assert failure.metadata == {"limit": "2", "subject": "deployment"}
            assert failure.detail(error_details_pb2.RetryInfo()).retry_delay.seconds == 1
        leave.set()
        for call in calls:
            assert await call.code() is grpc.StatusCode.OK
        await eventually(lambda: bed.interceptor.calls == 0)
        assert (await bed.stub.Chat(RIGHT, metadata=ANN, timeout=LIMIT_S)).run_id == "run_1"


async def test_strangers_cannot_take_the_places_of_callers() -> None:
    """Health can be watched by anybody; its watchers are counted by themselves."""
    async with listening(max_calls=3) as bed:
        watchers = [bed.health.Watch(health_pb2.HealthCheckRequest()) for _ in range(3)]
        for watcher in watchers:
            await watcher.read()
        failure = await refused(bed.health.Check(health_pb2.HealthCheckRequest(), timeout=LIMIT_S))
        assert failure.reason == "LIMIT_REACHED"
        assert (await bed.stub.Chat(RIGHT, metadata=DORA, timeout=LIMIT_S)).run_id == "run_1"
        for watcher in watchers:
            watcher.cancel()
        await eventually(lambda: bed.interceptor.calls == 0)


async def test_new_calls_are_refused_while_the_service_drains(bed: Bed) -> None:
    """At once elsewhere: RetryInfo 0; those under way go on, and strangers learn nothing."""
    entered, leave = asyncio.Event(), asyncio.Event()

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        entered.set()
        await leave.wait()
        return chat_pb2.ChatResponse(run_id="run_old")

    bed.chats.chat = chat
    first = asyncio.ensure_future(bed.stub.Chat(RIGHT, metadata=DORA, timeout=LIMIT_S))
    await entered.wait()
    await bed.listener.drain()
    failure = await refused(bed.stub.Chat(RIGHT, metadata=DORA, timeout=LIMIT_S))
    assert (failure.code, failure.reason) == (grpc.StatusCode.UNAVAILABLE, "NOT_SERVING")
    delay = failure.detail(error_details_pb2.RetryInfo()).retry_delay
    assert (delay.seconds, delay.nanos) == (0, 0)
    stranger = await refused(bed.stub.Chat(RIGHT, timeout=LIMIT_S))
    assert stranger.reason == "TOKEN_MISSING"
    leave.set()
    assert (await first).run_id == "run_old"


async def test_a_stream_of_requests_is_read_one_by_one() -> None:
    """Each is held to its bounds when the servicer asks for it; those before it were served."""
    interceptor = Interceptor(authenticator=Tokens())
    policy = MethodPolicy("p.v1.S/Talk", "p", frozenset({DEVELOPER}), has_bounds=True)

    async def talk(requests: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        async for request in requests:
            yield event_pb2.ChatEvent(sequence=len(request.model))

    handler: Any = interceptor.wrap_stream(
        policy, talk, chat_pb2.ChatRequest.FromString, many_requests=True
    )
    server = grpc.aio.server()
    server.add_generic_rpc_handlers(
        (
            grpc.method_handlers_generic_handler(
                "p.v1.S", {"Talk": grpc.stream_stream_rpc_method_handler(handler)}
            ),
        )
    )
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    raw: Any = grpc.aio.insecure_channel(f"127.0.0.1:{port}")
    async with raw as channel:
        for wrong in (WRONG.SerializeToString(), b"\xff\xff"):
            call = channel.stream_stream("/p.v1.S/Talk")(metadata=DORA, timeout=LIMIT_S)
            await call.write(RIGHT.SerializeToString())
            first = event_pb2.ChatEvent.FromString(await call.read())
            assert first.sequence == len(RIGHT.model)
            await call.write(wrong)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await call.read()
            failure = failure_of(caught.value)
            assert (failure.code, failure.reason) == (
                grpc.StatusCode.INVALID_ARGUMENT,
                "INVALID_REQUEST",
            )
            assert failure.domain == "p"
    await server.stop(0)
    assert interceptor.calls == 0
