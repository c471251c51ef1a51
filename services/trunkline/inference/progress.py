"""How far an answer has come: what was said, by which attempts, and what was lost."""

from __future__ import annotations

from collections.abc import Iterable

from trunkline.inference.attempt import Attempt
from trunkline.inference.fold import Fold
from trunkline.inference.pricing import sum_cost
from trunkline.inference.trail import sum_usage
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2


class Progress:
    """The answer of one run so far, as its events tell it.

    Attributes:
        fold: the message.
        attempts: those that ended, by number.
        attempt_count: how many were started.
        losses: of the answer so far.
        call_ids: of all tool calls that were begun.
        speaker: the model that spoke last; empty: none did.

    Args:
        request: the question, whose calls have ids that are taken.
    """

    def __init__(self, request: chat_pb2.ChatRequest) -> None:
        self.fold = Fold()
        self.attempts: list[result_pb2.Attempt] = []
        self.attempt_count = 0
        self.losses: list[result_pb2.Loss] = []
        self.call_ids = {
            part.tool_call.id
            for message in request.messages
            if message.role == message_pb2.ROLE_ASSISTANT
            for part in message.content
            if part.HasField("tool_call")
        }
        self.speaker = ""

    def note(self, record: result_pb2.Attempt) -> None:
        """Note how an attempt ended."""
        self.attempts.append(record)
        self.attempts.sort(key=lambda each: each.number)

    def switch(self, attempt: Attempt) -> event_pb2.ContinuationStarted | None:
        """Let what follows be an attempt's.

        Returns:
            The seam that readers are told of; None: nothing was delivered before.
        """
        attempt.is_joined = True
        continuation, model = attempt.continuation, attempt.candidate.name
        if continuation.delivered is None:
            # What gives the whole answer has nobody's losses but its own.
            self.losses = []
        before, self.speaker = self.speaker, model
        if not continuation.strategy:
            return None
        return event_pb2.ContinuationStarted(
            from_model=before,
            to_model=model,
            strategy=continuation.strategy,
            void_from_sequence=continuation.void_from,
        )

    def lose(self, attempt: Attempt, losses: Iterable[result_pb2.Loss]) -> list[result_pb2.Loss]:
        """Note what an attempt could not carry, and return it."""
        noted = list(losses)
        for loss in noted:
            loss.attempt = attempt.number
        self.losses += noted
        return noted

    def complete(
        self, finish_reason: result_pb2.FinishReason.ValueType, model: str
    ) -> result_pb2.Completed:
        """Return the end of an answer that came so far: who was asked, what it cost and lost."""
        return result_pb2.Completed(
            finish_reason=finish_reason,
            usage=sum_usage(self.attempts),
            cost=sum_cost(self.attempts),
            model=model,
            attempts=self.attempts,
            losses=self.losses,
        )

    def recall(self, event: event_pb2.ChatEvent) -> None:
        """Take in an event that another process wrote."""
        self.fold.feed(event)
        match event.WhichOneof("kind"):
            case "attempt_started":
                self.attempt_count = max(self.attempt_count, event.attempt)
            case "tool_call_started":
                self.call_ids.add(event.tool_call_started.call_id)
            case "continuation_started":
                self.speaker = event.continuation_started.to_model
            case _:
                pass
