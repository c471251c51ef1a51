"""One run: a chat with a life of its own, longer than the call that began it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable

from google.rpc import status_pb2

from trunkline.inference.attempt import Attempt
from trunkline.inference.fold import Fold
from trunkline.inference.journal.memory import MemoryJournal, Trimmed
from trunkline.inference.terms import Terms
from trunkline.inference.trail import make_trail
from trunkline.inference.v1 import (
    chat_pb2,
    error_pb2,
    event_pb2,
    message_pb2,
    result_pb2,
    run_pb2,
)
from trunkline.kernel.clock import Clock, duration, timestamp
from trunkline.kernel.errors import Cancelled, DeadlineExceeded, Ended, OutOfRange, TrunklineError
from trunkline.kernel.status import error_info, find_detail, to_status

DOMAIN = "trunkline.inference"

# Completed.message is left out above it; its deltas have it.
MAX_MESSAGE_BYTES = 1024 * 1024


class Run:
    """A run of this process.

    It ends once, by `finish`, `fail`, `stop` or `cancel`; the first wins.

    Args:
        run_id: `run_…`.
        terms: what was settled.
        journal: its events.
        clock: the time.
        on_end: is called once, when it has ended.

    Attributes:
        answer: the whole message, once the run has ended with one and is kept.
        answer_bytes: what `answer` takes.
        under_way: the attempts under way, of which a hedge makes two.
        attempts: those that ended, in order of their end.
        attempt_count: how many were started.
        losses: of the answer so far.
        call_ids: of all tool calls that were begun.
        cancelled_by: `cancel`, `disconnect` or `revoked`; empty: it was not.
    """

    def __init__(
        self,
        run_id: str,
        terms: Terms,
        journal: MemoryJournal,
        clock: Clock,
        on_end: Callable[[Run], None],
    ) -> None:
        self.id = run_id
        self.terms = terms
        self.journal = journal
        self.fold = Fold()
        self.answer: message_pb2.Message | None = None
        self.answer_bytes = 0
        self.state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_RUNNING
        self.completed: result_pb2.Completed | None = None
        self.status: status_pb2.Status | None = None
        self.created_ns = clock.time_ns()
        self.ended_ns = 0
        self.readers = 0
        self.cancelled_by = ""
        self.task: asyncio.Task[None] | None = None
        self.under_way: list[Attempt] = []
        self.attempts: list[result_pb2.Attempt] = []
        self.attempt_count = 0
        self.losses: list[result_pb2.Loss] = []
        self.call_ids: set[str] = set()
        self._spoke_last = ""
        self._clock = clock
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._grace: asyncio.TimerHandle | None = None
        self._total: asyncio.TimerHandle | None = self._loop.call_later(
            terms.total_s, self._end_by_total
        )

    @property
    def is_live(self) -> bool:
        """Tell whether the run has not ended."""
        return self.state == run_pb2.RUN_STATE_RUNNING

    @property
    def kept_until_ns(self) -> int:
        """Return when a run that has ended is forgotten."""
        return self.ended_ns + int(self.terms.retention_s * 1_000_000_000)

    def begin(self) -> None:
        """Write the first event."""
        kept = duration(self.terms.retention_s)
        self.note(
            event_pb2.ChatEvent(run_started=event_pb2.RunStarted(run_id=self.id, retention=kept))
        )

    def note(self, event: event_pb2.ChatEvent) -> None:
        """Add an event that is no part of the answer; one after the end is dropped."""
        if self.is_live:
            self.journal.append(event)

    def append(self, event: event_pb2.ChatEvent) -> None:
        """Add an event of the answer; one after the end is dropped."""
        if self.is_live:
            self.journal.append(event)
            self.fold.feed(event)

    def start_attempt(self, attempt: Attempt) -> None:
        """Note that a request is about to be sent."""
        self.attempt_count = attempt.number
        self.under_way.append(attempt)
        candidate = attempt.candidate
        started = event_pb2.AttemptStarted(
            model=candidate.name, credential_scope=candidate.scope, hedge=attempt.is_hedge
        )
        self.note(event_pb2.ChatEvent(attempt=attempt.number, attempt_started=started))

    def say(self, attempt: Attempt, told: list[event_pb2.ChatEvent]) -> None:
        """Add what an attempt said; the first time after others the seam comes before it."""
        if not attempt.is_joined:
            self.open_seam(attempt)
        size = self.fold.size
        for event in told:
            event.attempt = attempt.number
            self.append(event)
        attempt.said += self.fold.size - size

    def open_seam(self, attempt: Attempt) -> None:
        """Let what follows be an attempt's, which may void what others said."""
        attempt.is_joined = True
        continuation, model = attempt.continuation, attempt.candidate.name
        if continuation.delivered is None:
            # What gives the whole answer has nobody's losses but its own.
            self.losses = []
        if continuation.strategy:
            seam = event_pb2.ContinuationStarted(
                from_model=self._spoke_last,
                to_model=model,
                strategy=continuation.strategy,
                void_from_sequence=continuation.void_from,
            )
            self.append(event_pb2.ChatEvent(attempt=attempt.number, continuation_started=seam))
        self._spoke_last = model
        self._lose(attempt, attempt.losses)

    def end_attempt(
        self,
        attempt: Attempt,
        record: result_pb2.Attempt,
        failed: event_pb2.AttemptFailed | None = None,
    ) -> None:
        """Note how an attempt ended.

        Args:
            attempt: under way.
            record: it as answers and errors tell it.
            failed: what readers are told of its failure; None: it did not fail.
        """
        if attempt in self.under_way:
            self.under_way.remove(attempt)
        self.attempts.append(record)
        self.attempts.sort(key=lambda each: each.number)
        if failed is not None:
            self.note(event_pb2.ChatEvent(attempt=attempt.number, attempt_failed=failed))

    def lose(self, attempt: Attempt, losses: Iterable[result_pb2.Loss]) -> None:
        """Note what an attempt could not carry of its answer."""
        if not attempt.is_joined:
            self.open_seam(attempt)
        self._lose(attempt, losses)

    @property
    def remaining_s(self) -> float:
        """Return how many seconds are left of the run's time."""
        return 0.0 if self._total is None else self._total.when() - self._loop.time()

    def finish(self, completed: result_pb2.Completed) -> None:
        """End the run with a whole answer; its message is folded from the events."""
        if not self.is_live:
            return
        self.answer = self.fold.message()
        self.answer_bytes = self.answer.ByteSize()
        if self.answer_bytes <= MAX_MESSAGE_BYTES:
            completed.message.CopyFrom(self.answer)
            self.answer = completed.message
        self.journal.append(event_pb2.ChatEvent(completed=completed))
        self.completed = completed
        self._end(run_pb2.RUN_STATE_SUCCEEDED)

    def fail(
        self,
        error: TrunklineError,
        state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_FAILED,
    ) -> None:
        """End the run with an error, which every reader gets the same."""
        if not self.is_live:
            return
        error.metadata.setdefault("run_id", self.id)
        error.metadata["last_sequence"] = str(self.journal.last_sequence)
        self.status = to_status(error, domain=DOMAIN, request_id=self.terms.request_id)
        self._end(state)

    def stop(
        self,
        error: TrunklineError,
        state: run_pb2.RunState.ValueType = run_pb2.RUN_STATE_FAILED,
    ) -> None:
        """End the run in the midst of its work, with an error and the attempt under way."""
        if not self.is_live:
            return
        for attempt in list(self.under_way):
            self.end_attempt(attempt, attempt.record(result_pb2.ATTEMPT_OUTCOME_CANCELLED))
        if self.attempts:
            error.details += (make_trail(self.attempts, ()),)
        self.fail(error, state)
        if self.task is not None:
            self.task.cancel()

    def cancel(self, by: str, sentence: str) -> None:
        """End the run because somebody wants it.

        Args:
            by: `cancel`, `disconnect` or `revoked`.
            sentence: for people.
        """
        if self.is_live:
            self.cancelled_by = by
        self.stop(
            Cancelled("RUN_CANCELLED", sentence, metadata={"by": by}),
            run_pb2.RUN_STATE_CANCELLED,
        )

    def add_reader(self) -> None:
        """Note that somebody reads; the grace stops."""
        self.readers += 1
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None

    def remove_reader(self) -> None:
        """Note that a reader left; the grace begins when it was the last."""
        self.readers -= 1
        if self.readers == 0 and self.is_live:
            self._grace = self._loop.call_later(self.terms.grace_s, self._end_by_disconnect)

    async def follow(self, after: int) -> AsyncGenerator[bytes]:
        """Yield the events after a sequence, serialised, and end as the run ends.

        Raises:
            OutOfRange: EVENTS_TRIMMED, SEQUENCE_AHEAD.
            Ended: the run ended without an answer.
        """
        journal = self.journal
        if after > journal.last_sequence:
            raise OutOfRange(
                "SEQUENCE_AHEAD",
                f"The run has {journal.last_sequence} events, and more than {after} were asked"
                " for.",
                metadata={"run_id": self.id, "last_sequence": str(journal.last_sequence)},
            )
        try:
            while True:
                # One at a time: what a slow reader held on to would be kept beyond all bounds.
                while after < journal.last_sequence:
                    after += 1
                    yield journal.get(after)
                    journal.take(after)
                if journal.closed:
                    break
                await journal.changed()
        except Trimmed:
            raise self._trimmed() from None
        if self.status is not None:
            raise Ended(self.status)

    async def wait_end(self) -> result_pb2.Completed:
        """Return the whole answer when the run has ended; takes every event as it comes.

        Raises:
            Ended: the run ended without an answer.
        """
        with self.journal.taking():
            await self.journal.wait_closed()
        if self.completed is None:
            raise Ended(self.status or status_pb2.Status())
        return self.completed

    def describe(self) -> run_pb2.Run:
        """Return how the run stands, without its answer."""
        described = run_pb2.Run(
            id=self.id,
            state=self.state,
            principal=self.terms.owner.principal,
            on_behalf_of=self.terms.owner.on_behalf_of,
            target=self.terms.target,
            create_time=timestamp(self.created_ns),
            last_sequence=self.journal.last_sequence,
            first_sequence=self.journal.first_sequence,
            durability=chat_pb2.DURABILITY_MEMORY,
            readers=self.readers,
        )
        if self.ended_ns:
            described.end_time.CopyFrom(timestamp(self.ended_ns))
            described.expire_time.CopyFrom(timestamp(self.kept_until_ns))
        if self.status is not None and self.state == run_pb2.RUN_STATE_FAILED:
            described.failure.CopyFrom(_failure(self.status))
        return described

    def forget(self) -> None:
        """Keep nothing of what was said; how the run stands is still known."""
        self.journal.forget()
        self.completed = self.answer = None
        self.answer_bytes = 0

    def _lose(self, attempt: Attempt, losses: Iterable[result_pb2.Loss]) -> None:
        """Note what an attempt could not carry."""
        for loss in losses:
            loss.attempt = attempt.number
            self.losses.append(loss)

    def _end(self, state: run_pb2.RunState.ValueType) -> None:
        """Take the final state."""
        self.state = state
        self.ended_ns = self._clock.time_ns()
        for timer in (self._grace, self._total):
            if timer is not None:
                timer.cancel()
        self._grace = self._total = None
        self.fold = Fold()
        self.under_way = []
        self.journal.close()
        self._on_end(self)

    def _end_by_disconnect(self) -> None:
        """End the run because nobody read it for its grace."""
        self.cancel("disconnect", "Nobody read the run for its grace.")

    def _end_by_total(self) -> None:
        """End the run because its time is over."""
        limit = f"{self.terms.total_s:g}s"
        self.stop(
            DeadlineExceeded(
                "RUN_TIMED_OUT", f"The run took longer than its {limit}.", metadata={"limit": limit}
            )
        )

    def _trimmed(self) -> OutOfRange:
        """Return the error for events that are not kept any more."""
        journal = self.journal
        metadata = {"run_id": self.id, "last_sequence": str(journal.last_sequence)}
        if journal.first_sequence <= journal.last_sequence:
            metadata["first_sequence"] = str(journal.first_sequence)
        return OutOfRange(
            "EVENTS_TRIMMED", "The events asked for are not kept any more.", metadata=metadata
        )


def _failure(status: status_pb2.Status) -> run_pb2.RunFailure:
    """Return a run's stored status as GetRun shows it."""
    info = error_info(status)
    reason = f"ERROR_REASON_{info.reason}" if info is not None else "ERROR_REASON_UNSPECIFIED"
    failure = run_pb2.RunFailure(
        code=status.code, reason=error_pb2.ErrorReason.Value(reason), message=status.message
    )
    trail = find_detail(status.details, result_pb2.AttemptTrail())
    if trail is not None:
        failure.trail.CopyFrom(trail)
    return failure
