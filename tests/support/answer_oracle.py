"""What must hold of every answer that readers get, whatever broke on its way."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from support.chats import Reading
from support.folding import fold
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2

FRAME: Final = "answer.frame"
"""Names in `losses` a frame that was passed over."""

_MAX_STATUS_BYTES: Final = 6 * 1024
CONTENT: Final = frozenset(
    {
        "text_delta",
        "reasoning_delta",
        "reasoning_signature",
        "provider_part_delta",
        "citation_added",
        "tool_call_started",
        "tool_call_delta",
        "tool_call_completed",
        "tool_call_aborted",
    }
)
_VOIDING: Final = result_pb2.CONTINUATION_STRATEGY_RESTART

Call = tuple[str, Any]
"""Name and arguments of a tool call."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What a healthy model says.

    Attributes:
        text: all of it.
        calls: its tool calls, in order.
        reasoning: its thoughts, as far as they are shown.
    """

    text: str = ""
    calls: tuple[Call, ...] = ()
    reasoning: str = ""


def judge_stream(reading: Reading) -> None:
    """Fail unless events keep the rules of the contract, whatever is said in them."""
    events = reading.events
    assert reading.sequences == list(range(1, len(events) + 1))
    kinds = reading.kinds
    assert kinds[0] == "run_started"
    assert kinds.count("run_started") == 1
    if reading.failure is None:
        assert kinds[-1] == "completed"
        assert kinds.count("completed") == 1
    else:
        assert "completed" not in kinds
        assert reading.failure.status.code != 0
        assert reading.failure.status.ByteSize() < _MAX_STATUS_BYTES
    _judge_attempts(reading)
    _judge_seams(events)
    _judge_calls(events)


def judge_answer(reading: Reading, expected: Expected) -> None:
    """Fail unless an answer is whole, or is a turn that ended early and says so.

    Args:
        reading: of a run that succeeded.
        expected: what shall have come.
    """
    judge_stream(reading)
    completed = reading.completed
    message = completed.message
    assert fold(reading.events) == message
    text, calls = text_of(message), calls_of(message)
    if completed.turn_ended_early:
        assert completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
        assert calls, "a turn without a whole call is no turn"
        assert calls == list(expected.calls[: len(calls)])
        assert text == expected.text
    else:
        assert text == expected.text
        assert calls == list(expected.calls)
        assert reasoning_of(message) == expected.reasoning
        reason = result_pb2.FINISH_REASON_TOOL_CALLS if calls else result_pb2.FINISH_REASON_STOP
        assert completed.finish_reason == reason
    issued = [event for event in reading.events if event.HasField("tool_call_completed")]
    assert len(issued) == len(calls), "a call was issued that the answer does not have"
    # A proof goes back to its issuer only, which a transcript that moves leaves behind.
    losses = [loss.path for loss in completed.losses if not loss.path.endswith(".signature")]
    assert losses in ([], [FRAME])


def judge_broken(reading: Reading, expected: Expected) -> None:
    """Fail unless a run that failed gave the beginning of an answer, and no call to run."""
    judge_stream(reading)
    assert reading.failure is not None
    assert expected.text.startswith(text_of(fold(reading.events)))
    assert "tool_call_completed" not in reading.kinds


def judge_ledger(reading: Reading, rows: Sequence[result_pb2.Attempt]) -> None:
    """Fail unless the ledger has one row for each attempt, each of them closed.

    Args:
        reading: of a run that has ended.
        rows: of the run.
    """
    started = _started(reading.events)
    assert [(row.number, row.model) for row in rows] == list(started.items())
    assert all(row.outcome for row in rows)
    assert all(row.usage.source for row in rows)
    shown = reading.failed.attempts if reading.failure else reading.completed.attempts
    for row, attempt in zip(rows, shown, strict=True):
        assert (row.outcome, row.usage) == (attempt.outcome, attempt.usage)


def text_of(message: message_pb2.Message) -> str:
    """Return a message's text."""
    return "".join(part.text for part in message.content)


def reasoning_of(message: message_pb2.Message) -> str:
    """Return a message's thoughts."""
    return "".join(part.reasoning.text for part in message.content)


