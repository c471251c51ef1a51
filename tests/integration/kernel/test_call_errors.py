"""What goes wrong in a servicer, as its caller is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.rpc import code_pb2, error_details_pb2, status_pb2

from integration.kernel.listening import DORA, LIMIT_S, Bed, bearer, refused, told
from trunkline.inference.v1 import chat_pb2, event_pb2
from trunkline.kernel import errors
from trunkline.kernel.errors import Ended, InvalidArgument, TrunklineError, Violation
from trunkline.kernel.status import to_status

RIGHT = chat_pb2.ChatRequest(model="sandbox/ok")
METHODS = pytest.mark.parametrize("method", ["unary", "stream", "stream-after-a-message"])


def call(bed: Bed, method: str, failure: BaseException, metadata: Any = DORA) -> Any:
    """Begin a call that fails: in place of its answer, at once, or after its first message."""

    async def chat(request: Any, context: Any) -> chat_pb2.ChatResponse:
        await asyncio.sleep(0)
        raise failure

    async def stream(request: Any, context: Any) -> AsyncIterator[event_pb2.ChatEvent]:
        if method == "stream-after-a-message":
            yield event_pb2.ChatEvent(sequence=1)
        raise failure

    bed.chats.chat, bed.chats.stream = chat, stream
    if method == "unary":
        return bed.stub.Chat(RIGHT, metadata=metadata, timeout=LIMIT_S)
    return bed.stub.StreamChat(RIGHT, metadata=metadata, timeout=LIMIT_S)


@pytest.mark.parametrize("kind", [TrunklineError, *TrunklineError.__subclasses__()])
@METHODS
async def test_an_error_is_told_with_all_it_knows(
    bed: Bed, logged: list[Any], method: str, kind: type[TrunklineError]
) -> None:
    """Code, sentence, reason, domain, metadata, wait and typed details; and one line."""
    failure = await refused(
        call(
            bed,
            method,
            kind(
                "SOME_REASON",
                "It went wrong – so.",
                metadata={"model": "a/b"},
                retry_after=timedelta(seconds=2.5),
                details=(Duration(seconds=7),),
            ),
            bearer("dora", ("x-request-id", "mine")),
        )
    )
    assert failure.code.value[0] == kind.code
    assert failure.message == "It went wrong – so."
    assert (failure.reason, failure.domain) == ("SOME_REASON", "trunkline.inference")
    assert failure.metadata == {"request_id": "mine", "model": "a/b"}
    assert failure.detail(error_details_pb2.RetryInfo()).retry_delay.ToTimedelta() == timedelta(
        seconds=2.5
    )
    assert failure.detail(Duration()).seconds == 7
    assert [line["event"] for line in await told(logged)] == ["call"]
    assert logged[0]["code"] == code_pb2.Code.Name(kind.code)


async def test_a_domains_violations_are_named(bed: Bed) -> None:
    """At most sixteen, the others counted."""
    wrong = InvalidArgument.of(*(Violation(f"messages[{n}].text", "no") for n in range(20)))
    failure = await refused(call(bed, "stream", wrong))
    named = failure.detail(error_details_pb2.BadRequest()).field_violations
    assert [each.field for each in named] == [f"messages[{n}].text" for n in range(16)]
    assert failure.metadata["omitted"] == "4"


@METHODS
async def test_hostile_lengths_arrive_whole(bed: Bed, method: str) -> None:
    """Every time: gRPC's clients lose a status that is too large at random."""
    text = "\N{GRINNING FACE}\n%é" * 1000
    error = InvalidArgument(
        "SOME_REASON",
        text,
        metadata={f"key{number}": text for number in range(20)},
        retry_after=timedelta(seconds=1),
        violations=tuple(Violation(text, text) for _ in range(100)),
        details=(error_details_pb2.DebugInfo(detail=text),),
    )
    for _ in range(30):
        failure = await refused(call(bed, method, error))
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.reason == "SOME_REASON"
        assert failure.status.ByteSize() < 6 * 1024
        named = failure.detail(error_details_pb2.BadRequest()).field_violations
        assert int(failure.metadata["omitted"]) == 100 - len(named)


@METHODS
async def test_an_unexpected_exception_is_internal(
    bed: Bed, logged: list[Any], method: str
) -> None:
    """A fixed sentence with the request id; what it says itself is in the log, once."""
    failure = await refused(
        call(
            bed, method, RuntimeError("canary-secret-41"), bearer("dora", ("x-request-id", "mine"))
        )
    )
    assert failure.code is grpc.StatusCode.INTERNAL
    assert failure.message == "Something failed here; the log has it under mine."
    assert failure.reason == "INTERNAL"
    assert failure.metadata == {"request_id": "mine"}
    assert b"canary" not in failure.status.SerializeToString()
    unexpected, last = await told(logged)
    assert unexpected["event"] == "call_failed_unexpectedly"
    assert (unexpected["log_level"], unexpected["request_id"]) == ("error", "mine")
    assert "canary-secret-41" in str(unexpected["exc_info"])
    assert (last["event"], last["code"]) == ("call", "INTERNAL")


