"""Chats as a client makes them: questions, what is read of an answer, and how it fails."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, TypeVar

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, message_pb2, result_pb2
from trunkline.kernel.status import find_detail, read_status

SERVICE = "/trunkline.inference.v1.InferenceService"
RUN_ID = "trunkline-run-id"

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True)
class Failure:
    """How a call failed.

    Attributes:
        code: its gRPC status.
        message: its sentence.
        reason: of its ErrorInfo; empty: it has none.
        metadata: of its ErrorInfo.
        status: the whole.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    metadata: dict[str, str]
    status: status_pb2.Status

    def detail(self, into: M) -> M | None:
        """Return the first detail of a message's type; None: there is none."""
        return find_detail(self.status.details, into)

    @property
    def attempts(self) -> list[result_pb2.Attempt]:
        """The attempts of its trail."""
        trail = self.detail(result_pb2.AttemptTrail())
        return list(trail.attempts) if trail is not None else []

    @property
    def fields(self) -> list[str]:
        """The fields that it calls wrong."""
        bad = self.detail(error_details_pb2.BadRequest())
        return [violation.field for violation in bad.field_violations] if bad is not None else []


@dataclass(slots=True)
class Reading:
    """What one reader got of a run.

    Attributes:
        events: in the order in which they came.
        raw: the same as bytes.
        failure: how it ended; None: with OK, or the reader left.
    """

    events: list[event_pb2.ChatEvent] = field(default_factory=list)
    raw: list[bytes] = field(default_factory=list)
    failure: Failure | None = None

    @property
    def sequences(self) -> list[int]:
        """The numbers of the events."""
        return [event.sequence for event in self.events]

    @property
    def kinds(self) -> list[str | None]:
        """The kinds of the events."""
        return [event.WhichOneof("kind") for event in self.events]

    @property
    def completed(self) -> result_pb2.Completed:
        """The answer; it must have come."""
        assert self.failure is None, self.failure
        assert self.events[-1].HasField("completed")
        return self.events[-1].completed

    @property
    def failed(self) -> Failure:
        """How it failed; it must have."""
        assert self.failure is not None
        return self.failure


def ask(model: str = "sandbox/ok", text: str = "Hello", **fields: Any) -> chat_pb2.ChatRequest:
    """Return a question of one sentence."""
    return chat_pb2.ChatRequest(model=model, messages=[say(text)], **fields)


def say(text: str, role: message_pb2.Role.ValueType = message_pb2.ROLE_USER) -> message_pb2.Message:
    """Return a message of one text."""
    return message_pb2.Message(role=role, content=[message_pb2.Part(text=text)])


def tool(name: str = "weather", **properties: str) -> message_pb2.Tool:
    """Return a tool whose arguments have properties of the given types."""
    made = message_pb2.Tool(name=name, description=f"Tells the {name}.")
    made.parameters.update(
        {
            "type": "object",
            "properties": {key: {"type": kind} for key, kind in properties.items()},
            "required": sorted(properties),
        }
    )
    return made


def limits(**seconds: float) -> chat_pb2.TimeLimits:
    """Return time limits, each in seconds."""
    return chat_pb2.TimeLimits(**{name: duration(value) for name, value in seconds.items()})


def leaving(grace_s: float) -> chat_pb2.DisconnectPolicy:
    """Return a policy that waits so long for a reader to come back."""
    return chat_pb2.DisconnectPolicy(grace=duration(grace_s))


def duration(seconds: float) -> Duration:
    """Return seconds as a protobuf duration."""
    made = Duration()
    made.FromNanoseconds(int(seconds * 1e9))
    return made


def stream(
    channel: grpc.aio.Channel,
    method: str,
    request: Message,
    metadata: Iterable[tuple[str, str]],
    timeout: float | None = None,
) -> grpc.aio.UnaryStreamCall[Any, bytes]:
    """Open a stream whose events come as the bytes that they are."""
    call: Any = channel.unary_stream(
        f"{SERVICE}/{method}", request_serializer=type(request).SerializeToString
    )
    opened: grpc.aio.UnaryStreamCall[Any, bytes] = call(
        request, metadata=tuple(metadata), timeout=timeout
    )
    return opened


async def read(call: grpc.aio.UnaryStreamCall[Any, bytes], count: int | None = None) -> Reading:
    """Read a stream to its end, or leave after some events.

    Args:
        call: as `stream` opens it.
        count: leave after so many events; None: stay.
    """
    reading = Reading()
    try:
        while count is None or len(reading.raw) < count:
            data: Any = await call.read()
            if data is grpc.aio.EOF:
                break
            reading.raw.append(data)
            reading.events.append(event_pb2.ChatEvent.FromString(data))
        else:
            call.cancel()
    except grpc.aio.AioRpcError as error:
        reading.failure = failure_of(error)
    return reading


def run_id_of(metadata: Any) -> str:
    """Return the run that a call's initial metadata name."""
    (run_id,) = [str(value) for key, value in metadata if key == RUN_ID]
    return run_id


async def refused(call: Any) -> Failure:
    """Return how a call fails; it must."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return failure_of(caught.value)


def failure_of(error: grpc.aio.AioRpcError) -> Failure:
    """Return how a call failed, as its client sees it."""
    status = read_status(error) or status_pb2.Status(
        code=error.code().value[0], message=error.details() or ""
    )
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    return Failure(
        error.code(),
        error.details() or "",
        info.reason if info is not None else "",
        dict(info.metadata) if info is not None else {},
        status,
    )


def kind_name(failure: failure_pb2.AttemptFailure) -> str:
    """Return the kind of a failure, without its prefix."""
    return failure_pb2.ErrorKind.Name(failure.kind).removeprefix("ERROR_KIND_")
