"""Answers of Responses that are large, or that come in very many pieces."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.bodies import MAX_BODY
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import MAX_FRAME
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, result_pb2
from unit.inference.conformance.responses_wire import (
    START,
    call,
    done,
    end,
    output_text,
    said,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import MAX_EVENT, Block, fold, split

TARGET = Target("openai", "gpt-5.6-sol", "https://api.openai.com/v1")


def read(
    body: bytes, *, size: int, stream: bool = True
) -> tuple[list[event_pb2.ChatEvent], Ending]:
    """Read a body in pieces of `size` bytes; return the events and how it ended."""
    decoder = ResponsesAdapter().decoder(TARGET, chat_pb2.ChatRequest(), stream=stream)
    drafts = Drafts()
    events = []
    for piece in split(body, range(0, len(body), size)):
        decoder.feed(piece, drafts)
        events += drafts.take()
    ending = decoder.end(drafts)
    events += drafts.take()
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    return events, ending


def fail(body: bytes, *, size: int, stream: bool = True) -> failure_pb2.AttemptFailure:
    """Return how reading a body fails."""
    with pytest.raises(ProviderFailed) as failed:
        read(body, size=size, stream=stream)
    return failed.value.failure


@pytest.mark.parametrize("fragment", [5_000_000, 64 * 1024, 1_000])
@pytest.mark.parametrize("character", ["x", "👋"])
def test_a_call_of_five_megabytes(fragment: int, character: str) -> None:
    """It arrives whole and once, though the format says it three times."""
    arguments = json.dumps({"data": character * (5_000_000 // 4)}, ensure_ascii=False)
    pieces = [arguments[at : at + fragment] for at in range(0, len(arguments), fragment)]
    events, ending = read(START + call(*pieces) + end(), size=64 * 1024)
    assert fold(events) == [Block("completed", arguments, "x", "f")]
    assert ending.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("size", [1_000, 16 * 1024, 4 * 1024 * 1024])
def test_ten_thousand_text_deltas_of_one_character(size: int) -> None:
    """They arrive as one event per read, and nothing is lost."""
    words = "".join(chr(0x61 + at % 26) for at in range(10_000))
    body = START + text(*words) + end()
    events, _ = read(body, size=size)
    assert fold(events) == [Block("text", words)]
    assert len(events) <= len(body) // size + 2


def test_large_thoughts_and_own_items_are_split() -> None:
    """An encrypted thought and the trace of a tool may each be larger than an event."""
    proof = "E" * 1_000_000
    found = {"type": "web_search_call", "results": "é" * 500_000}
    body = START + done(thought("Hm.", encrypted=proof)) + done(found, 1) + end()
    events, _ = read(body, size=64 * 1024)
    written = json.dumps({"id": "item_1", **found}, ensure_ascii=False, separators=(",", ":"))
    assert fold(events) == [
        Block("reasoning", "Hm.", signature=proof),
        Block("provider", written, name="web_search_call"),
    ]


def test_an_own_item_that_no_transcript_holds_is_a_loss() -> None:
    """It could not be sent back; what else was said stands."""
    body = START + done({"type": "painting", "data": "x" * 9_000_000})
    events, ending = read(body + text("Hello", index=1) + end(), size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert [loss.path for loss in ending.losses] == ["answer.output[0]"]


def test_a_large_document() -> None:
    """An answer that comes whole is split like one that comes as a stream."""
    words = "日本" * 500_000
    events, _ = read(whole(said(output_text(words))), size=64 * 1024, stream=False)
    assert fold(events) == [Block("text", words)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (call(*["x" * 1_000_000] * 9), "arguments are too long"),
        (done(thought(encrypted="E" * 5_000_000)), "signature that is too long"),
        (b"data: " + b"x" * MAX_FRAME, "frame that is too long"),
    ],
    ids=["arguments", "signature", "frame"],
)
def test_what_no_transcript_holds_breaks_the_stream(body: bytes, says: str) -> None:
    """It is refused as it comes."""
    failure = fail(START + body, size=1 << 20)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert says in failure.message


def test_a_frame_without_end_after_the_last_event_does_not_break_the_answer() -> None:
    """An answer that is whole stays so, whatever follows."""
    body = START + text("Hello") + end() + b"data: " + b"x" * MAX_FRAME
    events, ending = read(body, size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert ending.finish_reason == result_pb2.FINISH_REASON_STOP


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
