"""Replies that no server should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.anthropic_wire import GARBLED, STOP, end, frame
from unit.inference.conformance.suite import Block, fold, split

ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 2) | st.floats() | st.sampled_from(["", "{}", "a"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=3,
)


def holding(**likely: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Make objects that hold some likely keys; here and there something else stands in."""
    optional = {key: value | ANYTHING for key, value in likely.items()}
    return st.fixed_dictionaries({}, optional=optional) | st.fixed_dictionaries({}, optional=likely)


TEXTS = st.sampled_from(["", "a", "{", "}", "{}", '{"a":1}'])
KINDS = st.sampled_from(["text", "thinking", "redacted_thinking", "tool_use", "server_tool_use"])
BLOCKS = holding(
    type=KINDS,
    text=TEXTS,
    thinking=TEXTS,
    signature=TEXTS,
    data=TEXTS,
    id=st.sampled_from(["", "x", "y"]),
    name=st.sampled_from(["f", "g"]),
    input=holding(a=TEXTS),
    citations=st.lists(holding(url=TEXTS), max_size=2),
)
DELTAS = holding(text=TEXTS) | holding(
    thinking=TEXTS,
    signature=TEXTS,
    partial_json=TEXTS,
    citation=holding(title=TEXTS),
    stop_reason=st.sampled_from(["", "end_turn", "max_tokens", "tool_use", "other"]),
    stop_sequence=TEXTS,
)
EVENTS = st.sampled_from(
    [
        "content_block_start",
        "content_block_delta",
        "content_block_stop",
        "message_start",
        "message_delta",
        "message_stop",
        "ping",
        "error",
        "other",
    ]
).flatmap(
    lambda kind: holding(
        index=st.integers(0, 2),
        content_block=BLOCKS,
        delta=DELTAS,
        message=holding(usage=holding(input_tokens=st.integers()), content=st.lists(BLOCKS)),
        usage=holding(output_tokens=st.integers()),
        error=holding(type=TEXTS, message=TEXTS, details=holding(error_code=TEXTS)),
    ).map(lambda event: {"type": kind, **event} if isinstance(event, dict) else {"type": kind})
)
BODIES = st.lists(
    EVENTS.map(frame) | st.sampled_from([GARBLED, STOP, end(), b": \n\n", b"data: 7\n\n"]),
    max_size=10,
).map(b"".join)
DOCUMENTS = holding(
    type=st.just("message"),
    content=st.lists(BLOCKS, max_size=3),
    stop_reason=st.sampled_from(["end_turn", "tool_use", "max_tokens"]),
    stop_sequence=TEXTS,
    usage=holding(input_tokens=st.integers()),
    error=holding(type=TEXTS),
).map(lambda said: frame(said) if isinstance(said, dict) else b"7")


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "acme-1", "https://acme.example/v1")
    decoder = AnthropicAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
    drafts = Drafts()
    events: list[event_pb2.ChatEvent] = []
    ended: Ending | failure_pb2.AttemptFailure
    try:
        for piece in split(body, cuts):
            decoder.feed(piece, drafts)
            events += drafts.take()
        ended = decoder.end(drafts)
    except ProviderFailed as failed:
        ended = failed.failure
    events += drafts.take()
    return [replace(block, call_id="") for block in fold(events)], ended


@given(BODIES, st.lists(st.integers(0, 1000), max_size=5))
def test_a_stream_of_nonsense_events(body: bytes, cuts: list[int]) -> None:
    """It ends in an answer or a failure, and in the same one wherever it is cut."""
    assert read(body, cuts, stream=True) == read(body, [], stream=True)


@given(DOCUMENTS | BODIES | st.binary(max_size=100))
def test_a_nonsense_document(body: bytes) -> None:
    """It ends in an answer or a failure too."""
    _, ended = read(body.rpartition(b"\ndata: ")[2], [], stream=False)
    assert isinstance(ended, Ending) or ended.message
