"""Replies that no server should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.bedrock_failures import flip
from unit.inference.conformance.bedrock_wire import (
    START,
    argument,
    call,
    end,
    event,
    exception,
    message,
    metadata,
    raw_event,
    stop,
    text,
    thought,
    whole,
)
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


TEXTS = st.sampled_from(["", "a", "{"])
CALLS = holding(
    toolUseId=st.sampled_from(["", "x", "y"]), name=st.sampled_from(["f", "g"]), input=TEXTS
)
THOUGHTS = holding(text=TEXTS, signature=TEXTS, redactedContent=TEXTS)
EVENTS = st.builds(
    lambda kind, said: event(kind, **(said if isinstance(said, dict) else {})),
    st.sampled_from(
        [
            "contentBlockStart",
            "contentBlockDelta",
            "contentBlockDelta",
            "contentBlockStop",
            "messageStop",
            "metadata",
            "new",
        ]
    ),
    holding(
        contentBlockIndex=st.integers(0, 2),
        delta=holding(text=TEXTS, reasoningContent=THOUGHTS, toolUse=CALLS),
        start=holding(toolUse=CALLS),
        stopReason=st.sampled_from(["", "end_turn", "tool_use", "max_tokens", "new"]),
        usage=holding(inputTokens=st.integers()),
    ),
)
LIKELY = st.sampled_from(
    [
        START,
        text("a"),
        thought(text="a"),
        thought(1, signature="s"),
        call(1),
        argument(1, "{}"),
        stop(),
        stop(1),
        end(),
        metadata(),
        exception("throttlingException"),
        message({}, b"?"),
        raw_event("contentBlockDelta", b"{"),
        flip(text("a"), -1),
        b"\0\0\0",
        b"<",
    ]
)
BODIES = st.lists(LIKELY | EVENTS, max_size=8).map(b"".join)
BLOCKS = holding(
    text=TEXTS,
    reasoningContent=holding(reasoningText=THOUGHTS, redactedContent=TEXTS),
    toolUse=CALLS,
    citationsContent=holding(content=st.lists(holding(text=TEXTS), max_size=2)),
)


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "anthropic.claude-opus-4-5", "https://acme.example")
    decoder = BedrockAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
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
    blocks = fold(events)
    return [Block(b.kind, b.text, name=b.name, signature=b.signature) for b in blocks], ended


@given(BODIES, st.lists(st.integers(0, 1000), max_size=5))
def test_a_stream_of_nonsense(body: bytes, cuts: list[int]) -> None:
    """It ends in an answer or a failure, and in the same one wherever it is cut."""
    assert read(body, cuts, stream=True) == read(body, [], stream=True)


@given(st.binary(max_size=100), st.lists(st.integers(0, 100), max_size=3))
def test_a_stream_of_any_bytes(body: bytes, cuts: list[int]) -> None:
    """Bytes of any kind are a broken stream, or an error that they spell."""
    blocks, ended = read(body, cuts, stream=True)
    assert blocks == []
    assert not isinstance(ended, Ending)


@given(
    st.lists(BLOCKS, max_size=3).map(lambda blocks: whole(*blocks))
    | holding(output=holding(message=holding(content=st.lists(BLOCKS, max_size=2)))).map(
        lambda said: whole(**said) if isinstance(said, dict) else b"[]"
    )
    | st.binary(max_size=100)
)
def test_a_document_of_nonsense(body: bytes) -> None:
    """It ends in an answer or a failure too."""
    _, ended = read(body, [], stream=False)
    assert isinstance(ended, Ending) or ended.message
