"""The rules by which what a read says becomes events."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.drafts import MAX_FRAGMENT, Drafts
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2
from unit.inference.conformance.suite import MAX_EVENT, Block, fold


@dataclass(frozen=True, slots=True)
class Said:
    """A fragment of a block in a read."""

    read: int
    block: int
    text: str


KINDS = ("text", "reasoning", "refusal", "arguments")

# Which blocks speak when: any order of reads and blocks, a kind for each block.
SPEECH = st.lists(
    st.builds(Said, st.integers(0, 3), st.integers(0, 3), st.text(max_size=5)), max_size=30
).map(lambda said: sorted(said, key=lambda each: each.read))


def speak(drafts: Drafts, kind: str, block: int, text: str) -> None:
    """Write a fragment."""
    match kind:
        case "text":
            drafts.text(block, text)
        case "reasoning":
            drafts.reasoning(block, text)
        case "refusal":
            drafts.refusal(block, text)
        case _:
            drafts.tool_arguments(block, text)


def fragment(event: event_pb2.ChatEvent) -> tuple[int, str] | None:
    """Return the block and text of a delta."""
    match event.WhichOneof("kind"):
        case "text_delta":
            return event.text_delta.block, event.text_delta.text
        case "reasoning_delta":
            return event.reasoning_delta.block, event.reasoning_delta.text
        case "tool_call_delta":
            return event.tool_call_delta.block, event.tool_call_delta.arguments
    return None


@given(SPEECH, st.permutations(KINDS))
def test_a_block_is_merged_within_a_read_and_nowhere_else(
    speech: list[Said], kinds: list[str]
) -> None:
    """All text of one block in one read is one event; what another read brought is another."""
    drafts = Drafts()
    for block, kind in enumerate(kinds):
        if kind == "arguments":
            drafts.tool_started(block, "x", "f")
    drafts.take()
    for read in range(4):
        said = [each for each in speech if each.read == read]
        for each in said:
            speak(drafts, kinds[each.block], each.block, each.text)
        expected: dict[int, str] = {}
        for each in said:
            if each.text:
                expected[each.block] = expected.get(each.block, "") + each.text
        # Blocks come in the order in which they spoke first in the read.
        assert [fragment(event) for event in drafts.take()] == list(expected.items())


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_a_long_text_is_split_at_characters(seed: str) -> None:
    """A text of any characters is cut into events of the allowed size, and none is lost."""
    text = seed * (3 * MAX_FRAGMENT // len(seed.encode()) + 1)
    drafts = Drafts()
    drafts.text(0, text)
    events = drafts.take()
    assert len(events) >= 3
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    assert "".join(event.text_delta.text for event in events) == text


@pytest.mark.parametrize("size", [MAX_FRAGMENT // 4, MAX_FRAGMENT // 4 + 1, MAX_FRAGMENT])
def test_a_text_that_fits_is_not_split(size: int) -> None:
    """A text up to the limit is one event."""
    drafts = Drafts()
    drafts.text(0, "x" * size)
    assert len(drafts.take()) == 1


def test_empty_text_is_nothing() -> None:
    """An empty fragment makes no event."""
    drafts = Drafts()
    drafts.text(0, "")
    drafts.reasoning(1, "")
    drafts.tool_started(2, "x", "f")
    drafts.tool_arguments(2, "")
    assert [event.WhichOneof("kind") for event in drafts.take()] == ["tool_call_started"]


def test_a_call_is_counted_and_hashed_over_all_reads() -> None:
    """Length and hash of a call are those of its arguments together, whatever the reads."""
    drafts = Drafts()
    drafts.tool_started(0, "x", "f")
    events = []
    for piece in ('{"naïve', '": "', "👋", '"}'):
        drafts.tool_arguments(0, piece)
        events += drafts.take()
    assert drafts.tool_completed(0)
    events += drafts.take()
    arguments = '{"naïve": "👋"}'
    completed = events[-1].tool_call_completed
    assert completed.arguments_size == len(arguments.encode())
    assert completed.arguments_sha256 == hashlib.sha256(arguments.encode()).digest()
    assert fold(events) == [Block("completed", arguments, "x", "f")]


@pytest.mark.parametrize("arguments", ["[]", '{"a":', "{} {}", '{"a":' + "[" * 100_000])
def test_a_call_without_an_object_is_aborted(arguments: str) -> None:
    """Arguments that are no object abort the call, also when they nest too deep to be read."""
    drafts = Drafts()
    drafts.tool_started(0, "x", "f")
    drafts.tool_arguments(0, arguments)
    assert not drafts.tool_completed(0)
    assert fold(drafts.take()) == [Block("aborted", arguments, "x", "f")]


def test_open_calls_are_aborted_in_order_and_whole_ones_stay() -> None:
    """Taking back what is open leaves what is whole."""
    drafts = Drafts()
    for block, name in enumerate("abc"):
        drafts.tool_started(block, name, name)
    drafts.tool_completed(1)
    drafts.abort_open_calls()
    kinds = [block.kind for block in fold(drafts.take())]
    assert kinds == ["aborted", "completed", "aborted"]


def test_ids_are_unique() -> None:
    """An id that is empty or was used is replaced by one of ours."""
    drafts = Drafts()
    for block, call_id in enumerate(["x", "", "x", "y"]):
        drafts.tool_started(block, call_id, "f")
    ids = [event.tool_call_started.call_id for event in drafts.take()]
    assert ids[0] == "x"
    assert ids[3] == "y"
    assert ids[1].startswith("call_")
    assert ids[2].startswith("call_")
    assert len(set(ids)) == 4


def test_a_long_signature_is_split() -> None:
    """A signature over the limit comes in several events with the same issuer."""
    value = "x" * (2 * MAX_FRAGMENT + 1)
    issuer = message_pb2.Provenance(vendor="acme", model="acme-1")
    drafts = Drafts()
    drafts.signature(0, message_pb2.Signature(value=value, issuer=issuer), redacted=True)
    events = drafts.take()
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    signatures = [event.reasoning_signature for event in events]
    assert "".join(each.signature.value for each in signatures) == value
    assert all(each.redacted and each.signature.issuer == issuer for each in signatures)


@pytest.mark.parametrize("size", [2, MAX_FRAGMENT + 1, 3 * MAX_FRAGMENT])
def test_a_block_of_the_providers_own_is_split(size: int) -> None:
    """Its issuer and type stand in the first event, and the last says that it is whole."""
    issuer = message_pb2.Provenance(vendor="acme", model="acme-1")
    data = '"' + "x" * (size - 2) + '"'
    drafts = Drafts()
    drafts.provider_part(7, issuer, "painting", data)
    events = drafts.take()
    assert all(event.ByteSize() <= MAX_EVENT for event in events)
    deltas = [event.provider_part_delta for event in events]
    assert "".join(delta.data_json for delta in deltas) == data
    assert {delta.block for delta in deltas} == {7}
    assert [delta.last for delta in deltas] == [False] * (len(deltas) - 1) + [True]
    assert [delta.type for delta in deltas] == ["painting"] + [""] * (len(deltas) - 1)
    assert deltas[0].issuer == issuer
    assert not any(delta.HasField("issuer") for delta in deltas[1:])


def test_what_is_no_text_keeps_its_place() -> None:
    """Usage and citations stand where they were said."""
    drafts = Drafts()
    drafts.text(0, "a")
    drafts.citation(0, message_pb2.Citation(url="https://acme.example"))
    drafts.usage(result_pb2.Usage(output_tokens=1))
    drafts.text(1, "b")
    kinds = [event.WhichOneof("kind") for event in drafts.take()]
    assert kinds == ["text_delta", "citation_added", "usage_update", "text_delta"]
    assert drafts.take() == []
