"""Replies that no server should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.openai_wire import DONE, frame
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
CALLS = holding(
    index=st.integers(0, 2),
    id=st.sampled_from(["", "x", "y"]),
    function=holding(name=st.sampled_from(["f", "g"]), arguments=TEXTS),
)
DELTAS = holding(
    content=TEXTS | st.lists(holding(type=st.just("text"), text=TEXTS), max_size=2),
    reasoning=TEXTS,
    refusal=TEXTS,
    tool_calls=st.lists(CALLS, max_size=3),
)
CHOICES = holding(
    delta=DELTAS,
    message=DELTAS,
    finish_reason=st.sampled_from(["", "stop", "length", "tool_calls", "error", "other"]),
    error=holding(message=TEXTS, code=TEXTS),
)
CHUNKS = holding(
    choices=st.lists(CHOICES, max_size=2),
    usage=holding(prompt_tokens=st.integers()),
    error=holding(message=TEXTS, code=st.integers(399, 600), metadata=holding()),
    x_groq=holding(usage=holding(), error=TEXTS),
    object=st.just("error"),
    message=TEXTS,
)
FRAMES = st.dictionaries(st.just("choices"), st.lists(CHOICES, min_size=1, max_size=1), min_size=1)
BODIES = st.lists(
    (CHUNKS | FRAMES).map(lambda chunk: frame(chunk) if isinstance(chunk, dict) else b"data: 7\n\n")
    | st.sampled_from([DONE, b"data: {\n\n", b": \n\n"]),
    max_size=8,
).map(b"".join)


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "acme-1", "https://acme.example/v1")
    decoder = OpenAIAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
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
    return [Block(block.kind, block.text, name=block.name) for block in fold(events)], ended


@given(BODIES, st.lists(st.integers(0, 1000), max_size=5))
def test_a_stream_of_nonsense(body: bytes, cuts: list[int]) -> None:
    """It ends in an answer or a failure, and in the same one wherever it is cut."""
    assert read(body, cuts, stream=True) == read(body, [], stream=True)


@given(BODIES | st.binary(max_size=100))
def test_a_document_of_nonsense(body: bytes) -> None:
    """It ends in an answer or a failure too."""
    _, ended = read(body.removeprefix(b"data: ").partition(b"\n\n")[0], [], stream=False)
    assert isinstance(ended, Ending) or ended.message
