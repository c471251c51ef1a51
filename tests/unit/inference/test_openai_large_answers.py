"""Answers that are large, or that come in very many pieces."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import ProviderFailed, Target
from trunkline.inference.adapters.bodies import MAX_BODY
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import MAX_FRAME
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, result_pb2
from unit.inference.conformance.openai_wire import DONE, call, calls, chunk, text, whole
from unit.inference.conformance.suite import MAX_EVENT, Block, fold, split

TARGET = Target("acme", "acme-1", "https://acme.example/v1")


def read(
    body: bytes, *, size: int, stream: bool = True
) -> tuple[list[event_pb2.ChatEvent], result_pb2.FinishReason.ValueType]:
    """Read a body in pieces of `size` bytes; return the events and how it ended."""
    decoder = OpenAIAdapter().decoder(TARGET, chat_pb2.ChatRequest(), stream=stream)
    drafts = Drafts()
    events = []
    for piece in split(body, range(0, len(body), size)):
        decoder.feed(piece, drafts)
        events += drafts.take()
    ending = decoder.end(drafts)
    return events + drafts.take(), ending.finish_reason


def fail(body: bytes, *, size: int, stream: bool = True) -> failure_pb2.AttemptFailure:
    """Return how reading a body fails."""
    with pytest.raises(ProviderFailed) as failed:
        read(body, size=size, stream=stream)
    return failed.value.failure


@pytest.mark.parametrize("fragment", [5_000_000, 64 * 1024, 1_000])
@pytest.mark.parametrize("character", ["x", "é", "👋"])
def test_a_tool_argument_of_five_megabytes(fragment: int, character: str) -> None:
    """It arrives whole, in events of the allowed size, with its length and hash."""
    arguments = json.dumps({"data": character * (5_000_000 // 4)}, ensure_ascii=False)
    pieces = [arguments[at : at + fragment] for at in range(0, len(arguments), fragment)]
    body = calls(call("", call_id="call_1", name="store"))
    body += b"".join(calls(call(piece)) for piece in pieces)
    events, reason = read(body + chunk(finish_reason="tool_calls") + DONE, size=64 * 1024)
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    assert fold(events) == [Block("completed", arguments, "call_1", "store")]
    assert reason == result_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("size", [1_000, 16 * 1024, 4 * 1024 * 1024])
def test_ten_thousand_deltas_of_one_character(size: int) -> None:
    """They arrive as one event per read, and nothing is lost."""
    said = "".join(chr(0x61 + at % 26) for at in range(10_000))
    body = b"".join(text(character) for character in said)
    reads = len(body) // size + 2
    events, reason = read(body + chunk(finish_reason="stop") + DONE, size=size)
    assert fold(events) == [Block("text", said)]
    assert len(events) <= reads
    assert reason == result_pb2.FINISH_REASON_STOP


def test_a_large_document() -> None:
    """An answer that comes whole is split like one that comes as a stream."""
    said = "日本" * 500_000
    events, _ = read(whole({"content": said}), size=64 * 1024, stream=False)
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    assert fold(events) == [Block("text", said)]


def test_arguments_that_no_transcript_holds_break_the_stream() -> None:
    """More than 8 MiB of arguments could not be sent back, and are refused as they come."""
    endless = calls(call("", call_id="x", name="f")) + calls(call("x" * 1_000_000)) * 9
    failure = fail(endless, size=64 * 1024)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message


def test_a_frame_without_end_breaks_the_stream() -> None:
    """A frame over its limit is refused as it comes."""
    failure = fail(b"data: " + b"x" * MAX_FRAME, size=1 << 20)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message


def test_a_frame_without_end_after_the_answer_does_not_break_it() -> None:
    """An answer that is whole stays so, whatever follows."""
    body = text("Hello") + chunk(finish_reason="stop") + b"data: " + b"x" * MAX_FRAME
    events, reason = read(body, size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert reason == result_pb2.FINISH_REASON_STOP


def test_an_error_of_many_words_in_place_of_a_stream() -> None:
    """It is read when it is longer than a read."""
    words = json.dumps({"error": {"code": "rate_limit_exceeded", "message": "x" * 20_000}})
    failure = fail(words.encode(), size=1_000)
    assert failure.kind == failure_pb2.ERROR_KIND_RATE_LIMITED


def test_a_document_without_end_is_refused() -> None:
    """A document over its limit is refused as it comes."""
    failure = fail(b" " * (MAX_BODY + 1), size=1 << 20, stream=False)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message
