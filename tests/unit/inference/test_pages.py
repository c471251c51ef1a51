"""A message in pages: nothing is lost, nothing comes twice, and no page is too large."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.inference.pages import PAGE_BYTES, cut_message
from trunkline.inference.v1 import message_pb2
from trunkline.kernel.errors import InvalidArgument

KIB = 1024

_SIZES = st.sampled_from([0, 1, 100, 300 * KIB, PAGE_BYTES - 5000, PAGE_BYTES, 2 * PAGE_BYTES])
_LETTERS = st.sampled_from(["x", "é", "日", "\N{ROCKET}"])


@st.composite
def _parts(draw: st.DrawFn) -> message_pb2.Part:
    """Make a part of any kind that an answer has, some longer than a page."""
    letter = draw(_LETTERS)
    text = letter * (draw(_SIZES) // len(letter.encode()))
    part = message_pb2.Part()
    match draw(st.sampled_from(["text", "refusal", "reasoning", "call", "provider"])):
        case "text":
            part.text = text
            if draw(st.booleans()):
                part.citations.add(url="https://there.example", quote="q" * 1000)
        case "refusal":
            part.refusal = text
        case "reasoning":
            part.reasoning.text = text
        case "call":
            part.tool_call.id = f"call_{draw(st.integers(0, 99))}"
            part.tool_call.name = "look"
            part.tool_call.arguments = text
        case _:
            part.provider_part.issuer.vendor = "maker"
            part.provider_part.data_json = text
    if draw(st.booleans()):
        part.signature.value = "s" * draw(st.sampled_from([1, 1000, 200 * KIB]))
        part.signature.issuer.vendor = "maker"
    return part


def _pages(message: message_pb2.Message) -> list[tuple[str, message_pb2.Message]]:
    """Return all pages, each with where it began."""
    pages = []
    start = ""
    while True:
        page, following = cut_message(message, start)
        pages.append((start, page))
        if not following:
            return pages
        assert following not in [start for start, _ in pages]
        start = following


def _text(part: message_pb2.Part) -> str:
    return (
        part.text
        or part.refusal
        or part.reasoning.text
        or part.tool_call.arguments
        or part.provider_part.data_json
    )


@settings(deadline=None, database=None, max_examples=25)
@given(st.lists(_parts(), max_size=5))
def test_pages_join_to_the_message(parts: list[message_pb2.Part]) -> None:
    """Texts concatenate, and what else a part has comes once, with the end of its text."""
    message = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT, content=parts)
    pages = _pages(message)
    assert all(page.ByteSize() <= PAGE_BYTES for _, page in pages)
    assert all(page.role == message_pb2.ROLE_ASSISTANT for _, page in pages)
    assert all(page.content for _, page in pages) or not parts
    joined: list[list[message_pb2.Part]] = []
    for start, page in pages:
        goes_on = start.partition(":")[2] not in ("", "0")
        for number, part in enumerate(page.content):
            if number == 0 and goes_on:
                joined[-1].append(part)
            else:
                joined.append([part])
    assert len(joined) == len(parts)
    for pieces, part in zip(joined, parts, strict=True):
        assert "".join(map(_text, pieces)) == _text(part)
        assert {piece.WhichOneof("kind") for piece in pieces} == {part.WhichOneof("kind")}
        assert [piece.HasField("signature") for piece in pieces[:-1]] == [False] * (len(pieces) - 1)
        assert pieces[-1].signature == part.signature
        assert [c for piece in pieces for c in piece.citations] == list(part.citations)
        assert {piece.tool_call.id for piece in pieces} == {part.tool_call.id}


@pytest.mark.parametrize("text", ["", "x" * 100, "x" * 2 * PAGE_BYTES])
def test_part_whose_signature_is_larger_than_a_page_comes_all_the_same(text: str) -> None:
    """A proof is never cut: its page is larger, and there is an end."""
    part = message_pb2.Part(reasoning=message_pb2.Reasoning(text=text))
    part.signature.value = "s" * (2 * PAGE_BYTES)
    message = message_pb2.Message(content=[part, message_pb2.Part(text="after")])
    pieces = [piece for _, page in _pages(message) for piece in page.content]
    assert "".join(piece.reasoning.text for piece in pieces) == text
    assert [piece.signature.value for piece in pieces if piece.signature.value] == [
        part.signature.value
    ]
    assert pieces[-1].text == "after"


@pytest.mark.parametrize(
    "start", ["1", "1:", ":1", "a:0", "1:0", "0:6", "-1:0", "0:-1", "²:0", "0:0:0", "0:" + "9" * 40]
)
def test_place_that_is_not_there_is_refused(start: str) -> None:
    """A token that was not given out for this message is called wrong."""
    message = message_pb2.Message(content=[message_pb2.Part(text="Hello")])
    with pytest.raises(InvalidArgument) as caught:
        cut_message(message, start)
    assert [violation.field for violation in caught.value.violations] == ["page_token"]


def test_answer_without_a_part_is_one_empty_page() -> None:
    """Nothing is a page of its own."""
    assert cut_message(message_pb2.Message(), "") == (message_pb2.Message(), "")
