"""One run as its reader goes through it: what to call, what is new, where to go on.

Knows no socket and no clock. The clients of both worlds, with and without asyncio, are thin
drivers of these classes: they open the calls that are named here, hand over what comes, and
wait as long as they are told. So whatever decides about a chat is written and tested once,
neither world stands on a thread of the other, and a driver has nothing left to decide.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from typing import Final

import grpc

from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2, run_pb2
from trunkline_client.answer import Answer
from trunkline_client.errors import (
    CallTimedOut,
    DamagedStream,
    IncompleteStream,
    SequenceGap,
    TrunklineError,
)
from trunkline_client.event import Event
from trunkline_client.fold import Fold
from trunkline_client.resumption import Budget
from trunkline_client.tool import Toolbox

_RUN_ID: Final = "trunkline-run-id"


def find_run_id(metadata: Iterable[tuple[str, str | bytes]] | None) -> str:
    """Return the run that a call's initial metadata name; empty: none."""
    return next((str(value) for key, value in metadata or () if key == _RUN_ID), "")


class Reading:
    """One run, as far as it has been read.

    Args:
        budget: for coming back.
        deadline_s: when the caller's time is over, by the driver's clock.
        request: begins the run; it carries an idempotency key. None: it has begun.
        resume: the rest of that run instead.
    """

    def __init__(
        self,
        budget: Budget,
        deadline_s: float,
        request: chat_pb2.ChatRequest | None = None,
        resume: run_pb2.ResumeChatRequest | None = None,
    ) -> None:
        resume = resume or run_pb2.ResumeChatRequest()
        self.run_id = resume.run_id
        self.last_sequence = resume.after_sequence
        self.on_behalf_of = request.on_behalf_of if request is not None else resume.on_behalf_of
        self.completed: result_pb2.Completed | None = None
        self.deadline_s = deadline_s
        self._request = request
        self._unrefused = 0
        self._begins_late = resume.after_sequence > 0
        self._budget = budget
        self._fold = Fold()

    @property
    def replica(self) -> int:
        """Return which replica to call."""
        return self._budget.replica

    @property
    def message(self) -> message_pb2.Message:
        """Return the message so far, of what is not void."""
        if self.completed is not None and self.completed.HasField("message"):
            return self.completed.message
        return self._fold.message()

    @property
    def text(self) -> str:
        """Return the text so far, of what is not void."""
        return self._fold.text()

    def opening(self) -> chat_pb2.ChatRequest | run_pb2.ResumeChatRequest:
        """Return what to call with now: the request, or once the run is known its rest."""
        if self.run_id or self._request is None:
            return self._rest()
        return self._request

    @property
    def may_have_begun(self) -> bool:
        """Return whether a request went out that was not refused: a run may have begun by it."""
        return self._unrefused > 0

    def call(self) -> None:
        """Take note that a call goes out."""
        self._unrefused += 1

    def begin(self, run_id: str) -> None:
        """Take the run's id from a call's initial metadata; empty: they have none."""
        self.run_id = self.run_id or run_id

    def take(self, event: event_pb2.ChatEvent) -> Event | None:
        """Take the next event that came.

        Returns:
            The event; None when it was read before, or is of a kind that is not known here.

        Raises:
            DamagedStream: events are missing before it, or it is not what was sent.
        """
        if event.sequence <= self.last_sequence:
            return None
        if event.sequence != self.last_sequence + 1:
            raise self.about(
                SequenceGap(
                    f"Event {event.sequence} came after event {self.last_sequence}.",
                    code=grpc.StatusCode.DATA_LOSS,
                )
            )
        try:
            self._fold.feed(event)
        except ValueError as error:
            raise self.about(
                DamagedStream(f"The stream is damaged: {error}.", code=grpc.StatusCode.DATA_LOSS)
            ) from None
        self.last_sequence = event.sequence
        self._budget.restore()
        kind = event.WhichOneof("kind")
        if kind == "run_started":
            self.run_id = event.run_started.run_id
        elif kind == "completed":
            self.completed = event.completed
        return Event(kind, event) if kind is not None else None

    def end(self) -> None:
        """Take note that the stream ended in good order.

        Raises:
            IncompleteStream: without its last event.
        """
        # Who has all events of a finished run and asks for the rest gets its end alone.
        if self.completed is None and not self._begins_late:
            raise self.about(
                IncompleteStream(
                    "The stream ended without its last event.", code=grpc.StatusCode.DATA_LOSS
                )
            )

    def recover(self, error: TrunklineError, now_s: float, *, is_renewed: bool = False) -> float:
        """Choose how to come back after a failed call.

        Args:
            error: how it failed.
            now_s: by the driver's clock.
            is_renewed: there is another token than the one that it was refused for.

        Returns:
            How long to wait before the next call, in seconds.

        Raises:
            TrunklineError: there is no coming back; it knows the run and the message so far.
        """
        # Of a run that goes on all the same, Trunkline tells the id.
        if error.reason and not error.run_id:
            self._unrefused -= 1
        try:
            wait_s = self._budget.spend(
                error, is_resume=bool(self.run_id), now_s=now_s, is_renewed=is_renewed
            )
        except TrunklineError as final:
            raise self.about(final) from None
        if now_s + wait_s >= self.deadline_s:
            raise self.about(
                CallTimedOut(
                    f"The time for the call is over. Before that: {error.message}",
                    code=grpc.StatusCode.DEADLINE_EXCEEDED,
                )
            )
        return wait_s

    def answer(self) -> Answer:
        """Return the whole answer; the stream must have ended.

        Raises:
            IncompleteStream: it has none, or too much of it was left out when it was resumed.
        """
        completed = self.completed
        if completed is None or (self._begins_late and not completed.HasField("message")):
            raise self.about(
                IncompleteStream(
                    "What was read holds no whole answer; resume the run from its start.",
                    code=grpc.StatusCode.OUT_OF_RANGE,
                )
            )
        return Answer(self.run_id, completed, self.message)

    def about(self, error: TrunklineError) -> TrunklineError:
        """Return an error that knows the run and the message so far."""
        error.run_id = error.run_id or self.run_id
        error.last_sequence = self.last_sequence
        message = self._fold.message()
        error.partial = message if message.content else None
        return error

    def _rest(self) -> run_pb2.ResumeChatRequest:
        """Return the request for the events that were not read yet."""
        return run_pb2.ResumeChatRequest(
            run_id=self.run_id,
            after_sequence=self.last_sequence,
            on_behalf_of=self.on_behalf_of,
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Turn:
    """A turn that ended with calls.

    Attributes:
        message: what the model said.
        calls: whose results are awaited, in the order of the message.
    """

    message: message_pb2.Message
    calls: tuple[message_pb2.ToolCall, ...]


class LoopReading(Reading):
    """A tool loop, as far as it has been read and answered.

    A function runs when its turn has ended, and not as soon as its call is whole: a turn that
    fails, such as by too many calls, has then done nothing.

    Args:
        budget: as of a reading.
        deadline_s: as of a reading.
        start: begins the loop; its request carries an idempotency key.
        toolbox: what the model may call.
    """

    def __init__(
        self,
        budget: Budget,
        deadline_s: float,
        start: run_pb2.ConverseStart,
        toolbox: Toolbox,
    ) -> None:
        super().__init__(budget, deadline_s, start.chat)
        self.toolbox = toolbox
        self._start = start
        self._turns: list[Turn] = []
        self._results: dict[str, message_pb2.ToolResult] = {}
        self._accepted: set[str] = set()

    @property
    def transcript(self) -> list[message_pb2.Message]:
        """Return what the loop added to the request's messages: answers and results."""
        said: list[message_pb2.Message] = []
        for turn in self._turns:
            given = [self._results[call.id] for call in turn.calls if call.id in self._results]
            parts = [message_pb2.Part(tool_result=result) for result in given]
            said.append(turn.message)
            if parts:
                said.append(message_pb2.Message(role=message_pb2.ROLE_TOOL, content=parts))
        if self.completed is not None:
            said.append(self.message)
        return said

    def first_words(self) -> list[run_pb2.ConverseRequest]:
        """Return what to say on a new call: start or attach, and results not accepted yet."""
        if not self.run_id:
            return [run_pb2.ConverseRequest(start=self._start)]
        again = [result for key, result in self._results.items() if key not in self._accepted]
        return [
            run_pb2.ConverseRequest(attach=self._rest()),
            *(run_pb2.ConverseRequest(tool_result=result) for result in again),
        ]

    def take(self, event: event_pb2.ChatEvent) -> Event | None:
        """Take the next event that came; as of a reading.

        Raises:
            DamagedStream: as of a reading; or a call is awaited that never came.
        """
        # The fold starts anew with the turn's end.
        message = self._fold.message() if event.HasField("turn_completed") else None
        taken = super().take(event)
        if taken is None:
            return None
        if message is not None:
            self._turns.append(self._end_turn(message, event.turn_completed))
        elif taken.kind == "tool_result_accepted":
            self._accepted.add(event.tool_result_accepted.call_id)
        return taken

    def due(self, taken: Event) -> tuple[message_pb2.ToolCall, ...]:
        """Return the calls to run now that an event was taken; each is returned once."""
        return self._turns[-1].calls if taken.kind == "turn_completed" else ()

    def settle(self, result: message_pb2.ToolResult) -> run_pb2.ConverseRequest:
        """Keep the result of a call; return what to say of it on the call that is open."""
        self._results[result.call_id] = result
        return run_pb2.ConverseRequest(tool_result=result)

    def _end_turn(self, message: message_pb2.Message, ended: event_pb2.TurnCompleted) -> Turn:
        """Return a turn with the calls whose results are awaited.

        Raises:
            DamagedStream: one of them never came.
        """
        # What came in the event is what counts; it is left out where it is large.
        said = ended.message if ended.HasField("message") else message
        pending = set(ended.pending_call_ids)
        calls = tuple(
            part.tool_call
            for part in said.content
            if part.HasField("tool_call") and part.tool_call.id in pending
        )
        if len(calls) != len(pending):
            raise self.about(
                DamagedStream(
                    "The server waits for the result of a call that never came.",
                    code=grpc.StatusCode.DATA_LOSS,
                )
            )
        return Turn(said, calls)
