"""The demonstration says that nothing was lost only where nothing was."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import pytest

from trunkline.cli.demo_evidence import Evidence, Step, find_faults
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2

ANSWER: Final = "One two."
STEPS: Final = (
    Step("a/x", result_pb2.ATTEMPT_OUTCOME_FAILED),
    Step("b/y", result_pb2.ATTEMPT_OUTCOME_COMPLETED, result_pb2.CONTINUATION_STRATEGY_PREFILL),
)


def events() -> list[event_pb2.ChatEvent]:
    """Return the events of a chat in which nothing was lost."""
    completed = result_pb2.Completed(
        message=message_pb2.Message(content=[message_pb2.Part(text=ANSWER)]),
        attempts=[
            result_pb2.Attempt(model=step.model, outcome=step.outcome, continuation=step.strategy)
            for step in STEPS
        ],
    )
    return [
        event_pb2.ChatEvent(sequence=1, text_delta=event_pb2.TextDelta(text="One ")),
        event_pb2.ChatEvent(sequence=2, continuation_started=event_pb2.ContinuationStarted()),
        event_pb2.ChatEvent(sequence=3, text_delta=event_pb2.TextDelta(text="two.")),
        event_pb2.ChatEvent(sequence=4, completed=completed),
    ]


def evidence() -> Evidence:
    """Return what came of it."""
    return Evidence("chat", "run_1", tuple(events()), tuple(events()), ("x", "y"))


def test_a_chat_in_which_all_is_well_has_no_faults() -> None:
    """The steps were those that were meant, and every word is there."""
    assert find_faults(evidence(), ANSWER, STEPS) == []


@pytest.mark.parametrize("numbers", [(0, 1, 3), (0, 1, 2, 2, 3), (1, 0, 2, 3)])
def test_a_lost_or_repeated_event_is_found(numbers: tuple[int, ...]) -> None:
    """By its number, whoever else got the same."""
    told = tuple(events()[number] for number in numbers)
    faults = find_faults(replace(evidence(), events=told, again=told), ANSWER, STEPS)
    assert "chat: Its events are not numbered from 1 without a gap." in faults


def test_a_reader_who_got_other_events_is_found() -> None:
    """Byte for byte."""
    again = events()
    again[0].time.seconds = 1
    faults = find_faults(replace(evidence(), again=tuple(again)), ANSWER, STEPS)
    assert faults == ["chat: A second reader got other events."]


@pytest.mark.parametrize("place", [0, 3])
def test_a_word_that_is_not_the_models_is_found(place: int) -> None:
    """In what the events say, and in the message as a whole."""
    told = events()
    told[place].text_delta.text = "One One "
    faults = find_faults(replace(evidence(), events=tuple(told), again=tuple(told)), ANSWER, STEPS)
    assert "chat: Its text is not the answer, word for word." in faults


def test_another_way_than_the_meant_one_is_found() -> None:
    """An answer that came without its seam shows nothing."""
    faults = find_faults(evidence(), ANSWER, STEPS[1:])
    assert "chat: It took other attempts than it was meant to." in faults


@pytest.mark.parametrize("asked", [("x",), ("x", "y", "y"), ("y", "x")])
def test_a_provider_that_was_asked_otherwise_is_found(asked: tuple[str, ...]) -> None:
    """By what it saw itself."""
    faults = find_faults(replace(evidence(), asked=asked), ANSWER, STEPS)
    assert faults == ["chat: The provider was asked otherwise than the attempts say."]


def test_a_chat_without_events_is_lost() -> None:
    """Nothing that was read is not nothing lost."""
    faults = find_faults(Evidence("chat", "run_1", (), (), ()), ANSWER, STEPS)
    assert len(faults) == 3
