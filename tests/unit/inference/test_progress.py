"""How far an answer has come: seams, losses, and what another process wrote."""

from __future__ import annotations

from typing import Final

from support.bare_runs import attempt_of, candidate
from support.fake_runs import text, tool_call
from trunkline.inference.continuation import Continuation
from trunkline.inference.fold import Delivered
from trunkline.inference.progress import Progress
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2, result_pb2

PREFILL: Final = result_pb2.CONTINUATION_STRATEGY_PREFILL
RESTART: Final = result_pb2.CONTINUATION_STRATEGY_RESTART
AFRESH: Final = Continuation(result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED, chat_pb2.ChatRequest())
SAID: Final = Delivered(
    2, has_whole_call=False, has_text=True, text="So", text_block=0, last_block=0
)


def _loss(path: str) -> result_pb2.Loss:
    return result_pb2.Loss(path=path)


def test_first_attempt_has_no_seam() -> None:
    """Where nothing was said before, nobody is told of a change."""
    progress = Progress(chat_pb2.ChatRequest())
    attempt = attempt_of(candidate("openai", "a"), AFRESH)
    assert progress.switch(attempt) is None
    assert attempt.is_joined
    assert progress.speaker == "openai/a"


def test_seam_names_who_broke_off_and_who_goes_on() -> None:
    """A seam tells both models, the way, and from where on what was said is void."""
    progress = Progress(chat_pb2.ChatRequest())
    progress.switch(attempt_of(candidate("openai", "a"), AFRESH))
    anew = Continuation(RESTART, chat_pb2.ChatRequest(), void_from=2)
    assert progress.switch(attempt_of(candidate("google", "b"), anew, number=2)) == (
        event_pb2.ContinuationStarted(
            from_model="openai/a", to_model="google/b", strategy=RESTART, void_from_sequence=2
        )
    )
    on = Continuation(PREFILL, chat_pb2.ChatRequest(), delivered=SAID)
    assert progress.switch(attempt_of(candidate("ollama", "c"), on, number=3)) == (
        event_pb2.ContinuationStarted(from_model="google/b", to_model="ollama/c", strategy=PREFILL)
    )


def test_ids_of_the_transcript_are_taken() -> None:
    """A provider may give a new call the id of an older one, which the run must not."""
    call = message_pb2.Part(tool_call=message_pb2.ToolCall(id="call_0", name="weather"))
    asked = chat_pb2.ChatRequest(
        messages=[message_pb2.Message(role=message_pb2.ROLE_ASSISTANT, content=[call])]
    )
    assert Progress(asked).call_ids == {"call_0"}


def test_losses_are_those_of_the_answer() -> None:
    """Who gives the whole answer has its own losses; who carries one on adds to them."""
    progress = Progress(chat_pb2.ChatRequest())
    first = attempt_of(candidate("openai", "a"), AFRESH)
    progress.switch(first)
    assert progress.lose(first, [_loss("sampling.top_k")])[0].attempt == 1
    on = attempt_of(
        candidate("google", "b"),
        Continuation(PREFILL, chat_pb2.ChatRequest(), delivered=SAID),
        number=2,
    )
    progress.switch(on)
    progress.lose(on, [_loss("tools[0]")])
    assert [(loss.path, loss.attempt) for loss in progress.losses] == [
        ("sampling.top_k", 1),
        ("tools[0]", 2),
    ]
    anew = attempt_of(
        candidate("ollama", "c"),
        Continuation(RESTART, chat_pb2.ChatRequest(), void_from=2),
        number=3,
    )
    progress.switch(anew)
    assert progress.losses == []


def test_attempts_stand_in_the_order_of_their_start() -> None:
    """A hedge's attempts end in any order."""
    progress = Progress(chat_pb2.ChatRequest())
    for number in (2, 1, 3):
        progress.note(result_pb2.Attempt(number=number))
    assert [attempt.number for attempt in progress.attempts] == [1, 2, 3]


def test_what_another_process_wrote_is_recalled() -> None:
    """A takeover knows what was said, who spoke, how many were asked, and which ids are taken."""
    events = [
        event_pb2.ChatEvent(run_started=event_pb2.RunStarted(run_id="run_1")),
        event_pb2.ChatEvent(attempt=1, attempt_started=event_pb2.AttemptStarted(model="p/a")),
        text("So it "),
        event_pb2.ChatEvent(attempt=2, attempt_started=event_pb2.AttemptStarted(model="p/b")),
        event_pb2.ChatEvent(
            attempt=2,
            continuation_started=event_pb2.ContinuationStarted(
                from_model="p/a", to_model="p/b", strategy=PREFILL
            ),
        ),
        text("goes."),
        *tool_call("weather", "{}", block=1, call_id="call_1"),
    ]
    progress = Progress(chat_pb2.ChatRequest())
    for sequence, event in enumerate(events, 1):
        event.sequence = sequence
        progress.recall(event)
    assert [part.text for part in progress.fold.message().content[:1]] == ["So it goes."]
    assert progress.attempt_count == 2
    assert progress.speaker == "p/b"
    assert progress.call_ids == {"call_1"}
    delivered = progress.fold.delivered()
    assert delivered is not None
    assert delivered.has_whole_call
