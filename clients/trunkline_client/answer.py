"""A whole answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trunkline.inference.v1 import message_pb2, result_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer: nothing of it is missing, and nothing stands in it twice.

    Attributes:
        run_id: of the run that gave it.
        completed: the contract's `Completed`: finish reason, cost, losses and more.
        message: the answer, good to be appended to the transcript as it is.
    """

    run_id: str
    completed: result_pb2.Completed
    message: message_pb2.Message

    @property
    def text(self) -> str:
        """Return its text alone."""
        return "".join(part.text for part in self.message.content)

    @property
    def tool_calls(self) -> list[message_pb2.ToolCall]:
        """Return the tool calls that it asks for."""
        return [part.tool_call for part in self.message.content if part.HasField("tool_call")]

    @property
    def usage(self) -> result_pb2.Usage:
        """Return the tokens of all attempts together."""
        return self.completed.usage

    @property
    def attempts(self) -> Sequence[result_pb2.Attempt]:
        """Return every attempt, in order of their start."""
        return self.completed.attempts

    @property
    def model(self) -> str:
        """Return the `provider/model` that gave the last of it."""
        return self.completed.model
