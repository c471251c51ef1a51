"""One run: a chat with a life of its own, longer than the call that began it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from google.rpc import status_pb2

from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.memory import MemoryJournal
from trunkline.inference.journal.seal import STATUS
from trunkline.inference.journal.store import End
from trunkline.inference.progress import Progress
from trunkline.inference.refusals import trimmed
from trunkline.inference.telling import Telling
from trunkline.inference.terms import Terms
from trunkline.inference.trail import make_trail
from trunkline.inference.v1 import (
    event_pb2,
    message_pb2,
    result_pb2,
    run_pb2,
)
from trunkline.kernel.clock import Clock, write_duration
from trunkline.kernel.errors import Cancelled, DeadlineExceeded, Ended, TrunklineError
from trunkline.kernel.status import to_status

DOMAIN = "trunkline.inference"

# Completed.message is left out above it; its deltas have it.
MAX_MESSAGE_BYTES = 1024 * 1024

# Who tries again may use the key of a run that ended with these before any content.
_RETRIABLE = frozenset({14, 8, 10, 4})


class Run(Telling):
    """A run as this process knows it.

    The process that owns it carries it: it ends once, by `finish`, `fail`, `stop` or `cancel`;
    the first wins. What another process owns is followed.

    Args:
        run_id: `run_…`.
        terms: what was settled.
        journal: its events.
        clock: the time.
        on_end: is called once, when it has ended.
        archive: where a durable run's events lie; None: it is a MEMORY run.
        created_ns: when it began; 0: now.
        is_owned: this process carries it.

    Attributes:
        answer: the whole message, once the run has ended with one, as long as it is kept here.
        answer_bytes: what `answer` takes.
        on_unread: is called instead of ending a run that nobody reads here; None: nobody could
            read it elsewhere.
        on_readers: is called when somebody begins or ceases to read it here.
        parted: why this process carries and follows it no more, though it has not ended.
        frees_key: its idempotency key may be used again.
        cancelled_by: `cancel`, `disconnect` or `revoked`; empty: it was not.
    """

    def __init__(
        self,
        run_id: str,
        terms: Terms,
        journal: MemoryJournal,
        clock: Clock,
        on_end: Callable[[Run], None],
        archive: Archive | None = None,
        *,
        created_ns: int = 0,
        is_owned: bool = True,
    ) -> None:
        self.id = run_id
        super().__init__(terms, journal, clock)
        self.archive = archive
        self.is_owned = is_owned
        self.answer: message_pb2.Message | None = None
        self.answer_bytes = 0
        self.state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_RUNNING
        self.completed: result_pb2.Completed | None = None
        self.status: status_pb2.Status | None = None
        self.created_ns = created_ns or clock.time_ns()
        self.readers = 0
        self.cancelled_by = ""
        self.frees_key = False
        self.task: asyncio.Task[None] | None = None
        self.parted: TrunklineError | None = None
        self.on_unread: Callable[[Run], None] | None = None
        self.on_readers: Callable[[Run], None] | None = None
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._total: asyncio.TimerHandle | None = None
        self._remaining_s = terms.total_s
        if is_owned:
            self.limit(terms.total_s)

    @property
    def is_durable(self) -> bool:
        """Tell whether the run survives its process."""
        return self.archive is not None

    @property
    def kept_until_ns(self) -> int:
        """Return when a run that has ended is forgotten."""
        return self.ended_ns + int(self.terms.retention_s * 1_000_000_000)

    @property
    def remaining_s(self) -> float:
        """Return how many seconds are left of the run's time."""
        return 0.0 if self._total is None else self._total.when() - self._loop.time()

    def limit(self, total_s: float) -> None:
        """End the run after so many seconds from now, unless it has ended."""
        if self._total is not None:
            self._total.cancel()
        self._total = self._loop.call_later(max(0.0, total_s), self._end_by_total)

    def begin(self) -> None:
        """Write the first event."""
        event = event_pb2.ChatEvent()
        started = event.run_started
        started.run_id = self.id
        write_duration(started.retention, self.terms.retention_s)
        self.note(event)

    def take_up(self, spent_s: float) -> None:
        """Go on with what is left of the run's time, which stands still in a wait for tools."""
        self._remaining_s = self.terms.total_s - spent_s
        if self.conversation is not None and self.conversation.is_waiting:
            self.state = run_pb2.RUN_STATE_WAITING
        else:
            self.limit(self._remaining_s)

    def complete_turn(self) -> None:
        """Let a turn end with tool calls; the run waits for their results, and its time stops."""
        assert self.conversation is not None
        told = self.conversation.complete_turn(self.progress.fold.message())
        self.append(event_pb2.ChatEvent(turn_completed=told))
        self._remaining_s = self.remaining_s
        if self._total is not None:
            self._total.cancel()
            self._total = None
        self._enter_state(run_pb2.RUN_STATE_WAITING)

    def next_turn(self) -> None:
        """Go on with the results of the turn."""
        assert self.conversation is not None
        self.conversation.next_turn()
        self.limit(self._remaining_s)
        self._enter_state(run_pb2.RUN_STATE_RUNNING)

    def finish(self, completed: result_pb2.Completed) -> None:
        """End the run with a whole answer; its message is folded from the events."""
        if not self.is_live:
            return
        answer = self.progress.fold.message()
        if self.conversation is not None and self.conversation.is_waiting:
            # Of a loop that its client ended the answer is the last turn's.
            answer = self.conversation.last_message
        self._keep_answer(answer, completed)
        self.journal.append(event_pb2.ChatEvent(completed=completed))
        self._end(run_pb2.RUN_STATE_SUCCEEDED)

    def fail(
        self,
        error: TrunklineError,
        state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_FAILED,
    ) -> None:
        """End the run with an error, which every reader gets the same."""
        if not self.is_live:
            return
        self.cancel_attempts()
        self.status = self.to_status(error)
        self._end(state)

    def stop(
        self,
        error: TrunklineError,
        state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_FAILED,
    ) -> None:
        """End the run in the midst of its work, with an error and the attempt under way."""
        if not self.is_live:
            return
        self.cancel_attempts()
        if self.progress.attempts:
            error.details += (make_trail(self.progress.attempts, ()),)
        self.fail(error, state)
        self.halt()

    def cancel(self, by: str, sentence: str) -> None:
        """End the run because somebody wants it.

        Args:
            by: `cancel`, `disconnect` or `revoked`.
            sentence: for people.
        """
        if self.is_live:
            self.cancelled_by = by
        self.stop(cancelled(by, sentence), run_pb2.RUN_STATE_CANCELLED)

    def accept_end(
        self,
        state: run_pb2.RunState.ValueType,
        ended_ns: int,
        status: status_pb2.Status | None,
        completed: result_pb2.Completed | None,
    ) -> None:
        """Take over how another process ended the run, in place of an end of this one."""
        self.cancel_attempts()
        self.status, self.completed, self.state = status, completed, state
        self.ended_ns = ended_ns
        if completed is not None and completed.HasField("message"):
            self.answer = completed.message
            self.answer_bytes = self.answer.ByteSize()
        self.halt()
        self.close()

    def part(self, error: TrunklineError) -> None:
        """Carry and follow the run no more, and send its readers elsewhere; it goes on."""
        error.metadata["run_id"] = self.id
        error.metadata["last_sequence"] = str(self.journal.visible)
        if not self.is_live:
            # An end that is not stored is none.
            self.revive()
        self.parted = error
        self.disown()
        self.journal.close()

    def disown(self) -> None:
        """Carry the run no more; what is not stored never was."""
        self.is_owned = False
        self._stop_timers()
        self.halt()
        self.under_way = []
        self.progress = Progress(self.terms.request)
        self.rows = {}
        if isinstance(self.journal, DurableJournal):
            self.journal.retreat()

    def leave(self) -> None:
        """Stop the work on it; what was said is still stored."""
        self.is_owned = False
        self._stop_timers()
        self.halt()

    def revive(self) -> None:
        """Take it for a run that goes on: an end of this process's does not hold."""
        self.state = run_pb2.RUN_STATE_RUNNING
        self.ended_ns = 0
        self.status = self.completed = self.answer = None
        self.answer_bytes = 0
        self.cancelled_by = ""

    def halt(self) -> None:
        """Stop the work on it; the provider's socket is closed."""
        if self.task is not None:
            self.task.cancel()

    def add_reader(self) -> None:
        """Note that somebody reads; the grace stops."""
        self.readers += 1
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
        if self.on_readers is not None:
            self.on_readers(self)

    def remove_reader(self) -> None:
        """Note that a reader left; the grace begins when it was the last."""
        self.readers -= 1
        if self.readers == 0:
            self.await_reader(self.terms.grace_s)
        if self.on_readers is not None:
            self.on_readers(self)

    def await_reader(self, grace_s: float) -> None:
        """End the run when nobody comes to read it for so long."""
        if self.is_live and self.is_owned and not self.readers and not self.terms.continues:
            if self._grace is not None:
                self._grace.cancel()
            self._grace = self._loop.call_later(grace_s, self._end_by_disconnect)

    def outcome(self) -> result_pb2.Completed:
        """Return the whole answer of a run that has ended.

        Raises:
            Ended: it ended without an answer.
            OutOfRange: EVENTS_TRIMMED: the answer is not kept any more.
            Unavailable: this process follows it no more.
        """
        if self.completed is not None and self.state == run_pb2.RUN_STATE_SUCCEEDED:
            return self.completed
        if self.parted is not None:
            raise self.parted
        if self.status is None:
            raise trimmed(self.id, self.journal.first_sequence, self.journal.visible)
        raise Ended(self.status)

    def forget(self) -> None:
        """Keep nothing of what was said; how the run stands is still known."""
        self.journal.forget()
        self.completed = self.answer = None
        self.answer_bytes = 0

    def to_status(self, error: TrunklineError) -> status_pb2.Status:
        """Return the status that every reader of the run gets for an error that ends it."""
        error.metadata.setdefault("run_id", self.id)
        error.metadata["last_sequence"] = str(self.journal.last_sequence)
        return to_status(error, domain=DOMAIN, request_id=self.terms.request_id)

    def foresee_end(self, by: str, sentence: str) -> status_pb2.Status:
        """Return the status that the run would end with if somebody ended it now."""
        error = cancelled(by, sentence)
        caught = [each.record(result_pb2.ATTEMPT_OUTCOME_CANCELLED) for each in self.under_way]
        attempts = [*self.progress.attempts, *caught]
        if attempts:
            error.details += (make_trail(attempts, ()),)
        return self.to_status(error)

    def close(self) -> None:
        """Let no event follow, and tell those who wait: the end is stored, or need not be.

        What is closed stays so. Nobody asks any more, and the question may be large.
        """
        self._stop_timers()
        if not self.journal.closed:
            self.journal.close()
            self._on_end(self)
            self.terms = self.terms.without_question()
            self.conversation = None

    def _keep_answer(self, answer: message_pb2.Message, completed: result_pb2.Completed) -> None:
        """Keep the whole message, inside of the end where it fits."""
        self.answer = answer
        self.answer_bytes = answer.ByteSize()
        if self.answer_bytes <= MAX_MESSAGE_BYTES:
            completed.message.CopyFrom(answer)
            self.answer = completed.message
        self.completed = completed

    def _end(self, state: run_pb2.RunState.ValueType) -> None:
        """Take the final state; readers learn of it at once, or when it is stored."""
        self.state = state
        self.ended_ns = self._clock.time_ns()
        self._stop_timers()
        self.under_way = []
        self.frees_key = self._frees_key()
        self.progress.fold = type(self.progress.fold)()
        if isinstance(self.journal, DurableJournal) and self.archive is not None:
            status = b"" if self.status is None else self.status.SerializeToString()
            sealed = self.archive.seal.seal(STATUS, 0, 0, 0, status) if status else b""
            self.journal.conclude(End(state, sealed, frees_key=self.frees_key))
        else:
            self.close()

    def _frees_key(self) -> bool:
        """Tell whether the idempotency key may be used again: nothing was gained with it."""
        if self.cancelled_by == "disconnect":
            return True
        return (
            self.status is not None
            and self.status.code in _RETRIABLE
            and not self.progress.fold.has_begun
        )

    def _stop_timers(self) -> None:
        """Let nothing end the run by time."""
        for timer in (self._grace, self._total):
            if timer is not None:
                timer.cancel()
        self._grace = self._total = None

    def _enter_state(self, state: run_pb2.RunState.ValueType) -> None:
        """Take a state that is not final."""
        self.state = state
        if isinstance(self.journal, DurableJournal):
            self.journal.enter(state)

    def _end_by_disconnect(self) -> None:
        """End the run because nobody read it for its grace."""
        self._grace = None
        if self.on_unread is not None:
            # Somebody may read it at another process.
            self.on_unread(self)
        else:
            self.cancel("disconnect", UNREAD)

    def _end_by_total(self) -> None:
        """End the run because its time is over."""
        limit = f"{self.terms.total_s:g}s"
        self.stop(
            DeadlineExceeded(
                "RUN_TIMED_OUT", f"The run took longer than its {limit}.", metadata={"limit": limit}
            )
        )


UNREAD = "Nobody read the run for its grace."


def cancelled(by: str, sentence: str) -> Cancelled:
    """Return the error of a run that somebody ended."""
    return Cancelled("RUN_CANCELLED", sentence, metadata={"by": by})
