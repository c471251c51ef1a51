"""What a chat needs of a model, read from its request when it matters."""

from __future__ import annotations

from functools import cached_property
from typing import Final

from trunkline.inference.v1 import chat_pb2

# English has about a quarter of its bytes as tokens, and what has less than an eighth is no text.
_MOST_BYTES_PER_TOKEN: Final = 8


class ChatNeeds:
    """The needs of one request; see `planning.needs.Needs`.

    Args:
        request: that was checked.
    """

    def __init__(self, request: chat_pb2.ChatRequest) -> None:
        self._request = request

    @cached_property
    def vision(self) -> bool:
        """Images in the prompt."""
        return self._holds("image")

    @cached_property
    def documents(self) -> bool:
        """Documents in the prompt."""
        return self._holds("document")

    @property
    def tools(self) -> bool:
        """Tool calls."""
        return bool(self._request.tools)

    @property
    def structured_output(self) -> bool:
        """A schema for the answer."""
        return self._request.response_format.HasField("json_schema")

    @property
    def thinking(self) -> bool:
        """Thinking, asked for in words."""
        effort = self._request.reasoning.effort
        return bool(effort and effort != "none") or self._request.reasoning.budget_tokens > 0

    @cached_property
    def least_tokens(self) -> int:
        """Tokens that the prompt has at the very least; images and documents count nothing."""
        size = sum(message.ByteSize() for message in self._request.messages)
        size += sum(tool.ByteSize() for tool in self._request.tools)
        for message in self._request.messages:
            for part in message.content:
                if part.HasField("image") or part.HasField("document"):
                    size -= part.ByteSize()
                for inner in part.tool_result.content if part.HasField("tool_result") else ():
                    if inner.HasField("image") or inner.HasField("document"):
                        size -= inner.ByteSize()
        return size // _MOST_BYTES_PER_TOKEN

    def _holds(self, kind: str) -> bool:
        """Tell whether a part of a kind stands anywhere in the transcript."""
        return any(
            part.WhichOneof("kind") == kind
            or any(inner.WhichOneof("kind") == kind for inner in part.tool_result.content)
            for message in self._request.messages
            for part in message.content
        )
