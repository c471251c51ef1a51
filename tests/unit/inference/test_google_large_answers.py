"""Answers of the Gemini API that are large, or that come in very many pieces."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import ProviderFailed, Target
from trunkline.inference.adapters.bodies import MAX_BODY
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import MAX_FRAME
from trunkline.inference.transcript import MAX_PROVIDER_PART_BYTES, MAX_SIGNATURE_BYTES
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, result_pb2
from unit.inference.conformance.google_wire import call, chunk, end, error, text, whole
from unit.inference.conformance.suite import MAX_EVENT, Block, fold, split

TARGET = Target("acme", "gemini-3.8-flash", "https://acme.example/v1beta")


def read(
    body: bytes, *, size: int, stream: bool = True
) -> tuple[list[event_pb2.ChatEvent], result_pb2.FinishReason.ValueType]:
    """Read a body in pieces of `size` bytes; return the events and how it ended."""
    decoder = GoogleAdapter().decoder(TARGET, chat_pb2.ChatRequest(), stream=stream)
    drafts = Drafts()
    events = []
    for piece in split(body, range(0, len(body), size)):
        decoder.feed(piece, drafts)
        events += drafts.take()
    ending = decoder.end(drafts)
    events += drafts.take()
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    return events, ending.finish_reason


def fail(body: bytes, *, size: int = 1 << 20, stream: bool = True) -> failure_pb2.AttemptFailure:
    """Return how reading a body fails."""
    with pytest.raises(ProviderFailed) as failed:
        read(body, size=size, stream=stream)
    return failed.value.failure


@pytest.mark.parametrize("character", ["x", "é", "👋"])
def test_a_tool_argument_of_five_megabytes(character: str) -> None:
    """It arrives whole, in events of the allowed size, with its length and hash."""
    arguments = {"data": character * (5_000_000 // 4)}
    events, reason = read(chunk(call("store", arguments, id="x")) + end(), size=64 * 1024)
    written = json.dumps(arguments, ensure_ascii=False)
    assert fold(events) == [Block("completed", written, "x", "store")]
    assert reason == result_pb2.FINISH_REASON_TOOL_CALLS


def test_a_picture_and_a_signature_of_some_megabytes() -> None:
    """They arrive whole, in events of the allowed size."""
    picture = {"inlineData": {"mimeType": "image/png", "data": "A" * 3_000_000}}
    signature = "s" * 1_000_000
    body = chunk({"text": "Hello", "thoughtSignature": signature}) + chunk(picture) + end()
    events, _ = read(body, size=64 * 1024)
    assert fold(events) == [
        Block("text", "Hello", signature=signature),
        Block("provider", json.dumps(picture), name="inlineData"),
    ]


@pytest.mark.parametrize("size", [1_000, 16 * 1024, 4 * 1024 * 1024])
def test_ten_thousand_deltas_of_one_character(size: int) -> None:
    """They arrive as one event per read, and nothing is lost."""
    said = "".join(chr(0x61 + at % 26) for at in range(10_000))
    body = b"".join(text(character) for character in said)
    reads = len(body) // size + 2
    events, reason = read(body + end(), size=size)
    assert fold(events) == [Block("text", said)]
    assert len(events) <= reads
    assert reason == result_pb2.FINISH_REASON_STOP


def test_a_large_document() -> None:
    """An answer that comes whole is split like one that comes as a stream."""
    said = "日本" * 500_000
    events, _ = read(whole({"text": said}), size=64 * 1024, stream=False)
    assert fold(events) == [Block("text", said)]


@pytest.mark.parametrize(
    "body",
    [
        chunk(call("f", {"a": "x" * (8 * 1024 * 1024)})),
        chunk({"inlineData": {"data": "x" * MAX_PROVIDER_PART_BYTES}}),
        chunk({"text": "Hello", "thoughtSignature": "s" * (MAX_SIGNATURE_BYTES + 1)}),
        b"data: " + b"x" * MAX_FRAME,
    ],
    ids=["arguments", "a block of its own", "a signature", "a frame without end"],
)
def test_what_no_transcript_holds_breaks_the_stream(body: bytes) -> None:
    """It could not be sent back, and is refused."""
    failure = fail(body + end())
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message


def test_a_frame_without_end_after_the_answer_does_not_break_it() -> None:
    """An answer that is whole stays so, whatever follows."""
    body = text("Hello") + end() + b"data: " + b"x" * MAX_FRAME
    events, reason = read(body, size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert reason == result_pb2.FINISH_REASON_STOP


@pytest.mark.parametrize("before", [b"", text("Hello")])
def test_an_error_of_many_words_that_is_no_event(before: bytes) -> None:
    """It is read when it is longer than a read."""
    words = json.dumps(error("RESOURCE_EXHAUSTED", "x" * 20_000), indent=2).encode()
    assert fail(before + words, size=1_000).kind == failure_pb2.ERROR_KIND_RATE_LIMITED


def test_a_document_without_end_is_refused() -> None:
    """A document over its limit is refused as it comes."""
    failure = fail(b" " * (MAX_BODY + 1), stream=False)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message
