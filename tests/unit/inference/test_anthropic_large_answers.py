"""Answers of Anthropic's that are large, or that come in very many pieces."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.bodies import MAX_BODY
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import MAX_FRAME
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, result_pb2
from unit.inference.conformance.anthropic_wire import (
    call,
    delta,
    end,
    message_start,
    start,
    stop,
    text,
    thought,
    whole,
)
from unit.inference.conformance.suite import MAX_EVENT, Block, fold, split

TARGET = Target("anthropic", "claude-1", "https://api.anthropic.com/v1")


def read(
    body: bytes, *, size: int, stream: bool = True
) -> tuple[list[event_pb2.ChatEvent], Ending]:
    """Read a body in pieces of `size` bytes; return the events and how it ended."""
    decoder = AnthropicAdapter().decoder(TARGET, chat_pb2.ChatRequest(), stream=stream)
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
def test_a_tool_use_of_five_megabytes(fragment: int, character: str) -> None:
    """It arrives whole, in events of the allowed size, with its length and hash."""
    arguments = json.dumps({"data": character * (5_000_000 // 4)}, ensure_ascii=False)
    pieces = [arguments[at : at + fragment] for at in range(0, len(arguments), fragment)]
    events, ending = read(message_start() + call(*pieces) + end("tool_use"), size=64 * 1024)
    assert fold(events) == [Block("completed", arguments, "toolu_1", "f")]
    assert ending.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS


@pytest.mark.parametrize("size", [1_000, 16 * 1024, 4 * 1024 * 1024])
def test_ten_thousand_text_deltas_of_one_character(size: int) -> None:
    """They arrive as one event per read, and nothing is lost."""
    said = "".join(chr(0x61 + at % 26) for at in range(10_000))
    body = message_start() + text(*said) + end()
    events, _ = read(body, size=size)
    assert fold(events) == [Block("text", said)]
    assert len(events) <= len(body) // size + 2


def test_large_signatures_and_own_blocks_are_split() -> None:
    """A withheld thought and the result of a search may each be larger than an event."""
    signature = "E" * 1_000_000
    found = {"type": "web_search_tool_result", "content": "é" * 500_000}
    body = message_start() + thought("Hm.", signature=signature)
    body += start(1, {"type": "redacted_thinking", "data": signature}) + stop(1)
    body += start(2, found) + stop(2) + end()
    events, _ = read(body, size=64 * 1024)
    written = json.dumps(found, ensure_ascii=False, separators=(",", ":"))
    assert fold(events) == [
        Block("reasoning", "Hm.", signature=signature),
        Block("reasoning", "", signature=signature, redacted=True),
        Block("provider", written, name="web_search_tool_result"),
    ]


def test_an_own_block_that_no_transcript_holds_is_a_loss() -> None:
    """It could not be sent back; what else was said stands."""
    body = message_start() + start(0, {"type": "painting", "data": "x" * 9_000_000}) + stop(0)
    body += start(1, {"type": "server_tool_use", "id": "s", "name": "n", "input": {}})
    body += delta(1, "input_json_delta", partial_json='{"a":"') * 1
    body += delta(1, "input_json_delta", partial_json="x" * 1_000_000) * 9
    body += delta(1, "input_json_delta", partial_json='"}') + stop(1)
    events, ending = read(body + text("Hello", index=2) + end(), size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert [loss.path for loss in ending.losses] == ["answer.content[0]", "answer.content[1]"]


def test_a_large_message() -> None:
    """An answer that comes whole is split like one that comes as a stream."""
    said = "日本" * 500_000
    events, _ = read(whole({"type": "text", "text": said}), size=64 * 1024, stream=False)
    assert fold(events) == [Block("text", said)]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (call(*["x" * 1_000_000] * 9), "arguments are too long"),
        (thought(signature="E" * 5_000_000), "signature that is too long"),
        (b"data: " + b"x" * MAX_FRAME, "frame that is too long"),
    ],
    ids=["arguments", "signature", "frame"],
)
def test_what_no_transcript_holds_breaks_the_stream(body: bytes, says: str) -> None:
    """It is refused as it comes."""
    failure = fail(message_start() + body, size=1 << 20)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert says in failure.message


def test_a_frame_without_end_after_message_stop_does_not_break_the_answer() -> None:
    """An answer that is whole stays so, whatever follows."""
    body = message_start() + text("Hello") + end() + b"data: " + b"x" * MAX_FRAME
    events, ending = read(body, size=1 << 20)
    assert fold(events) == [Block("text", "Hello")]
    assert ending.finish_reason == result_pb2.FINISH_REASON_STOP


def test_an_error_of_many_words_in_place_of_anthropics_stream() -> None:
    """It is read when it is longer than a read."""
    words = json.dumps(
        {"type": "error", "error": {"type": "rate_limit_error", "message": "x" * 20_000}}
    )
    failure = fail(words.encode(), size=1_000)
    assert failure.kind == failure_pb2.ERROR_KIND_RATE_LIMITED


def test_a_message_without_end_is_refused() -> None:
    """A document over its limit is refused as it comes."""
    failure = fail(b" " * (MAX_BODY + 1), size=1 << 20, stream=False)
    assert failure.kind == failure_pb2.ERROR_KIND_BROKEN_STREAM
    assert "too long" in failure.message
