"""Recall from its journal how far a run had come, and close what its dead process left open."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from trunkline.inference.continuation import estimate_tokens
from trunkline.inference.conversation import Conversation
from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.records import Kind
from trunkline.inference.pricing import price_attempt
from trunkline.inference.progress import Progress
from trunkline.inference.terms import Terms
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, message_pb2, result_pb2
from trunkline.planning.prices import PriceBook

SUPERSEDED = failure_pb2.AttemptFailure(
    kind=failure_pb2.ERROR_KIND_SUPERSEDED,
    message="The process that asked is gone; another one carries on.",
    mid_stream=True,
)


@dataclass(frozen=True, slots=True)
class Recalled:
    """What a journal says of a run.

    Attributes:
        progress: how far its answer has come.
        rows: of the ledger, by number of the attempt; those without an outcome are open.
        said: characters that each attempt gave to readers.
        conversation: its tool loop; None: it is a single turn.
        waited_ns: how long it waited for tools in all, but for the wait that goes on.
        waits_since_ns: when the wait that goes on began, nanoseconds since 1970; 0: none does.
    """

    progress: Progress
    rows: dict[int, result_pb2.Attempt]
    said: dict[int, int]
    conversation: Conversation | None = None
    waited_ns: int = 0
    waits_since_ns: int = 0

    def spent_s(self, created_ns: int, now_ns: int) -> float:
        """Return how many seconds of its time the run has spent; waits for tools do not count.

        Args:
            created_ns, now_ns: nanoseconds since 1970.
        """
        return ((self.waits_since_ns or now_ns) - created_ns - self.waited_ns) / 1e9


async def recall(archive: Archive, terms: Terms | None = None) -> Recalled:
    """Return what a run's journal says.

    Args:
        archive: of the run.
        terms: what was settled of it; None: only its attempts matter.

    Raises:
        JournalUnavailable: the store does not answer.
        SealBroken: what lies there is not what was written.
    """
    progress = Progress(chat_pb2.ChatRequest() if terms is None else terms.request)
    conversation = None
    if terms is not None and terms.loop is not None:
        conversation = Conversation(terms.loop, terms.request)
    results: list[message_pb2.ToolResult] = []
    rows: dict[int, result_pb2.Attempt] = {}
    said: Counter[int] = Counter()
    models: dict[int, str] = {}
    waited_ns = waits_since_ns = 0
    async for stored in archive.records(0):
        match stored.kind:
            case Kind.EVENT:
                event = event_pb2.ChatEvent.FromString(stored.data)
                if conversation is not None:
                    if event.HasField("turn_completed"):
                        waits_since_ns = event.time.ToNanoseconds()
                    elif event.HasField("attempt_started") and waits_since_ns:
                        waited_ns += event.time.ToNanoseconds() - waits_since_ns
                        waits_since_ns = 0
                    _recall_turn(conversation, progress, event, results)
                size = progress.fold.size
                progress.recall(event)
                if event.HasField("attempt_started"):
                    models[event.attempt] = event.attempt_started.model
                elif progress.fold.size > size:
                    said[event.attempt] += progress.fold.size - size
                    progress.speaker = models.get(event.attempt, progress.speaker)
            case Kind.ATTEMPT:
                row = result_pb2.Attempt.FromString(stored.data)
                rows[row.number] = row
            case Kind.LOSS:
                progress.losses.append(result_pb2.Loss.FromString(stored.data))
            case Kind.TOOL_RESULT:
                results.append(message_pb2.ToolResult.FromString(stored.data))
    return Recalled(progress, rows, said, conversation, waited_ns, waits_since_ns)


def _recall_turn(
    conversation: Conversation,
    progress: Progress,
    event: event_pb2.ChatEvent,
    results: list[message_pb2.ToolResult],
) -> None:
    """Take in what an event says of the turns of a loop.

    Args:
        conversation: as far as it is recalled.
        progress: before the event.
        event: the next one.
        results: stored and not yet taken in; those that were told of are taken out.
    """
    match event.WhichOneof("kind"):
        case "turn_completed":
            conversation.complete_turn(progress.fold.message())
        case "tool_result_accepted":
            for result in list(results):
                conversation.offer(result)
                results.remove(result)
        case "attempt_started" if conversation.is_waiting:
            conversation.next_turn()
        case _:
            pass


def close(
    row: result_pb2.Attempt, said: int, ended_ns: int, prices: PriceBook
) -> result_pb2.Attempt:
    """Return a row that was left open, closed as superseded.

    Args:
        row: as its process wrote it.
        said: characters that it gave to readers.
        ended_ns: now, nanoseconds since 1970.
        prices: what models cost.
    """
    closed = result_pb2.Attempt()
    closed.CopyFrom(row)
    closed.outcome = result_pb2.ATTEMPT_OUTCOME_SUPERSEDED
    closed.failure.CopyFrom(SUPERSEDED)
    closed.failure.mid_stream = said > 0
    closed.duration.FromNanoseconds(max(0, ended_ns - row.start_time.ToNanoseconds()))
    closed.usage.CopyFrom(
        result_pb2.Usage(
            output_tokens=estimate_tokens(said), source=result_pb2.USAGE_SOURCE_ESTIMATED
        )
    )
    price_attempt(closed, prices.of(closed.model))
    return closed
