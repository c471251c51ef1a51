"""Events fold to one message, whatever broke on the way: against the rule written twice."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.folding import fold
from trunkline.inference.drafts import MAX_FRAGMENT, Drafts
from trunkline.inference.fold import Fold
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2

_MAX_EVENT = 256 * 1024

_Event = event_pb2.ChatEvent
_Write = Callable[[Drafts, int], None]

_ISSUER = message_pb2.Provenance(vendor="maker", model="m-1", provider="here")
_WORDS = st.text(min_size=1, max_size=12)
_CUTS = st.lists(st.sampled_from(['{"a":', "1", "}", '{"b":[]}', "x", ""]), max_size=4)


def _folded(events: list[_Event]) -> message_pb2.Message:
    folding = Fold()
    for event in events:
        folding.feed(event)
    return folding.message()


def _numbered(events: list[_Event]) -> list[_Event]:
    for sequence, event in enumerate(events, 1):
        event.sequence = sequence
    return events


def _signature(value: str) -> message_pb2.Signature:
    return message_pb2.Signature(value=value, issuer=_ISSUER)


@st.composite
def _blocks(draw: st.DrawFn, number: int) -> list[_Event]:
    """Make the events of one block, as decoders write them."""
    kind = draw(st.sampled_from(["text", "refusal", "reasoning", "call", "provider", "proof"]))
    events: list[_Event] = []
    match kind:
        case "text" | "refusal":
            for text in draw(st.lists(_WORDS, min_size=1, max_size=4)):
                delta = event_pb2.TextDelta(block=number, text=text, refusal=kind == "refusal")
                events.append(_Event(text_delta=delta))
            for url in draw(st.lists(_WORDS, max_size=2)):
                cited = event_pb2.CitationAdded(
                    block=number, citation=message_pb2.Citation(url=url)
                )
                events.append(_Event(citation_added=cited))
        case "reasoning":
            for text in draw(st.lists(_WORDS, min_size=1, max_size=4)):
                thought = event_pb2.ReasoningDelta(block=number, text=text)
                events.append(_Event(reasoning_delta=thought))
        case "call":
            events += draw(_calls(number))
        case "provider":
            pieces = draw(st.lists(_WORDS, min_size=1, max_size=3))
            ends = draw(st.booleans())
            for index, piece in enumerate(pieces):
                part = event_pb2.ProviderPartDelta(
                    block=number, data_json=piece, last=ends and index == len(pieces) - 1
                )
                if index == 0:
                    part.issuer.CopyFrom(_ISSUER)
                    part.type = "trace"
                events.append(_Event(provider_part_delta=part))
    if kind == "proof" or draw(st.booleans()):
        redacted = kind == "proof" and draw(st.booleans())
        for value in draw(st.lists(_WORDS, min_size=1, max_size=3)):
            proof = event_pb2.ReasoningSignature(
                block=number, signature=_signature(value), redacted=redacted
            )
            # Between other events of its block, but for those that open and close it.
            place = draw(st.integers(1, len(events))) if events else 0
            events.insert(place, _Event(reasoning_signature=proof))
    return events


@st.composite
def _calls(draw: st.DrawFn, number: int) -> list[_Event]:
    """Make a tool call that is whole, aborted, or just ends."""
    name = f"call_{number}_{draw(st.integers(0, 9))}"
    started = event_pb2.ToolCallStarted(block=number, call_id=name, name="look")
    events = [_Event(tool_call_started=started)]
    for piece in draw(_CUTS):
        delta = event_pb2.ToolCallDelta(block=number, arguments=piece)
        events.append(_Event(tool_call_delta=delta))
    match draw(st.sampled_from(["whole", "aborted", "open"])):
        case "whole":
            whole = event_pb2.ToolCallCompleted(block=number, call_id=name, name="look")
            events.append(_Event(tool_call_completed=whole))
        case "aborted":
            aborted = event_pb2.ToolCallAborted(block=number, call_id=name)
            events.append(_Event(tool_call_aborted=aborted))
    return events


@st.composite
def _attempts(draw: st.DrawFn, first: int) -> list[_Event]:
    """Make the events of one attempt: its blocks, one after the other or interleaved."""
    blocks = [draw(_blocks(first + offset)) for offset in range(draw(st.integers(1, 4)))]
    attempt = [_Event(attempt_started=event_pb2.AttemptStarted(model="p/m"))]
    if draw(st.booleans()):
        return attempt + [event for block in blocks for event in block]
    while any(blocks):
        attempt.append(draw(st.sampled_from([block for block in blocks if block])).pop(0))
    return attempt


@st.composite
def runs(draw: st.DrawFn) -> list[_Event]:
    """Make the events of a run: attempts that fail and are begun anew or carried on."""
    events = [_Event(run_started=event_pb2.RunStarted(run_id="run_1"))]
    first = 0
    for _ in range(draw(st.integers(1, 3))):
        events += draw(_attempts(first))
        match draw(st.sampled_from(["end", "turn", "restart", "partly", "prefill"])):
            case "turn":
                events.append(_Event(turn_completed=event_pb2.TurnCompleted(turn=1)))
                first = 0
            case "restart":
                events.append(_seam(2))
                first = 0
            case "partly":
                events.append(_seam(draw(st.integers(2, len(events) + 1))))
                # Numbers may be used again; so that blocks keep one kind, these are not.
                first += 100
            case "prefill":
                events.append(_seam(0))
                first += 100
            case _:
                break
    return _numbered(events)


def _seam(void_from: int) -> _Event:
    return _Event(continuation_started=event_pb2.ContinuationStarted(void_from_sequence=void_from))


@settings(deadline=None, database=None)
@given(runs())
def test_any_run_folds_to_what_the_rule_says(events: list[_Event]) -> None:
    """Void content, aborted calls and proofs in pieces: the fold is the rule of the contract."""
    assert _folded(events) == fold(events)


@settings(deadline=None, database=None, max_examples=50)
@given(runs())
def test_size_counts_the_characters_that_are_kept(events: list[_Event]) -> None:
    """The size is never less than the text of the message, and void text counts no more."""
    folding = Fold()
    for event in events:
        folding.feed(event)
    texts = 0
    for part in folding.message().content:
        call = len(part.tool_call.arguments)
        texts += len(part.text + part.refusal + part.reasoning.text) + call
        texts += len(part.provider_part.data_json)
    assert texts <= folding.size
    folding.feed(_Event(turn_completed=event_pb2.TurnCompleted()))
    assert folding.size == 0


@pytest.mark.parametrize("kind", ["text", "reasoning"])
def test_proof_that_comes_before_its_block_does_not_change_what_the_block_is(kind: str) -> None:
    """A vendor may sign a block before its first word: a text stays a text."""
    proof = event_pb2.ReasoningSignature(block=0, signature=_signature("s"))
    content = {
        "text": _Event(text_delta=event_pb2.TextDelta(block=0, text="word")),
        "reasoning": _Event(reasoning_delta=event_pb2.ReasoningDelta(block=0, text="word")),
    }[kind]
    (part,) = _folded(_numbered([_Event(reasoning_signature=proof), content])).content
    assert part.WhichOneof("kind") == kind
    assert "word" in (part.text, part.reasoning.text)
    assert part.signature == _signature("s")


@st.composite
def _reads(draw: st.DrawFn) -> list[list[tuple[str, int, str]]]:
    """Make what a decoder writes, read by read: (kind, block, text)."""
    kinds = draw(st.lists(st.sampled_from(["text", "refusal", "reasoning"]), max_size=4))
    said = [
        (kind, number, text)
        for number, kind in enumerate(kinds)
        for text in draw(st.lists(_WORDS, min_size=1, max_size=5))
    ]
    reads: list[list[tuple[str, int, str]]] = [[]]
    for word in said:
        if draw(st.booleans()):
            reads.append([])
        reads[-1].append(word)
    return reads


@settings(deadline=None, database=None)
@given(_reads())
def test_deltas_of_a_block_in_one_read_are_one_event(
    reads: list[list[tuple[str, int, str]]],
) -> None:
    """What comes in one read is merged by block, what comes in two is not, and no word is lost."""
    drafts = Drafts()
    events: list[_Event] = []
    for said in reads:
        for kind, block, text in said:
            getattr(drafts, kind)(block, text)
        taken = drafts.take()
        assert len(taken) == len({block for _, block, _ in said})
        events += taken
    texts = ["".join(t for r in reads for _, b, t in r if b == block) for block in range(4)]
    message = _folded(_numbered(events))
    assert [p.text or p.refusal or p.reasoning.text for p in message.content] == [
        text for text in texts if text
    ]


@pytest.mark.parametrize("letter", ["x", "é", "日", "\N{ROCKET}"])
@pytest.mark.parametrize("length", [MAX_FRAGMENT - 1, MAX_FRAGMENT, MAX_FRAGMENT + 1, 700_000])
def test_long_delta_is_split_between_characters(letter: str, length: int) -> None:
    """No event is over 256 KiB, and no character is cut in two."""
    drafts = Drafts()
    drafts.text(0, letter * length)
    drafts.tool_started(1, "call_1", "look")
    drafts.tool_arguments(1, '{"a":"' + letter * length + '"}')
    assert drafts.tool_completed(1)
    drafts.signature(2, _signature(letter * length), redacted=False)
    events = _numbered(drafts.take())
    assert max(event.ByteSize() for event in events) < _MAX_EVENT
    text, call, thought = _folded(events).content
    assert text.text == letter * length
    assert call.tool_call.arguments == '{"a":"' + letter * length + '"}'
    assert thought.signature.value == letter * length


@settings(deadline=None, database=None, max_examples=50)
@given(st.lists(st.sampled_from(['{"a":', "1", "}", " ", '{"b":[]}', "x", "\\"]), max_size=6))
def test_call_is_whole_only_with_an_object_for_arguments(pieces: list[str]) -> None:
    """A call is completed with size and hash of its arguments, or aborted; never both."""
    drafts = Drafts()
    drafts.tool_started(0, "", "look")
    for piece in pieces:
        drafts.tool_arguments(0, piece)
    whole = drafts.tool_completed(0)
    last = drafts.take()[-1]
    text = "".join(pieces)
    if whole:
        assert last.tool_call_completed.arguments_size == len(text.encode())
        assert last.tool_call_completed.arguments_sha256 == hashlib.sha256(text.encode()).digest()
        assert last.tool_call_completed.call_id.startswith("call_")
    else:
        assert last.HasField("tool_call_aborted")


def test_call_ids_are_unique_in_a_run() -> None:
    """A provider that numbers all its calls alike gets ids of ours for the later ones."""
    drafts = Drafts()
    for block in range(3):
        drafts.tool_started(block, "call_same", "look")
    drafts.abort_open_calls()
    events = drafts.take()
    started = [e.tool_call_started.call_id for e in events if e.HasField("tool_call_started")]
    aborted = [e.tool_call_aborted.call_id for e in events if e.HasField("tool_call_aborted")]
    assert started == aborted
    assert len(set(started)) == 3
    assert started[0] == "call_same"


def test_usage_is_told_in_its_place() -> None:
    """A count of tokens stands between what was said before and after it."""
    drafts = Drafts()
    drafts.text(0, "a")
    drafts.usage(result_pb2.Usage(output_tokens=1))
    drafts.text(1, "b")
    assert [e.WhichOneof("kind") for e in drafts.take()] == [
        "text_delta",
        "usage_update",
        "text_delta",
    ]
