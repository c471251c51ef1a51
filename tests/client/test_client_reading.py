"""A reading asks for what is new, and takes nothing twice and nothing out of order."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from client.recorder import completed, text
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, run_pb2
from trunkline_client import CallTimedOut, DamagedStream, Patience, SequenceGap, TrunklineError
from trunkline_client.reading import LoopReading, Reading, find_run_id
from trunkline_client.resumption import Budget
from trunkline_client.tool import Toolbox

_REQUEST = chat_pb2.ChatRequest(model="a/b", idempotency_key="key_1", on_behalf_of="ann")


def _reading(deadline_s: float = 100.0) -> Reading:
    return Reading(Budget(Patience(), 1), deadline_s, _REQUEST)


def _started(sequence: int = 1) -> event_pb2.ChatEvent:
    started = event_pb2.RunStarted(run_id="run_1")
    return event_pb2.ChatEvent(sequence=sequence, run_started=started)


def _numbered(event: event_pb2.ChatEvent, sequence: int) -> event_pb2.ChatEvent:
    event.sequence = sequence
    return event


def test_run_is_begun_until_it_is_known_and_then_resumed() -> None:
    """The request is the same one each time; the rest is asked for by number and user."""
    reading = _reading()
    assert reading.opening() is _REQUEST
    reading.begin("")
    assert reading.opening() is _REQUEST
    reading.begin(find_run_id((("other", "a"), ("trunkline-run-id", "run_1"))))
    assert reading.opening() == run_pb2.ResumeChatRequest(run_id="run_1", on_behalf_of="ann")
    reading.take(_started())
    assert reading.opening() == run_pb2.ResumeChatRequest(
        run_id="run_1", after_sequence=1, on_behalf_of="ann"
    )


def test_event_that_was_read_is_passed_over() -> None:
    """A request that was sent again begins at the first event."""
    reading = _reading()
    assert reading.take(_started()) is not None
    assert reading.take(_numbered(text("One"), 2)) is not None
    assert reading.take(_started()) is None
    assert reading.take(_numbered(text("One"), 2)) is None
    assert reading.text == "One"


def test_missing_event_is_an_error() -> None:
    """What came before it is known, and what it says is not taken."""
    reading = _reading()
    reading.take(_started())
    with pytest.raises(SequenceGap) as caught:
        reading.take(_numbered(text("two"), 3))
    assert isinstance(caught.value, DamagedStream)
    assert (caught.value.run_id, caught.value.last_sequence) == ("run_1", 1)
    assert reading.text == ""


def test_kind_of_a_newer_server_is_counted_and_passed_over() -> None:
    """Its number is no gap, and it is not yielded."""
    reading = _reading()
    reading.take(_started())
    assert reading.take(event_pb2.ChatEvent(sequence=2)) is None
    assert reading.take(_numbered(text("One"), 3)) is not None


def test_message_of_the_last_event_counts() -> None:
    """What the server says the answer is, it is."""
    reading = _reading()
    reading.take(_started())
    reading.take(_numbered(completed("Whole"), 2))
    reading.end()
    assert reading.answer().text == "Whole"


def test_wait_beyond_the_callers_time_is_not_begun() -> None:
    """The error says what kept it."""
    reading = _reading(deadline_s=10.0)
    error = TrunklineError("Socket closed")
    assert reading.recover(error, 9.0) < 1.0
    with pytest.raises(CallTimedOut, match="Socket closed"):
        reading.recover(error, 10.0)


def test_new_call_says_what_was_not_accepted_yet() -> None:
    """First where to go on, then each result that may not have arrived; no other."""
    start = run_pb2.ConverseStart(chat=_REQUEST)
    reading = LoopReading(Budget(Patience(), 1), 100.0, start, Toolbox.of({}))
    assert reading.first_words() == [run_pb2.ConverseRequest(start=start)]
    reading.take(_started())
    for call_id in ("call_1", "call_2"):
        reading.settle(message_pb2.ToolResult(call_id=call_id))
    accepted = event_pb2.ToolResultAccepted(call_id="call_1")
    reading.take(event_pb2.ChatEvent(sequence=2, tool_result_accepted=accepted))
    rest = run_pb2.ResumeChatRequest(run_id="run_1", after_sequence=2, on_behalf_of="ann")
    assert reading.first_words() == [
        run_pb2.ConverseRequest(attach=rest),
        run_pb2.ConverseRequest(tool_result=message_pb2.ToolResult(call_id="call_2")),
    ]


def test_event_shows_what_it_says() -> None:
    """Kind, number, attempt, time, and the contract's own message."""
    raw = event_pb2.ChatEvent(sequence=1, attempt=2)
    raw.run_started.run_id = "run_1"
    raw.time.FromSeconds(60)
    event = _reading().take(raw)
    assert event is not None
    assert (event.kind, event.sequence, event.attempt) == ("run_started", 1, 2)
    assert event.time == datetime(1970, 1, 1, 0, 1, tzinfo=UTC)
    assert event.fact == event_pb2.RunStarted(run_id="run_1")
    assert (event.text, event.voids, event.raw) == ("", False, raw)
