"""Write down what happens in a run, as it happens."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.inference.attempt import Attempt
from trunkline.inference.conversation import Conversation, unexpected
from trunkline.inference.journal.durable import DurableJournal
from trunkline.inference.journal.memory import MemoryJournal
from trunkline.inference.journal.records import Kind
from trunkline.inference.progress import Progress
from trunkline.inference.takeover import Recalled, close
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import (
    chat_pb2,
    event_pb2,
    message_pb2,
    result_pb2,
)
from trunkline.kernel.clock import Clock
from trunkline.planning.prices import PriceBook


class Telling:
    """What a run says: events that readers have, and rows and results that only we have.

    Args:
        terms: of the run.
        journal: where it is written.
        clock: the time.

    Attributes:
        terms, journal: as above.
        ended_ns: when the run ended, nanoseconds since 1970; 0: it has not.
        progress: how far its answer has come, where this process carries it.
        conversation: its tool loop; None: it is a single turn.
        under_way: the attempts under way, of which a hedge makes two.
        rows: of the ledger, by number of the attempt.
    """

    def __init__(self, terms: Terms, journal: MemoryJournal, clock: Clock) -> None:
        self.terms = terms
        self.journal = journal
        self.ended_ns = 0
        self.progress = Progress(terms.request)
        self.conversation: Conversation | None = None
        if terms.loop is not None:
            self.conversation = Conversation(terms.loop, terms.request)
        self.under_way: list[Attempt] = []
        self.rows: dict[int, result_pb2.Attempt] = {}
        self._clock = clock

    @property
    def is_live(self) -> bool:
        """Tell whether the run has not ended."""
        return self.ended_ns == 0

    @property
    def question(self) -> chat_pb2.ChatRequest:
        """Return what the model is asked in the turn under way."""
        return self.terms.request if self.conversation is None else self.conversation.question

    def note(self, event: event_pb2.ChatEvent) -> None:
        """Add an event that is no part of the answer; one after the end is dropped."""
        if self.is_live:
            self.journal.append(event)

    def append(self, event: event_pb2.ChatEvent) -> None:
        """Add an event of the answer; one after the end is dropped."""
        if self.is_live:
            self.journal.append(event)
            self.progress.fold.feed(event)

    def start_attempt(self, attempt: Attempt) -> None:
        """Note that a request is about to be sent."""
        self.progress.attempt_count = attempt.number
        self.under_way.append(attempt)
        candidate = attempt.candidate
        if isinstance(self.journal, DurableJournal):
            # Whoever takes the run over must know of it; nobody takes over a MEMORY run.
            self._enter(attempt, attempt.record(result_pb2.ATTEMPT_OUTCOME_UNSPECIFIED))
        event = event_pb2.ChatEvent(attempt=attempt.number)
        started = event.attempt_started
        started.model, started.hedge = candidate.name, attempt.is_hedge
        started.credential_scope = candidate.scope
        self.note(event)

    def say(self, attempt: Attempt, told: list[event_pb2.ChatEvent]) -> None:
        """Add what an attempt said; the first time after others the seam comes before it."""
        if not attempt.is_joined:
            self.open_seam(attempt)
        fold = self.progress.fold
        size = fold.size
        for event in told:
            event.attempt = attempt.number
            self.append(event)
        attempt.said += fold.size - size

    def open_seam(self, attempt: Attempt) -> None:
        """Let what follows be an attempt's, which may void what others said."""
        seam = self.progress.switch(attempt)
        if seam is not None:
            self.append(event_pb2.ChatEvent(attempt=attempt.number, continuation_started=seam))
        self._lose(attempt, attempt.losses)

    def lose(self, attempt: Attempt, losses: Iterable[result_pb2.Loss]) -> None:
        """Note what an attempt could not carry of its answer."""
        if not attempt.is_joined:
            self.open_seam(attempt)
        self._lose(attempt, losses)

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
        self.progress.note(record)
        self._enter(attempt, record)
        if failed is not None:
            self.note(event_pb2.ChatEvent(attempt=attempt.number, attempt_failed=failed))

    def take_result(self, result: message_pb2.ToolResult) -> None:
        """Take a tool's result, and say that it came; one that had come is taken silently.

        Raises:
            FailedPrecondition: UNEXPECTED_TOOL_RESULT.
            AlreadyExists: TOOL_RESULT_MISMATCH.
        """
        if self.conversation is None or not self.is_live:
            raise unexpected(result.call_id)
        if self.conversation.offer(result):
            if isinstance(self.journal, DurableJournal):
                self.journal.add(Kind.TOOL_RESULT, result.SerializeToString())
            told = event_pb2.ToolResultAccepted(call_id=result.call_id)
            self.note(event_pb2.ChatEvent(tool_result_accepted=told))

    def supersede(self, recalled: Recalled, prices: PriceBook) -> None:
        """Go on from what a dead process left: its calls are aborted, its attempts closed."""
        self.progress, self.rows = recalled.progress, recalled.rows
        self.conversation = recalled.conversation
        progress = self.progress
        for block, call_id in progress.fold.open_calls():
            aborted = event_pb2.ToolCallAborted(block=block, call_id=call_id)
            self.append(event_pb2.ChatEvent(tool_call_aborted=aborted))
        for number, row in sorted(self.rows.items()):
            if row.outcome == result_pb2.ATTEMPT_OUTCOME_UNSPECIFIED:
                closed = close(row, recalled.said.get(number, 0), self._clock.time_ns(), prices)
                self._store_row(closed)
                failed = event_pb2.AttemptFailed(failure=closed.failure, will_retry=True)
                self.note(event_pb2.ChatEvent(attempt=number, attempt_failed=failed))
            shown = result_pb2.Attempt()
            shown.CopyFrom(self.rows[number])
            if not self.terms.caller.is_admin:
                shown.credential_id = ""
            progress.note(shown)

    def cancel_attempts(self) -> None:
        """Note the attempts under way as cancelled."""
        for attempt in list(self.under_way):
            self.end_attempt(attempt, attempt.record(result_pb2.ATTEMPT_OUTCOME_CANCELLED))

    def _enter(self, attempt: Attempt, record: result_pb2.Attempt) -> None:
        """Enter an attempt into the ledger, where its key is named whoever asked."""
        row = result_pb2.Attempt()
        row.CopyFrom(record)
        row.credential_id = attempt.candidate.credential.id
        self._store_row(row)

    def _store_row(self, row: result_pb2.Attempt) -> None:
        """Keep a row of the ledger, and have it stored with the events around it."""
        self.rows[row.number] = row
        if isinstance(self.journal, DurableJournal) and self.is_live:
            self.journal.add(Kind.ATTEMPT, row.SerializeToString())

    def _lose(self, attempt: Attempt, losses: Iterable[result_pb2.Loss]) -> None:
        """Note what an attempt could not carry."""
        for loss in self.progress.lose(attempt, losses):
            if isinstance(self.journal, DurableJournal) and self.is_live:
                self.journal.add(Kind.LOSS, loss.SerializeToString())