@METHODS
async def test_several_exceptions_at_once_are_internal(
    bed: Bed, logged: list[Any], method: str
) -> None:
    """A task group's too."""
    failure = await refused(
        call(bed, method, ExceptionGroup("canary", [ValueError("a"), KeyError("b")]))
    )
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert b"canary" not in failure.status.SerializeToString()
    assert [line["event"] for line in await told(logged)] == ["call_failed_unexpectedly", "call"]


@METHODS
async def test_the_end_of_a_run_is_told_as_it_was_stored(
    bed: Bed, logged: list[Any], method: str
) -> None:
    """Byte by byte, with the request id of the call that began the run."""
    stored = to_status(
        errors.Aborted("CONTINUATION_NOT_ALLOWED", "It broke off.", metadata={"run_id": "run_1"}),
        domain="trunkline.inference",
        request_id="req_first",
    )
    failure = await refused(
        call(bed, method, Ended(stored), bearer("dora", ("x-request-id", "second")))
    )
    assert failure.status == stored
    assert failure.metadata["request_id"] == "req_first"
    assert [(line["code"], line["request_id"]) for line in await told(logged)] == [
        ("ABORTED", "second")
    ]


async def test_a_status_without_details_is_told_too(bed: Bed) -> None:
    """A stored end needs no ErrorInfo to be an end."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(bed, "unary", Ended(status_pb2.Status(code=code_pb2.CANCELLED, message="so")))
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.CANCELLED, "so")


@pytest.mark.parametrize("answer", [None, "text", object()])
@pytest.mark.parametrize("method", ["unary", "stream"])
async def test_an_answer_that_is_no_message_is_internal(
    bed: Bed, logged: list[Any], method: str, answer: Any
) -> None:
    """gRPC itself would answer UNKNOWN with the text of the exception."""

    async def chat(request: Any, context: Any) -> Any:
        return answer

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        yield answer

    bed.chats.chat, bed.chats.stream = chat, stream
    begin = bed.stub.Chat if method == "unary" else bed.stub.StreamChat
    failure = await refused(begin(RIGHT, metadata=DORA, timeout=LIMIT_S))
    assert (failure.code, failure.reason) == (grpc.StatusCode.INTERNAL, "INTERNAL")
    assert [line["event"] for line in await told(logged)] == ["call_failed_unexpectedly", "call"]


async def test_bytes_are_sent_as_they_are(bed: Bed) -> None:
    """A journal's events are serialised already."""

    async def stream(request: Any, context: Any) -> AsyncIterator[bytes]:
        yield event_pb2.ChatEvent(sequence=41).SerializeToString()

    bed.chats.stream = stream
    events = bed.stub.StreamChat(RIGHT, metadata=DORA, timeout=LIMIT_S)
    assert [event.sequence async for event in events] == [41]


@pytest.mark.parametrize("method", ["unary", "stream"])
async def test_a_servicer_that_speaks_to_grpc_itself_is_heard(
    bed: Bed, logged: list[Any], method: str
) -> None:
    """Its status goes out, and its line names it; other contracts' servicers do this."""

    async def chat(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.NOT_FOUND, "not here")

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        await context.abort(grpc.StatusCode.NOT_FOUND, "not here")
        yield event_pb2.ChatEvent()

    bed.chats.chat, bed.chats.stream = chat, stream
    begin = bed.stub.Chat if method == "unary" else bed.stub.StreamChat
    caught = begin(RIGHT, metadata=DORA, timeout=LIMIT_S)
    assert await caught.code() is grpc.StatusCode.NOT_FOUND
    assert await caught.details() == "not here"
    assert [(line["event"], line["code"]) for line in await told(logged)] == [("call", "NOT_FOUND")]


async def test_initial_metadata_go_out_before_the_error(bed: Bed) -> None:
    """A run's id is known even when the run fails."""

    async def stream(request: Any, context: Any) -> AsyncIterator[Any]:
        await context.send_initial_metadata((("trunkline-run-id", "run_1"),))
        if request.model:
            raise errors.Unavailable("NO_FALLBACK", "It failed.")
        yield event_pb2.ChatEvent()

    bed.chats.stream = stream
    begun = bed.stub.StreamChat(RIGHT, metadata=DORA, timeout=LIMIT_S)
    assert ("trunkline-run-id", "run_1") in tuple(await begun.initial_metadata())
    assert (await refused(begun)).reason == "NO_FALLBACK"
