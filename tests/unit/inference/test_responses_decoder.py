"""What the decoders of Responses know in the middle of a reply."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.adapter import Decoder, ProviderFailed, Target
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, message_pb2
from unit.inference.conformance.responses_wire import (
    START,
    added,
    argued,
    begun,
    delta,
    done,
    end,
    event,
    frame,
    function,
    output_text,
    said,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import Block, fold

ACCOUNT = Target(
    "mine", "gpt-5.6-sol", "https://api.openai.com/v1", credential_id="cred_1", type="openai"
)


def begin(*, stream: bool = True) -> Decoder:
    """Return a fresh decoder."""
    return ResponsesAdapter().decoder(ACCOUNT, chat_pb2.ChatRequest(), stream=stream)


@pytest.mark.parametrize(
    ("body", "ended"),
    [
        (b"", False),
        (START + text("Hello"), False),
        (START + text("Hello") + event("output_text.done"), False),
        (START + text("Hello") + end(), True),
        (START + text("Hello") + end("incomplete"), True),
    ],
)
def test_when_an_answer_is_whole(body: bytes, *, ended: bool) -> None:
    """With the last event, which brings the usage: nothing more is worth waiting for."""
    decoder = begin()
    decoder.feed(body, Drafts())
    assert (decoder.finished, decoder.complete) == (ended, ended)


def test_a_document_is_whole_at_its_end() -> None:
    """Nothing is known of a document before all of it came."""
    decoder, drafts = begin(stream=False), Drafts()
    decoder.feed(whole(said(output_text("Hi"))), drafts)
    assert (decoder.finished, decoder.complete, drafts.take()) == (False, False, [])
    decoder.end(drafts)
    assert fold(drafts.take()) == [Block("text", "Hi")]
    assert (decoder.finished, decoder.complete) == (True, True)


def test_a_call_is_whole_with_the_end_of_its_item() -> None:
    """Neither arguments that parse nor that they are said to be all will do."""
    decoder, drafts = begin(), Drafts()
    events: list[event_pb2.ChatEvent] = []
    for piece in (
        added(function("")) + argued("{}"),
        event("function_call_arguments.done", output_index=0, arguments="{}"),
        text("Hello", index=1),
    ):
        decoder.feed(piece, drafts)
        events += drafts.take()
        assert fold(events)[0] == Block("open", "{}", "x", "f")
    decoder.feed(done(function("{}")), drafts)
    events += drafts.take()
    assert fold(events)[0] == Block("completed", "{}", "x", "f")


def test_one_read_is_one_event_of_a_text() -> None:
    """However many pieces it brings."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(begun() + delta("Hel") + delta("lo") + delta("!"), drafts)
    (told,) = drafts.take()
    assert told.text_delta.text == "Hello!"


def test_a_thought_says_who_made_it() -> None:
    """Vendor, model, provider and account, so that it goes back to nobody else."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(done(thought("Hm.")), drafts)
    _, proof = drafts.take()
    assert proof.reasoning_signature.signature == message_pb2.Signature(
        value="gAAA",
        issuer=message_pb2.Provenance(
            vendor="openai", model="gpt-5.6-sol", provider="mine", credential_id="cred_1"
        ),
    )


def test_what_was_said_before_an_error_in_the_same_read_stays() -> None:
    """The drafts hold it when the decoder raises."""
    decoder, drafts = begin(), Drafts()
    with pytest.raises(ProviderFailed):
        decoder.feed(begun() + delta("Hello") + frame({"type": "error", "code": "x"}), drafts)
    assert fold(drafts.take()) == [Block("text", "Hello")]
