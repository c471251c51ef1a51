"""What can be seen of a run while it is read, in both worlds."""

from __future__ import annotations

from typing import Generic, TypeVar

from trunkline.inference.v1 import message_pb2
from trunkline_client.answer import Answer
from trunkline_client.reading import LoopReading, Reading

R = TypeVar("R", bound=Reading)


class View(Generic[R]):
    """A run, as far as it has been read.

    Args:
        reading: of the run.
    """

    def __init__(self, reading: R) -> None:
        self._reading = reading

    @property
    def run_id(self) -> str:
        """The run, `run_…`; empty until the server has told it."""
        return self._reading.run_id

    @property
    def last_sequence(self) -> int:
        """The number of the last event that was read."""
        return self._reading.last_sequence

    @property
    def message(self) -> message_pb2.Message:
        """The message so far, of what is not void."""
        return self._reading.message

    @property
    def text(self) -> str:
        """Its text alone."""
        return self._reading.text

    @property
    def completed(self) -> Answer | None:
        """The whole answer, once its last event was read; None: it was not, yet."""
        return self._reading.answer() if self._reading.completed is not None else None


class LoopView(View[LoopReading]):
    """A tool loop, as far as it has been read."""

    @property
    def transcript(self) -> list[message_pb2.Message]:
        """What the loop added to the messages so far: the model's, and the tools' results."""
        return self._reading.transcript
