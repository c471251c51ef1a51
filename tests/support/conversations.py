"""Tool loops as a client holds them: what it says, what it hears, and how it leaves."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, TypeAlias

import grpc

from support.chats import SERVICE, Failure, ask, duration, failure_of, tool
from support.deployment import Metadata
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2, run_pb2

Durability: TypeAlias = chat_pb2.Durability.ValueType

_LIMIT_S = 20.0


class Talk:
    """One Converse call.

    Args:
        channel: to inference.
        metadata: of the call.
        first: what is said first; None: nothing is said by itself.

    Attributes:
        events: that came, in their order.
        raw: the same as bytes, by their numbers.
        failure: how it ended; None: with OK, or it has not.
    """

    def __init__(
        self, channel: grpc.aio.Channel, metadata: Metadata, first: run_pb2.ConverseRequest | None
    ) -> None:
        both: Any = channel.stream_stream(
            f"{SERVICE}/Converse", request_serializer=run_pb2.ConverseRequest.SerializeToString
        )
        self.call = both(metadata=metadata)
        self.events: list[event_pb2.ChatEvent] = []
        self.raw: dict[int, bytes] = {}
        self.failure: Failure | None = None
        self._first = first

    @property
    def kinds(self) -> list[str | None]:
        """The kinds of the events."""
        return [event.WhichOneof("kind") for event in self.events]

    @property
    def run_id(self) -> str:
        """The run; its first event must have come."""
        return self.events[0].run_started.run_id

    @property
    def completed(self) -> result_pb2.Completed:
        """The answer; it must have come."""
        assert self.failure is None, self.failure
        assert self.events[-1].HasField("completed"), self.kinds
        return self.events[-1].completed

    @property
    def failed(self) -> Failure:
        """How it failed; it must have."""
        assert self.failure is not None, self.kinds
        return self.failure

    async def begin(self) -> None:
        """Say what is said first."""
        if self._first is not None:
            await self.say(self._first)

    async def say(self, request: run_pb2.ConverseRequest) -> None:
        """Say something."""
        await self.call.write(request)

    async def answer(self, call_id: str, text: str = "sunny", *, is_error: bool = False) -> None:
        """Give the result of a call."""
        await self.say(answer_to(call_id, text, is_error=is_error))

    async def end(self) -> None:
        """Say that no more results come."""
        await self.say(run_pb2.ConverseRequest(end=run_pb2.ConverseEnd()))

    async def hear(self) -> event_pb2.ChatEvent | None:
        """Return the next event; None: there is none any more."""
        try:
            async with asyncio.timeout(_LIMIT_S):
                data = await self.call.read()
        except grpc.aio.AioRpcError as error:
            self.failure = failure_of(error)
            return None
        if data is grpc.aio.EOF:
            return None
        event = event_pb2.ChatEvent.FromString(data)
        self.events.append(event)
        self.raw[event.sequence] = data
        return event

    async def until(self, *kinds: str) -> event_pb2.ChatEvent:
        """Return the next event of one of some kinds; it must come."""
        while (event := await self.hear()) is not None:
            if event.WhichOneof("kind") in kinds:
                return event
        raise AssertionError(f"no {kinds} came: {self.kinds} {self.failure}")

    async def turn(self) -> list[str]:
        """Return the calls that the next turn ends with; it must end with some."""
        event = await self.until("turn_completed")
        return list(event.turn_completed.pending_call_ids)

    async def rest(self) -> None:
        """Hear all that comes."""
        while await self.hear() is not None:
            pass

    def leave(self) -> None:
        """Go away without a word."""
        self.call.cancel()


@asynccontextmanager
async def talking(
    channel: grpc.aio.Channel, metadata: Metadata, first: run_pb2.ConverseRequest | None
) -> AsyncIterator[Talk]:
    """Hold a conversation; whoever is left when it ends has left."""
    talk = Talk(channel, metadata, first)
    try:
        await talk.begin()
        yield talk
    finally:
        talk.leave()


def starting(
    model: str,
    *,
    max_turns: int = 0,
    max_parallel_calls: int = 0,
    tool_timeout_s: float = 0.0,
    **fields: Any,
) -> run_pb2.ConverseRequest:
    """Return how a loop with two tools begins.

    Args:
        model: as the sandbox calls it, or with its provider.
        max_turns, max_parallel_calls: 0: as the deployment has it.
        tool_timeout_s: 0: as the deployment has it.
        fields: of the chat.
    """
    tools = [tool("weather", city="string"), tool("time", hours="integer")]
    name = model if "/" in model else f"sandbox/{model}"
    chat: chat_pb2.ChatRequest = ask(name, tools=tools, **fields)
    start = run_pb2.ConverseStart(
        chat=chat, max_turns=max_turns, max_parallel_calls=max_parallel_calls
    )
    if tool_timeout_s:
        start.tool_timeout.CopyFrom(duration(tool_timeout_s))
    return run_pb2.ConverseRequest(start=start)


def attaching(run_id: str, after: int = 0, on_behalf_of: str = "") -> run_pb2.ConverseRequest:
    """Return how somebody comes back to a loop."""
    return run_pb2.ConverseRequest(
        attach=run_pb2.ResumeChatRequest(
            run_id=run_id, after_sequence=after, on_behalf_of=on_behalf_of
        )
    )


def answer_to(call_id: str, text: str, *, is_error: bool = False) -> run_pb2.ConverseRequest:
    """Return the result of a call."""
    return run_pb2.ConverseRequest(
        tool_result=message_pb2.ToolResult(
            call_id=call_id, content=[message_pb2.Part(text=text)], is_error=is_error
        )
    )


def text_of(message: message_pb2.Message) -> str:
    """Return the text of a message."""
    return "".join(part.text for part in message.content)
