"""Pair calls with their results, for formats that want them next to each other.

A transcript may have the result of a call anywhere after it, or not at all. Vendors want all
results of a turn right after its calls and before anything else
(https://platform.openai.com/docs/guides/function-calling, https://ai.google.dev/api/caching#Content).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from trunkline.inference.adapters.losses import Losses
from trunkline.inference.v1 import message_pb2

NO_RESULT: Final = "No result came."
"""What is sent for a result that does not exist."""

_UNANSWERED: Final = "Every call needs a result; one that says that there is none is sent."
_MOVED: Final = "Results must follow their calls at once; it is sent there."


@dataclass(frozen=True, slots=True)
class Found:
    """The result of a call, somewhere in a transcript.

    Attributes:
        index: of its message.
        path: of its part.
        part: that holds it.
    """

    index: int
    path: str
    part: message_pb2.Part


class Pairing:
    """The calls of a transcript that wait for their results.

    Args:
        messages: a transcript that has passed its checks.
        losses: takes what is moved, or is not there.
    """

    __slots__ = ("_losses", "_messages", "_results", "_waiting")

    def __init__(self, messages: Sequence[message_pb2.Message], losses: Losses) -> None:
        self._messages = messages
        self._losses = losses
        self._waiting: list[tuple[str, message_pb2.ToolCall]] = []
        self._results = {
            part.tool_result.call_id: Found(index, f"messages[{index}].content[{position}]", part)
            for index, message in enumerate(messages)
            if message.role == message_pb2.ROLE_TOOL
            for position, part in enumerate(message.content[:])
        }

    @property
    def waits(self) -> bool:
        """Whether a call has no result yet."""
        return bool(self._waiting)

    def call(self, path: str, call: message_pb2.ToolCall) -> None:
        """Take in a call.

        Args:
            path: of the part that holds it.
            call: that waits from now on.
        """
        self._waiting.append((path, call))

    def answer(self, index: int) -> Iterator[tuple[message_pb2.ToolCall, Found | None]]:
        """Yield the calls that wait, in their order, each with its result; None: there is none.

        Args:
            index: of the message after the calls.
        """
        end = index
        while end < len(self._messages) and self._messages[end].role == message_pb2.ROLE_TOOL:
            end += 1
        waiting, self._waiting = self._waiting, []
        for path, call in waiting:
            found = self._results.get(call.id)
            if found is None:
                self._losses.translated(f"{path}.tool_call", _UNANSWERED)
            elif not index <= found.index < end:
                self._losses.translated(f"{found.path}.tool_result", _MOVED)
            yield call, found
