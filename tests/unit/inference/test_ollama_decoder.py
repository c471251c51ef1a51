"""What the decoders of the Ollama adapter know in the middle of a reply, and of large ones."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.adapter import Decoder, ProviderFailed, Target
from trunkline.inference.adapters.bodies import MAX_BODY
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import MAX_FRAME
from trunkline.inference.masking import MASK
from trunkline.inference.transcript import MAX_ARGUMENTS_BYTES
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, provider_pb2
from unit.inference.conformance.ollama_wire import call, calls, end, error, said, text, whole
from unit.inference.conformance.suite import MAX_EVENT, Block, fold, split

KEY = "canary-0123456789"


def begin(target: Target | None = None, *, stream: bool = True) -> Decoder:
    """Return a fresh decoder."""
    target = target or Target("acme", "acme-1", "http://127.0.0.1:11434")
    return OllamaAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)


def read(body: bytes, *, size: int, stream: bool = True) -> list[event_pb2.ChatEvent]:
    """Read a body in pieces of `size` bytes; return the events."""
    decoder, drafts = begin(stream=stream), Drafts()
    events = []
    for piece in split(body, range(0, len(body), size)):
        decoder.feed(piece, drafts)
        events += drafts.take()
    decoder.end(drafts)
    return events + drafts.take()


def fail(body: bytes, *, size: int, stream: bool = True) -> failure_pb2.AttemptFailure:
    """Return how reading a body fails."""
    with pytest.raises(ProviderFailed) as failed:
        read(body, size=size, stream=stream)
    return failed.value.failure


@pytest.mark.parametrize(
    ("body", "whole"),
    [
        (b"", False),
        (text("Hello"), False),
        (calls(call("f", {})), False),
        (text("Hello") + end(), True),
        (text("Hello") + end(None), True),
        # Without its end the last line may go on.
        (text("Hello") + end().strip(), False),
        (text("Hello") + end() + text("Hello"), True),
    ],
)
def test_when_an_answer_of_ollama_is_whole(body: bytes, whole: bool) -> None:
    """The line that says so brings the usage too: nothing more is waited for."""
    decoder = begin()
    decoder.feed(body, Drafts())
    assert (decoder.finished, decoder.complete) == (whole, whole)


def test_a_document_of_ollama_is_whole_at_its_end() -> None:
    """Nothing is known of a document before all of it came."""
    decoder, drafts = begin(stream=False), Drafts()
    decoder.feed(whole({"content": "Hi"}), drafts)
    assert (decoder.finished, decoder.complete, drafts.take()) == (False, False, [])
    decoder.end(drafts)
    assert fold(drafts.take()) == [Block("text", "Hi")]
    assert (decoder.finished, decoder.complete) == (True, True)


def test_a_call_of_ollama_is_whole_at_once() -> None:
    """Calls never come in pieces: it can be run before the answer has ended."""
    decoder, drafts = begin(), Drafts()
    decoder.feed(calls(call("f", {"a": 1}, "x")), drafts)
    assert fold(drafts.take()) == [Block("completed", '{"a":1}', "x", "f")]


def test_all_texts_of_a_read_are_one_event() -> None:
    """As long as one block is open."""
    body = b"".join(text(f"{n} ") for n in range(100)) + said(thinking="Hm.") + end()
    kinds = [event.WhichOneof("kind") for event in read(body, size=len(body))]
    assert kinds == ["text_delta", "reasoning_delta"]


def test_what_was_said_before_an_error_of_ollama_in_the_same_read_stays() -> None:
    """The drafts hold it when the decoder raises."""
    decoder, drafts = begin(), Drafts()
    with pytest.raises(ProviderFailed):
        decoder.feed(text("Hello") + error("Oh."), drafts)
    assert fold(drafts.take()) == [Block("text", "Hello")]


def test_the_words_of_an_error_in_a_stream_of_ollama_are_kept_and_masked() -> None:
    """They are shown as those of a refusal are, without the key."""
    target = Target(
        "acme", "acme-1", "https://ollama.com", secret=provider_pb2.ProviderSecret(api_key=KEY)
    )
    with pytest.raises(ProviderFailed) as failed:
        begin(target).feed(error(f"Not {KEY}."), Drafts())
    assert failed.value.failure == failure_pb2.AttemptFailure(
        kind=failure_pb2.ERROR_KIND_SERVER_ERROR,
        message="acme is overloaded or has failed.",
        reply=failure_pb2.ProviderReply(
            http_status=200, message=f"Not {MASK}.", body=f'{{"error":"Not {MASK}."}}'
        ),
    )


def test_the_start_of_a_page_in_place_of_lines_is_kept() -> None:
    """Who looks for the fault sees what came in place of a stream."""
    failure = fail(b"<html>\n\n<body>Hello" + b"x" * 10_000, size=1_000)
    assert failure.message == "The answer of acme is no stream of lines."
    assert failure.reply.body.startswith("<html> <body>Hello")


@pytest.mark.parametrize("size", [1_000, 16 * 1024, 4 * 1024 * 1024])
def test_ten_thousand_lines_of_one_character(size: int) -> None:
    """They arrive as one event per read, and nothing is lost."""
    spoken = "".join(chr(0x61 + at % 26) for at in range(10_000))
    body = b"".join(text(character) for character in spoken) + end()
    events = read(body, size=size)
    assert fold(events) == [Block("text", spoken)]
    assert len(events) <= -(-len(body) // size)


@pytest.mark.parametrize("character", ["x", "é", "👋"])
def test_a_tool_argument_of_ollama_of_five_megabytes(character: str) -> None:
    """It comes as one line, and arrives whole in events of the allowed size."""
    value = character * (5_000_000 // 4)
    events = read(calls(call("store", {"data": value}, "x")) + end(), size=64 * 1024)
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    assert fold(events) == [Block("completed", f'{{"data":"{value}"}}', "x", "store")]


def test_a_large_document_of_ollama() -> None:
    """An answer that comes whole is split like one that comes as a stream."""
    spoken = "日本" * 500_000
    events = read(whole({"content": spoken}), size=64 * 1024, stream=False)
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    assert fold(events) == [Block("text", spoken)]


def test_arguments_of_ollama_that_no_transcript_holds_break_the_stream() -> None:
    """More than 8 MiB of arguments could not be sent back."""
    failure = fail(calls(call("f", {"a": "x" * MAX_ARGUMENTS_BYTES})), size=1 << 20)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message


def test_a_line_without_end_breaks_the_stream() -> None:
    """A line over its limit is refused as it comes."""
    failure = fail(b"x" * (MAX_FRAME + 1), size=1 << 20)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message


def test_a_line_without_end_after_the_answer_does_not_break_it() -> None:
    """An answer that is whole stays so, whatever follows."""
    events = read(text("Hello") + end() + b"x" * (MAX_FRAME + 1), size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]


def test_a_document_of_ollama_without_end_is_refused() -> None:
    """A document over its limit is refused as it comes."""
    failure = fail(b" " * (MAX_BODY + 1), size=1 << 20, stream=False)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message
