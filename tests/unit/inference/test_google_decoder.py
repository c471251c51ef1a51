"""What the decoders of the Google adapter know in the middle of a reply."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import Decoder, ProviderFailed, Target
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.fold import Fold
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, message_pb2, provider_pb2
from unit.inference.conformance.google_wire import (
    answer,
    call,
    chunk,
    end,
    error,
    frame,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import Block, fold

KEY = "AIza-canary-0123456789"
TARGET = Target(
    "acme",
    "gemini-3.8-flash",
    "https://acme.example/v1beta",
    secret=provider_pb2.ProviderSecret(api_key=KEY),
)


def begin(*, stream: bool = True) -> Decoder:
    """Return a fresh decoder."""
    return GoogleAdapter().decoder(TARGET, chat_pb2.ChatRequest(), stream=stream)


def fail(body: bytes) -> failure_pb2.AttemptFailure:
    """Return how a body fails."""
    decoder, drafts = begin(), Drafts()
    try:
        decoder.feed(body, drafts)
        decoder.end(drafts)
    except ProviderFailed as failed:
        return failed.failure
    raise AssertionError("it was taken for a whole answer")


@pytest.mark.parametrize(
    ("body", "finished", "complete"),
    [
        (b"", False, False),
        (text("Hello"), False, False),
        (text("Hello") + end(), True, True),
        # Usage from before the end may be of a part only.
        (text("Hello") + frame(answer(finish_reason="STOP")), True, False),
        (text("Hello") + frame(answer(finish_reason="STOP")) + text("more"), True, True),
        (frame(answer(finish_reason="FINISH_REASON_UNSPECIFIED")), False, False),
    ],
)
def test_when_an_answer_is_whole(body: bytes, finished: bool, complete: bool) -> None:
    """Finished with the finish reason; complete when its usage came too."""
    decoder = begin()
    decoder.feed(body, Drafts())
    assert (decoder.finished, decoder.complete) == (finished, complete)


def test_a_document_is_whole_at_its_end() -> None:
    """Nothing is known of a document before all of it came."""
    decoder, drafts = begin(stream=False), Drafts()
    decoder.feed(whole({"text": "Hi"}), drafts)
    assert (decoder.finished, decoder.complete, drafts.take()) == (False, False, [])
    decoder.end(drafts)
    assert fold(drafts.take()) == [Block("text", "Hi")]
    assert (decoder.finished, decoder.complete) == (True, True)


def test_a_call_is_whole_with_its_frame() -> None:
    """No end of block is waited for, since a call never comes in pieces."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(chunk({**call("f", {"a": 1}, id="x"), "thoughtSignature": "s"}), drafts)
    events = drafts.take()
    assert fold(events) == [Block("completed", '{"a": 1}', "x", "f", signature="s")]
    # The signature is there when the call is to be run.
    assert events[-1].WhichOneof("kind") == "tool_call_completed"


def test_all_text_of_a_read_is_one_event() -> None:
    """Whatever the number of frames, and with a signature at the end."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(text("a") * 50 + thought("b") * 50 + end({"text": "c"}), drafts)
    kinds = [event.WhichOneof("kind") for event in drafts.take()]
    assert kinds == ["text_delta", "reasoning_delta", "text_delta"]


def test_who_signed_is_told() -> None:
    """The issuer is the vendor, the model and the provider, and the message keeps it."""
    decoder, drafts = begin(), Drafts()
    picture = {"inlineData": {"mimeType": "image/png", "data": "AA=="}}
    decoder.feed(thought("Hm.", thoughtSignature="s") + chunk(picture), drafts)
    events = drafts.take()
    folded = Fold()
    for sequence, event in enumerate(events, 1):
        numbered = event_pb2.ChatEvent(sequence=sequence)
        numbered.MergeFrom(event)
        folded.feed(numbered)
    issuer = message_pb2.Provenance(vendor="google", model="gemini-3.8-flash", provider="acme")
    said, own = folded.message().content
    assert said.reasoning == message_pb2.Reasoning(text="Hm.")
    assert said.signature == message_pb2.Signature(value="s", issuer=issuer)
    assert own.provider_part == message_pb2.ProviderPart(
        issuer=issuer, type="inlineData", data_json=json.dumps(picture)
    )


def test_what_was_said_before_an_error_in_the_same_read_stays() -> None:
    """The drafts hold it when the decoder raises."""
    decoder, drafts = begin(), Drafts()
    with pytest.raises(ProviderFailed):
        decoder.feed(text("Hello") + frame(error("INTERNAL")), drafts)
    assert fold(drafts.take()) == [Block("text", "Hello")]


def test_the_words_of_an_error_in_a_stream_are_kept_and_masked() -> None:
    """They are shown as those of a refusal are, without the key, and with the wait."""
    said = error("UNAVAILABLE", f"Not {KEY}.", 503, ("RetryInfo", {"retryDelay": "2s"}))
    failure = fail(frame(said))
    assert failure.kind == failure_pb2.ERROR_KIND_SERVER_ERROR
    assert failure.message == "acme is overloaded or has failed."
    assert (failure.reply.http_status, failure.reply.code) == (200, "UNAVAILABLE")
    assert failure.reply.message == f"Not {MASK}."
    assert failure.reply.retry_after.seconds == 2
    assert "canary" not in str(failure)


def test_why_an_answer_came_to_nothing_is_kept() -> None:
    """The reason is the code, and its explanation the message."""
    said = answer(finish_reason="MALFORMED_FUNCTION_CALL")
    said["candidates"][0]["finishMessage"] = "Malformed function call: f("
    reply = fail(frame(said)).reply
    assert (reply.code, reply.message) == ("MALFORMED_FUNCTION_CALL", "Malformed function call: f(")


def test_the_start_of_a_page_is_kept() -> None:
    """Who looks for the fault sees what came in place of a stream."""
    failure = fail(b"<html>\n\n<body>Hello" + b"x" * 10_000)
    assert failure.message == "The answer of acme is no stream of events."
    assert failure.reply.body.startswith("<html> <body>Hello")
