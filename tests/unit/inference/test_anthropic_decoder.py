"""What the decoders of the Anthropic adapter know in the middle of a reply."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.adapter import Decoder, ProviderFailed, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.fold import Fold
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import (
    chat_pb2,
    event_pb2,
    failure_pb2,
    message_pb2,
    provider_pb2,
    result_pb2,
)
from unit.inference.conformance.anthropic_wire import (
    STOP,
    call,
    delta,
    end,
    error,
    message_delta,
    message_start,
    start,
    stop,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import Block, fold

KEY = "sk-canary-0123456789"
TARGET = Target("anthropic", "claude-1", "https://api.anthropic.com/v1")
ISSUER = message_pb2.Provenance(vendor="anthropic", model="claude-1", provider="anthropic")


def begin(target: Target = TARGET, *, stream: bool = True) -> Decoder:
    """Return a fresh decoder."""
    return AnthropicAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"", False),
        (message_start(), False),
        (message_start() + text("Hello"), False),
        (message_start() + text("Hello") + message_delta(), False),
        (message_start() + text("Hello") + end(), True),
        (message_start() + text("Hello") + end()[:-1], False),
    ],
)
def test_when_an_answer_of_anthropic_is_whole(body: bytes, whole: bool) -> None:
    """With `message_stop`, after which nothing is worth waiting for."""
    decoder = begin()
    decoder.feed(body, Drafts())
    assert (decoder.finished, decoder.complete) == (whole, whole)


def test_nothing_is_said_before_there_are_words() -> None:
    """The start of an answer and of its blocks is no content: it would count as a first token."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(message_start() + start(0, {"type": "text", "text": ""}), drafts)
    assert drafts.take() == []
    decoder.feed(start(1, {"type": "thinking", "thinking": ""}), drafts)
    assert drafts.take() == []
    decoder.feed(delta(1, "thinking_delta", thinking="Hm."), drafts)
    assert fold(drafts.take()) == [Block("reasoning", "Hm.")]


def test_a_message_is_whole_at_its_end() -> None:
    """Nothing is known of a document before all of it came."""
    decoder, drafts = begin(stream=False), Drafts()
    decoder.feed(whole({"type": "text", "text": "Hi"}), drafts)
    assert (decoder.finished, decoder.complete, drafts.take()) == (False, False, [])
    decoder.end(drafts)
    assert fold(drafts.take()) == [Block("text", "Hi")]
    assert (decoder.finished, decoder.complete) == (True, True)


def test_a_call_is_whole_at_the_end_of_its_block() -> None:
    """Arguments that parse are not enough."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(message_start() + call('{"a":1}').removesuffix(stop(0)), drafts)
    events = drafts.take()
    assert fold(events) == [Block("open", '{"a":1}', "toolu_1", "f")]
    decoder.feed(stop(0), drafts)
    events += drafts.take()
    assert fold(events) == [Block("completed", '{"a":1}', "toolu_1", "f")]


@pytest.mark.parametrize(
    "what_follows", [start(1, {"type": "text", "text": ""}), call(index=1), end("tool_use")]
)
def test_a_call_without_arguments_is_whole_when_something_follows(what_follows: bytes) -> None:
    """Its block ends alike when the token limit has cut it."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(message_start() + call(), drafts)
    events = drafts.take()
    assert fold(events) == [Block("open", "", "toolu_1", "f")]
    decoder.feed(what_follows, drafts)
    events += drafts.take()
    assert fold(events)[0] == Block("completed", "", "toolu_1", "f")


def test_the_events_fold_to_a_message_that_can_be_sent_back() -> None:
    """Thoughts and own blocks name who issued them, and go out again as they came."""
    body = (
        message_start()
        + thought("Hm.", signature="Eq1")
        + start(1, {"type": "redacted_thinking", "data": "Em9"})
        + stop(1)
        + start(2, {"type": "web_search_tool_result", "tool_use_id": "s", "content": []})
        + stop(2)
        + text("Hello", index=3)
        + end()
    )
    decoder, drafts, folding = begin(), Drafts(), Fold()
    decoder.feed(body, drafts)
    for sequence, event in enumerate(drafts.take(), 1):
        folding.feed(
            event_pb2.ChatEvent.FromString(event.SerializeToString() + sequenced(sequence))
        )
    message = folding.message()
    assert [part.signature.issuer for part in message.content[:2]] == [ISSUER, ISSUER]
    assert message.content[2].provider_part.issuer == ISSUER
    hello = message_pb2.Message(role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hi")])
    request = chat_pb2.ChatRequest(messages=[hello, message, hello])
    built = AnthropicAdapter().build_chat(TARGET, request, stream=True)
    assert built.losses == ()
    assert (
        b'"content":[{"type":"thinking","thinking":"Hm.","signature":"Eq1"},'
        b'{"type":"redacted_thinking","data":"Em9"},'
        b'{"type":"web_search_tool_result","tool_use_id":"s","content":[]},'
        b'{"type":"text","text":"Hello"}]'
    ) in built.request.content


def sequenced(sequence: int) -> bytes:
    """Return what numbers an event."""
    return event_pb2.ChatEvent(sequence=sequence).SerializeToString()


def test_what_was_said_before_an_error_of_anthropic_stays() -> None:
    """The drafts hold it when the decoder raises."""
    decoder, drafts = begin(), Drafts()
    with pytest.raises(ProviderFailed):
        decoder.feed(message_start() + text("Hello") + error("overloaded_error"), drafts)
    assert fold(drafts.take()) == [Block("text", "Hello")]


def test_the_words_of_an_error_event_are_kept_and_masked() -> None:
    """They are shown as those of a refusal are, with the request's id and without the key."""
    target = Target(
        "anthropic",
        "claude-1",
        "https://api.anthropic.com/v1",
        secret=provider_pb2.ProviderSecret(api_key=KEY),
    )
    with pytest.raises(ProviderFailed) as failed:
        begin(target).feed(error("overloaded_error", f"Not {KEY}."), Drafts())
    assert failed.value.failure == failure_pb2.AttemptFailure(
        kind=failure_pb2.ERROR_KIND_SERVER_ERROR,
        message="anthropic is overloaded or has failed.",
        reply=failure_pb2.ProviderReply(
            http_status=200,
            code="overloaded_error",
            message=f"Not {MASK}.",
            body='{"type":"error","error":{"type":"overloaded_error",'
            f'"message":"Not {MASK}."}},"request_id":"req_1"}}',
            request_id="req_1",
        ),
    )


def test_the_stop_sequence_that_was_met_is_told() -> None:
    """It comes beside the stop reason, in a stream and without one."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(message_start() + end("stop_sequence", stop_sequence="###"), drafts)
    assert decoder.end(drafts).stop_sequence == "###"
    decoder = begin(stream=False)
    decoder.feed(whole(stop_reason="stop_sequence", stop_sequence="###"), drafts)
    assert decoder.end(drafts).stop_sequence == "###"
    decoder = begin()
    decoder.feed(message_start() + message_delta() + STOP, drafts)
    assert decoder.end(drafts).stop_sequence == ""


def test_losses_of_an_answer_are_not_shared() -> None:
    """Each answer has its own, since the run writes into them."""
    losses: list[result_pb2.Loss] = []
    for _ in range(2):
        decoder, drafts = begin(), Drafts()
        decoder.feed(message_start() + b"data: {\n\n" + text("Hello") + end(), drafts)
        losses += decoder.end(drafts).losses
    losses[0].attempt = 7
    assert [loss.attempt for loss in losses] == [7, 0]
