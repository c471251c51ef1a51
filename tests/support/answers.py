"""Whole answers of a deployment, and what stands in them."""

from __future__ import annotations

from support.chats import read, stream
from support.deployment import Deployment
from support.folding import fold
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

_LIMIT_S = 20.0


async def answer(
    deployment: Deployment, request: chat_pb2.ChatRequest, *, streamed: bool
) -> result_pb2.Completed:
    """Ask; return the answer, which the events of a stream must fold to."""
    if not streamed:
        response = await deployment.inference.Chat(
            request, metadata=deployment.admin, timeout=_LIMIT_S
        )
        return response.completed
    reading = await read(
        stream(deployment.channel, "StreamChat", request, deployment.admin, timeout=_LIMIT_S)
    )
    completed = reading.completed
    assert fold(reading.events) == completed.message
    assert reading.sequences == list(range(1, len(reading.events) + 1))
    return completed


def text_of(completed: result_pb2.Completed) -> str:
    """Return an answer's text."""
    return "".join(part.text for part in completed.message.content)


def calls_of(completed: result_pb2.Completed) -> list[message_pb2.ToolCall]:
    """Return an answer's tool calls."""
    return [part.tool_call for part in completed.message.content if part.HasField("tool_call")]


def result_of(call: message_pb2.ToolCall, text: str) -> message_pb2.Message:
    """Return the message that answers a tool call."""
    result = message_pb2.ToolResult(call_id=call.id, content=[message_pb2.Part(text=text)])
    part = message_pb2.Part(tool_result=result)
    return message_pb2.Message(role=message_pb2.ROLE_TOOL, content=[part])
