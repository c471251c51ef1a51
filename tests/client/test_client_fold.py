"""The client's fold against the rule of `event.proto`, written a second time."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.folding import fold
from trunkline.inference.v1 import event_pb2, message_pb2
from trunkline_client.fold import Fold

_Event = event_pb2.ChatEvent
_ISSUER = message_pb2.Provenance(vendor="maker", model="m-1")
_WORDS = st.lists(st.text(min_size=1, max_size=6), min_size=1, max_size=3)


@st.composite
def _block(draw: st.DrawFn, number: int) -> list[_Event]:
    """Make the events of one block, of which some never come to their end."""
    words, is_whole = draw(_WORDS), draw(st.booleans())
    events: list[_Event] = []
    kind = draw(st.sampled_from(["text", "refusal", "reasoning", "call", "provider", "proof"]))
    match kind:
        case "text" | "refusal":
            for word in words:
                delta = event_pb2.TextDelta(block=number, text=word, refusal=kind == "refusal")
                events.append(_Event(text_delta=delta))
            if is_whole:
                citation = message_pb2.Citation(url=words[0])
                cited = event_pb2.CitationAdded(block=number, citation=citation)
                events.append(_Event(citation_added=cited))
        case "reasoning":
            for word in words:
                thought = event_pb2.ReasoningDelta(block=number, text=word)
                events.append(_Event(reasoning_delta=thought))
        case "call":
            begun = event_pb2.ToolCallStarted(block=number, call_id=f"call_{number}", name="look")
            events.append(_Event(tool_call_started=begun))
            for word in words:
                more = event_pb2.ToolCallDelta(block=number, arguments=word)
                events.append(_Event(tool_call_delta=more))
            if is_whole:
                digest = hashlib.sha256("".join(words).encode()).digest()
                whole = event_pb2.ToolCallCompleted(block=number, arguments_sha256=digest)
                events.append(_Event(tool_call_completed=whole))
            elif draw(st.booleans()):
                aborted = event_pb2.ToolCallAborted(block=number)
                events.append(_Event(tool_call_aborted=aborted))
        case "provider":
            for place, word in enumerate(words):
                part = event_pb2.ProviderPartDelta(block=number, data_json=word)
                if place == 0:
                    part.issuer.CopyFrom(_ISSUER)
                    part.type = "trace"
                part.last = is_whole and place == len(words) - 1
                events.append(_Event(provider_part_delta=part))
    if kind == "proof" or draw(st.booleans()):
        for word in words:
            signature = message_pb2.Signature(value=word, issuer=_ISSUER)
            proof = event_pb2.ReasoningSignature(
                block=number, signature=signature, redacted=kind == "proof" and is_whole
            )
            events.append(_Event(reasoning_signature=proof))
    return events


@st.composite
def _runs(draw: st.DrawFn) -> list[_Event]:
    """Make the events of a run, with seams and turns."""
    events: list[_Event] = [_Event(run_started=event_pb2.RunStarted(run_id="run_1"))]
    for _ in range(draw(st.integers(1, 3))):
        for number in range(draw(st.integers(0, 4))):
            events += draw(_block(number))
        match draw(st.sampled_from(["seam", "restart", "turn", "usage"])):
            case "seam":
                # What goes on in the same block would need its kind: a new turn follows.
                seam = event_pb2.ContinuationStarted(void_from_sequence=0)
                events.append(_Event(continuation_started=seam))
                events.append(_Event(turn_completed=event_pb2.TurnCompleted(turn=1)))
            case "restart":
                seam = event_pb2.ContinuationStarted(void_from_sequence=1)
                events.append(_Event(continuation_started=seam))
            case "turn":
                events.append(_Event(turn_completed=event_pb2.TurnCompleted(turn=1)))
            case _:
                break
    for sequence, event in enumerate(events, 1):
        event.sequence = sequence
    return events


@given(_runs(), st.integers(0, 60))
def test_events_fold_to_their_message(events: list[_Event], start: int) -> None:
    """At every point, also when a seam voids the end of what was said from anywhere on."""
    if 0 < start <= len(events):
        seam = event_pb2.ContinuationStarted(void_from_sequence=start)
        events.append(_Event(sequence=len(events) + 1, continuation_started=seam))
    folding = Fold()
    for count, event in enumerate(events, 1):
        folding.feed(event)
        message = folding.message()
        assert message == fold(events[:count])
        assert folding.text() == "".join(part.text for part in message.content)


def test_arguments_that_are_not_those_sent_are_found() -> None:
    """A call is completed with the hash of its arguments, and no function sees others."""
    folding = Fold()
    folding.feed(_Event(tool_call_started=event_pb2.ToolCallStarted(call_id="call_1")))
    folding.feed(_Event(tool_call_delta=event_pb2.ToolCallDelta(arguments="{}")))
    whole = event_pb2.ToolCallCompleted(
        call_id="call_1", arguments_sha256=hashlib.sha256(b"{ }").digest()
    )
    with pytest.raises(ValueError, match="call_1"):
        folding.feed(_Event(tool_call_completed=whole))


def test_rest_of_a_run_folds_to_what_is_known_of_it() -> None:
    """Who reads from the middle gets no half calls, and no error."""
    folding = Fold()
    folding.feed(_Event(tool_call_delta=event_pb2.ToolCallDelta(arguments='"}')))
    digest = hashlib.sha256(b'{"a": "b"}').digest()
    whole = event_pb2.ToolCallCompleted(call_id="call_1", arguments_sha256=digest)
    folding.feed(_Event(tool_call_completed=whole))
    folding.feed(_Event(text_delta=event_pb2.TextDelta(block=1, text="rest")))
    assert [part.text for part in folding.message().content] == ["rest"]
