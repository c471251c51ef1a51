"""What came of a chat of the demonstration, and whether anything was lost or came twice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from trunkline.cli.output import name_value
from trunkline.inference.v1 import event_pb2, failure_pb2, result_pb2
from trunkline_client.fold import Fold

Outcome: TypeAlias = result_pb2.AttemptOutcome.ValueType
Strategy: TypeAlias = result_pb2.ContinuationStrategy.ValueType


@dataclass(frozen=True, slots=True)
class Step:
    """One attempt, as it was meant to go.

    Attributes:
        model: `provider/model` that is asked.
        outcome: how it ends.
        strategy: how it takes over from the one before.
    """

    model: str
    outcome: Outcome
    strategy: Strategy = result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED


@dataclass(frozen=True, slots=True)
class Evidence:
    """What came of one chat.

    Attributes:
        name: of the chat, for programs.
        run_id: `run_…`.
        events: in the order in which they came.
        again: what a second reader got, later and of another process.
        asked: the models that the provider was asked for, in the order of the requests.
        takeover_s: from the death of a process to the next word, in seconds; None: none died.
        resumed_after: the last event before the reader left; None: the reader stayed.
    """

    name: str
    run_id: str
    events: tuple[event_pb2.ChatEvent, ...]
    again: tuple[event_pb2.ChatEvent, ...]
    asked: tuple[str, ...]
    takeover_s: float | None = None
    resumed_after: int | None = None

    @property
    def completed(self) -> result_pb2.Completed:
        """Return the end; an empty one: there is none."""
        return self.events[-1].completed if self.events else result_pb2.Completed()

    @property
    def text(self) -> str:
        """Return what the live events fold to."""
        fold = Fold()
        for event in self.events:
            fold.feed(event)
        return fold.text()

    @property
    def seams(self) -> list[event_pb2.ChatEvent]:
        """Return the events at which another attempt carries on."""
        return [event for event in self.events if event.HasField("continuation_started")]


def find_faults(evidence: Evidence, answer: str, steps: Sequence[Step]) -> list[str]:
    """Return what is wrong with a chat, each in a sentence; nothing: nothing is.

    Args:
        evidence: what came of it.
        answer: what the model says when nothing breaks.
        steps: the attempts that the chat was meant to take.
    """
    faults = []
    numbers = [event.sequence for event in evidence.events]
    if numbers != list(range(1, len(numbers) + 1)):
        faults.append("Its events are not numbered from 1 without a gap.")
    if _pack(evidence.events) != _pack(evidence.again):
        faults.append("A second reader got other events.")
    said = "".join(part.text for part in evidence.completed.message.content)
    if not evidence.text == said == answer:
        faults.append("Its text is not the answer, word for word.")
    attempts = [
        Step(each.model, each.outcome, each.continuation) for each in evidence.completed.attempts
    ]
    if attempts != list(steps):
        faults.append("It took other attempts than it was meant to.")
    if list(evidence.asked) != [step.model.partition("/")[2] for step in steps]:
        faults.append("The provider was asked otherwise than the attempts say.")
    return [f"{evidence.name}: {fault}" for fault in faults]


def describe(evidence: Evidence) -> dict[str, Any]:
    """Return the facts of a chat, for programs."""
    document: dict[str, Any] = {
        "name": evidence.name,
        "run_id": evidence.run_id,
        "events": len(evidence.events),
        "attempts": [
            {
                "model": each.model,
                "outcome": name_outcome(each.outcome),
                "why": name_kind(each.failure.kind) if each.HasField("failure") else None,
                "strategy": name_strategy(each.continuation) or None,
            }
            for each in evidence.completed.attempts
        ],
        "seams": [
            {
                "sequence": event.sequence,
                "strategy": name_strategy(event.continuation_started.strategy),
                "void_from_sequence": event.continuation_started.void_from_sequence,
            }
            for event in evidence.seams
        ],
        "text": evidence.text,
    }
    if evidence.takeover_s is not None:
        document["takeover_s"] = round(evidence.takeover_s, 3)
    if evidence.resumed_after is not None:
        document["resumed_after"] = evidence.resumed_after
    return document


def name_outcome(outcome: Outcome) -> str:
    """Return how an attempt ended, in a word."""
    return name_value(result_pb2.AttemptOutcome.Name(outcome), "ATTEMPT_OUTCOME_")


def name_kind(kind: failure_pb2.ErrorKind.ValueType) -> str:
    """Return why an attempt failed, in a few words."""
    return name_value(failure_pb2.ErrorKind.Name(kind), "ERROR_KIND_")


def name_strategy(strategy: Strategy) -> str:
    """Return how an attempt carried on, in a word; empty: it carried nothing on."""
    if strategy == result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED:
        return ""
    return name_value(result_pb2.ContinuationStrategy.Name(strategy), "CONTINUATION_STRATEGY_")


def _pack(events: Sequence[event_pb2.ChatEvent]) -> list[bytes]:
    """Return events as bytes that are the same for the same event."""
    return [event.SerializeToString(deterministic=True) for event in events]
