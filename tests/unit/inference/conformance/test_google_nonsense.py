"""Replies that no server should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.google_wire import frame
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
    id=st.sampled_from(["", "x", "y"]),
    name=st.sampled_from(["f", "g"]),
    args=holding(a=st.integers()),
    willContinue=st.booleans(),
)
PARTS = holding(
    text=TEXTS,
    thought=st.booleans(),
    thoughtSignature=st.sampled_from(["", "s1", "s2"]),
    functionCall=CALLS,
    inlineData=holding(data=TEXTS),
)
CANDIDATES = holding(
    content=holding(parts=st.lists(PARTS, max_size=3)),
    finishReason=st.sampled_from(["", "STOP", "MAX_TOKENS", "SAFETY", "OTHER", "NEW"]),
    finishMessage=TEXTS,
)
ERRORS = holding(message=TEXTS, code=st.integers(399, 600), status=TEXTS, details=st.lists(CALLS))
CHUNKS = holding(
    candidates=st.lists(CANDIDATES, max_size=2),
    usageMetadata=holding(promptTokenCount=st.integers()),
    promptFeedback=holding(blockReason=TEXTS),
    error=ERRORS,
)
FRAMES = st.fixed_dictionaries({"candidates": st.lists(CANDIDATES, min_size=1, max_size=1)})
BODIES = st.lists(
    (CHUNKS | FRAMES).map(frame)
    | st.sampled_from(
        [
            b"data: {\n\n",
            b"data: 7\n\n",
            b": \n\n",
            b'{"error": {"code": 503}}\n',
            b'[{"error": "a"}]\r\n\r\n',
            b"\n",
            b"}",
        ]
    ),
    max_size=8,
).map(b"".join)


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "gemini-3.8-flash", "https://acme.example/v1beta")
    decoder = GoogleAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
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


@given(BODIES | st.binary(max_size=100))
def test_a_document_of_nonsense(body: bytes) -> None:
    """It ends in an answer or a failure too."""
    _, ended = read(body.removeprefix(b"data: ").partition(b"\r\n\r\n")[0], [], stream=False)
    assert isinstance(ended, Ending) or ended.message