def calls_of(message: message_pb2.Message) -> list[Call]:
    """Return a message's tool calls."""
    return [
        (part.tool_call.name, json.loads(part.tool_call.arguments or "{}"))
        for part in message.content
        if part.HasField("tool_call")
    ]


def _started(events: Sequence[event_pb2.ChatEvent]) -> dict[int, str]:
    """Return the models of attempts, by number, in the order of their start."""
    return {
        event.attempt: event.attempt_started.model
        for event in events
        if event.HasField("attempt_started")
    }


def _judge_attempts(reading: Reading) -> None:
    """Fail unless attempts follow each other, and nothing is said by one that is over."""
    going = 0
    for event in reading.events:
        match event.WhichOneof("kind"):
            case "attempt_started":
                assert going == 0, "two attempts at once"
                going = event.attempt
            case "attempt_failed":
                assert event.attempt == going
                going = 0
            case kind if kind in CONTENT or kind == "continuation_started":
                assert event.attempt == going, "something was said by nobody who was asked"
            case _:
                pass
    started = _started(reading.events)
    assert list(started) == list(range(1, len(started) + 1))
    failed = [event for event in reading.events if event.HasField("attempt_failed")]
    retried = [event.attempt_failed.will_retry for event in failed]
    if reading.failure is not None:
        assert len(failed) == len(started)
        assert retried == [True] * (len(failed) - 1) + [False]
        shown = reading.failure.attempts
    else:
        early = reading.completed.turn_ended_early
        assert len(failed) == len(started) - (not early)
        assert retried == [True] * (len(started) - 1) + [False] * early
        shown = list(reading.completed.attempts)
        last = result_pb2.ATTEMPT_OUTCOME_FAILED if early else result_pb2.ATTEMPT_OUTCOME_COMPLETED
        assert [attempt.outcome for attempt in shown] == [
            *[result_pb2.ATTEMPT_OUTCOME_FAILED] * (len(started) - 1),
            last,
        ]
        assert reading.completed.model == shown[-1].model
    assert [(attempt.number, attempt.model) for attempt in shown] == list(started.items())


def _judge_seams(events: Sequence[event_pb2.ChatEvent]) -> None:
    """Fail unless a seam stands wherever another attempt carries on what was delivered."""
    started = _started(events)
    living: list[event_pb2.ChatEvent] = []
    speaker = 0
    for event in events:
        kind = event.WhichOneof("kind")
        if kind == "continuation_started":
            seam = event.continuation_started
            assert living, "there is nothing to carry on"
            assert seam.from_model == started[speaker]
            assert seam.to_model == started[event.attempt]
            if seam.strategy == _VOIDING:
                assert seam.void_from_sequence == living[0].sequence
                living = []
            else:
                assert seam.strategy
                assert seam.void_from_sequence == 0
            speaker = event.attempt
        elif kind in CONTENT:
            assert not living or event.attempt == speaker, "a seam is missing"
            speaker = event.attempt
            living.append(event)


def _judge_calls(events: Sequence[event_pb2.ChatEvent]) -> None:
    """Fail unless calls begin once, end once, and are what their ends say."""
    pieces: dict[int, list[str]] = {}
    opened: dict[int, event_pb2.ToolCallStarted] = {}
    ids: Counter[str] = Counter()
    for event in events:
        match event.WhichOneof("kind"):
            case "tool_call_started":
                started = event.tool_call_started
                assert started.block not in opened
                ids[started.call_id] += 1
                opened[started.block], pieces[started.block] = started, []
            case "tool_call_delta":
                pieces[event.tool_call_delta.block].append(event.tool_call_delta.arguments)
            case "tool_call_completed":
                whole = event.tool_call_completed
                begun = opened.pop(whole.block)
                assert (whole.call_id, whole.name) == (begun.call_id, begun.name)
                arguments = "".join(pieces.pop(whole.block)).encode()
                assert whole.arguments_size == len(arguments)
                assert whole.arguments_sha256 == hashlib.sha256(arguments).digest()
                assert not arguments or isinstance(json.loads(arguments), dict)
            case "tool_call_aborted":
                aborted = event.tool_call_aborted
                assert opened.pop(aborted.block).call_id == aborted.call_id
                del pieces[aborted.block]
            case _:
                pass
    assert not opened, "a call was neither completed nor taken back"
    assert all(count == 1 for count in ids.values()), ids
