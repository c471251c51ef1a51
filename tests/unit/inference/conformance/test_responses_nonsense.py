"""Replies that no server should send: nothing of them gets out but a failure of the provider."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2
from unit.inference.conformance.responses_wire import DONE, GARBLED, frame
from unit.inference.conformance.suite import Block, fold, split
from unit.inference.conformance.test_openai_nonsense import ANYTHING, TEXTS, holding

PARTS = st.lists(
    holding(
        type=st.sampled_from(["output_text", "refusal", "summary_text"]),
        text=TEXTS,
        refusal=TEXTS,
        annotations=st.lists(holding(type=st.just("url_citation"), url=TEXTS), max_size=2),
    ),
    max_size=2,
)
ITEMS = holding(
    type=st.sampled_from(["message", "reasoning", "function_call", "web_search_call"]),
    status=st.sampled_from(["completed", "incomplete"]),
    content=PARTS,
    summary=PARTS,
    encrypted_content=TEXTS,
    call_id=st.sampled_from(["", "x", "y"]),
    name=st.sampled_from(["f", "g"]),
    arguments=TEXTS,
)
ANSWERS = holding(
    status=st.sampled_from(["completed", "incomplete", "failed"]),
    output=st.lists(ITEMS, max_size=3),
    incomplete_details=holding(reason=st.sampled_from(["max_output_tokens", "other"])),
    usage=holding(input_tokens=st.integers()),
    error=holding(message=TEXTS, code=TEXTS),
    input_transformations=st.lists(holding(action=st.just("removed"), reason=TEXTS), max_size=2),
)
KINDS = (
    "output_item.added",
    "output_item.done",
    "output_text.delta",
    "refusal.delta",
    "reasoning_summary_text.delta",
    "reasoning_text.delta",
    "function_call_arguments.delta",
    "output_text.annotation.added",
    "completed",
    "incomplete",
    "failed",
)
EVENTS = holding(
    type=st.sampled_from([*(f"response.{kind}" for kind in KINDS), "error"]),
    output_index=st.integers(0, 2),
    content_index=st.integers(0, 2),
    summary_index=st.integers(0, 2),
    delta=TEXTS,
    item=ITEMS,
    annotation=holding(type=st.just("url_citation"), url=TEXTS),
    response=ANSWERS,
    message=TEXTS,
    code=TEXTS,
    error=holding(message=TEXTS, code=TEXTS),
)
BODIES = st.lists(
    EVENTS.map(lambda event: frame(event) if isinstance(event, dict) else b"data: 7\n\n")
    | st.sampled_from([DONE, GARBLED, b": \n\n"]),
    max_size=8,
).map(b"".join)


def read(
    body: bytes, cuts: list[int], *, stream: bool
) -> tuple[list[Block], Ending | failure_pb2.AttemptFailure]:
    """Read a body; return what was said, ids left out, and how it ended."""
    target = Target("acme", "acme-1", "https://acme.example/v1")
    decoder = ResponsesAdapter().decoder(target, chat_pb2.ChatRequest(), stream=stream)
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


@given(ANSWERS | ANYTHING | st.binary(max_size=100))
def test_a_document_of_nonsense(body: Any) -> None:
    """It ends in an answer or a failure too."""
    written = body if isinstance(body, bytes) else frame({"type": body}).partition(b"data: ")[2]
    if isinstance(body, dict):
        written = frame(body).partition(b"data: ")[2]
    _, ended = read(written, [], stream=False)
    assert isinstance(ended, Ending) or ended.message
