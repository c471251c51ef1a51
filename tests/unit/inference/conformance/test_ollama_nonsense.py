"""Replies that no Ollama should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.ollama_wire import line
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


TEXTS = st.sampled_from(["", "a", "{", "{}", "\u2028"])
CALLS = holding(
    id=st.sampled_from(["", "x", "y"]),
    function=holding(name=st.sampled_from(["f", "g"]), arguments=holding(a=ANYTHING) | TEXTS),
)
MESSAGES = holding(content=TEXTS, thinking=TEXTS, tool_calls=st.lists(CALLS, max_size=2))
LINES = holding(
    message=MESSAGES,
    done=st.booleans(),
    done_reason=st.sampled_from(["", "stop", "length", "load", "other"]),
    prompt_eval_count=st.integers(),
    eval_count=st.integers(),
    error=TEXTS | holding(message=TEXTS, type=TEXTS, code=st.integers(399, 600)),
)
SAID = st.fixed_dictionaries({"message": st.fixed_dictionaries({"content": TEXTS})})
BODIES = st.lists(
    (SAID | LINES).map(lambda each: line(each) if isinstance(each, dict) else b"7\n")
    | st.sampled_from([b"{\n", b"\n", b"\r\n", b"<html>\n", b'"error"\n', b"\xff\n"]),
    max_size=8,
).map(b"".join)
UNENDED = BODIES.map(lambda body: body.removesuffix(b"\n"))


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "acme-1", "http://127.0.0.1:11434")
    decoder = OllamaAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
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


@given(BODIES | UNENDED | st.binary(max_size=60), st.lists(st.integers(0, 1000), max_size=5))
def test_a_stream_of_nonsense(body: bytes, cuts: list[int]) -> None:
    """It ends in an answer or a failure, and in the same one wherever it is cut."""
    assert read(body, cuts, stream=True) == read(body, [], stream=True)


@given(BODIES | st.binary(max_size=100))
def test_a_document_of_nonsense(body: bytes) -> None:
    """It ends in an answer or a failure too."""
    _, ended = read(body.partition(b"\n")[0], [], stream=False)
    assert isinstance(ended, Ending) or ended.message
