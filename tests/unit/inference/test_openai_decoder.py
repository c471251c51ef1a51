"""What the decoders of the OpenAI adapter know in the middle of a reply."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.adapter import Decoder, ProviderFailed, Target
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import chat_pb2, failure_pb2, provider_pb2
from unit.inference.conformance.openai_streams import CALLED, END
from unit.inference.conformance.openai_wire import DONE, call, calls, chunk, frame, text, usage
from unit.inference.conformance.suite import Block, fold

USED = {"prompt_tokens": 1, "completion_tokens": 1}
KEY = "sk-canary-0123456789"


def begin(target: Target | None = None, *, stream: bool = True) -> Decoder:
    """Return a fresh decoder."""
    target = target or Target("acme", "acme-1", "https://acme.example/v1")
    return OpenAIAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)


@pytest.mark.parametrize(
    ("body", "finished", "complete"),
    [
        (b"", False, False),
        (text("Hello"), False, False),
        (chunk({"content": "Hello"}, usage=USED), False, False),
        (text("Hello") + END, True, False),
        (text("Hello") + END + usage(), True, True),
        (text("Hello") + END + DONE, True, True),
        (text("Hello") + chunk(finish_reason="stop", usage=USED), True, True),
        (text("Hello") + chunk(finish_reason="stop", x_groq={"usage": USED}), True, True),
        # Usage from before the end may be of a part only.
        (chunk({"content": "Hello"}, usage=USED) + END, True, False),
        (chunk({"content": "Hello"}, finish_reason=""), False, False),
    ],
)
def test_when_an_answer_is_whole(body: bytes, finished: bool, complete: bool) -> None:
    """Finished with the finish reason; complete when usage or the end marker came too."""
    decoder = begin()
    decoder.feed(body, Drafts())
    assert (decoder.finished, decoder.complete) == (finished, complete)


def test_a_document_is_whole_at_its_end() -> None:
    """Nothing is known of a document before all of it came."""
    decoder, drafts = begin(stream=False), Drafts()
    decoder.feed(b'{"choices": [{"message": {"content": "Hi"}, "finish_reason": "stop"}]}', drafts)
    assert (decoder.finished, decoder.complete, drafts.take()) == (False, False, [])
    decoder.end(drafts)
    assert fold(drafts.take()) == [Block("text", "Hi")]
    assert (decoder.finished, decoder.complete) == (True, True)


@pytest.mark.parametrize(
    "what_follows",
    [
        calls(call("", index=1, call_id="y", name="g")),
        text("Hello"),
        chunk({"reasoning": "Hm."}),
        CALLED,
    ],
)
def test_a_call_is_whole_when_something_else_begins(what_follows: bytes) -> None:
    """Arguments that parse are not enough: the next block or the finish reason tells."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(calls(call('{"a":1}', call_id="x", name="f")), drafts)
    events = drafts.take()
    assert fold(events) == [Block("open", '{"a":1}', "x", "f")]
    decoder.feed(what_follows, drafts)
    events += drafts.take()
    assert fold(events)[0] == Block("completed", '{"a":1}', "x", "f")


def test_what_was_said_before_an_error_in_the_same_read_stays() -> None:
    """The drafts hold it when the decoder raises."""
    decoder, drafts = begin(), Drafts()
    with pytest.raises(ProviderFailed):
        decoder.feed(text("Hello") + frame({"error": {"message": "Oh."}}), drafts)
    assert fold(drafts.take()) == [Block("text", "Hello")]


def test_the_words_of_an_error_in_a_stream_are_kept_and_masked() -> None:
    """They are shown as those of a refusal are, without the key."""
    target = Target(
        "acme",
        "acme-1",
        "https://acme.example/v1",
        secret=provider_pb2.ProviderSecret(api_key=KEY),
    )
    with pytest.raises(ProviderFailed) as failed:
        begin(target).feed(frame({"error": {"message": f"Not {KEY}.", "code": "c"}}), Drafts())
    assert failed.value.failure == failure_pb2.AttemptFailure(
        kind=failure_pb2.ERROR_KIND_SERVER_ERROR,
        message="acme is overloaded or has failed.",
        reply=failure_pb2.ProviderReply(
            http_status=200,
            code="c",
            message=f"Not {MASK}.",
            body=f'{{"error": {{"message": "Not {MASK}.", "code": "c"}}}}',
        ),
    )


def test_the_start_of_a_page_is_kept() -> None:
    """Who looks for the fault sees what came in place of a stream."""
    decoder, drafts = begin(), Drafts()
    page = b"<html>\n\n<body>Hello" + b"x" * 10_000
    decoder.feed(page, drafts)
    with pytest.raises(ProviderFailed) as failed:
        decoder.end(drafts)
    assert failed.value.failure.message == "The answer of acme is no stream of events."
    assert failed.value.failure.reply.body.startswith("<html> <body>Hello")
