"""The suite that every adapter is run through, whatever its wire format.

A case is a reply as bytes and what shall come of it. It is fed whole, byte by byte and cut
at every place, and the outcome must be the same, since a read ends where the network wants.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from google.protobuf import json_format

from support import matrix
from trunkline.inference.adapters.adapter import Adapter, Decoder, Ending, ProviderFailed, Target
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, result_pb2

MAX_EVENT = 256 * 1024
"""The longest event that a reader may get, in bytes (the contract, on ChatEvent)."""

HELLO = json_format.ParseDict(
    {"messages": [{"role": "ROLE_USER", "content": [{"text": "Hello"}]}]}, chat_pb2.ChatRequest()
)

SHAPED = json_format.ParseDict(
    {
        "messages": [{"role": "ROLE_USER", "content": [{"text": "Hello"}]}],
        "response_format": {"json_schema": {"name": "s", "schema": {"type": "object"}}},
    },
    chat_pb2.ChatRequest(),
)
"""Asks for JSON by a schema."""

_SMALL = 3000
_SAMPLED_CUTS = 13

MINTED = "minted"
"""Stands for a call id that the service made up."""


@dataclass(frozen=True, slots=True)
class Citation:
    """A source of a block."""

    url: str = ""
    title: str = ""
    quote: str = ""


@dataclass(frozen=True, slots=True)
class Block:
    """A block of an answer, folded.

    Attributes:
        kind: `text`, `refusal`, `reasoning`, or of calls `completed`, `aborted`, `open`; or
            `provider` for a block that means something to its provider only.
        text: its text or arguments, or the JSON of a provider's own block.
        call_id: of a call.
        name: of a call, or the type of a provider's own block.
        signature: the issuer's proof.
        redacted: a withheld thought.
        citations: what the block leans on.
    """

    kind: str
    text: str
    call_id: str = ""
    name: str = ""
    signature: str = ""
    redacted: bool = False
    citations: tuple[Citation, ...] = ()


@dataclass(frozen=True, slots=True)
class Answered:
    """What a whole answer comes to.

    Attributes:
        blocks: in order.
        finish_reason: neutral.
        raw: the provider's word.
        usage: None when it reported none.
        losses: paths.
    """

    blocks: tuple[Block, ...]
    finish_reason: result_pb2.FinishReason.ValueType
    raw: str
    usage: result_pb2.Usage | None = None
    losses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Failed:
    """What a reply comes to that fails.

    Attributes:
        blocks: what was said before.
        kind: the class of the failure.
        says: a part of our sentence.
        code: the provider's code.
    """

    blocks: tuple[Block, ...]
    kind: failure_pb2.ErrorKind.ValueType
    says: str = ""
    code: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """A reply and what shall come of it."""

    name: str
    body: bytes
    expected: Answered | Failed
    stream: bool = True
    request: chat_pb2.ChatRequest = field(default_factory=lambda: HELLO)
    target: Target = field(
        default_factory=lambda: Target("acme", "acme-1", "https://acme.example/v1")
    )


def check(adapter: Adapter, case: Case, cuts: Iterable[int] = ()) -> None:
    """Feed a case, cut at some places, and assert that what was expected comes of it.

    Args:
        adapter: under test.
        case: what to feed.
        cuts: where reads end, as offsets into the body, in any order.
    """
    reading = _Reading(adapter.decoder(case.target, case.request, stream=case.stream))
    ending: Ending | None = None
    failure: failure_pb2.AttemptFailure | None = None
    try:
        for piece in split(case.body, cuts):
            reading.feed(piece)
        ending = reading.end()
    except ProviderFailed as failed:
        failure = failed.failure
    blocks = reading.blocks(case.body)
    expected = case.expected
    assert blocks == expected.blocks
    if isinstance(expected, Answered):
        assert failure is None, failure
        assert ending is not None
        assert ending.finish_reason == expected.finish_reason
        assert ending.raw == expected.raw
        assert ending.usage == expected.usage
        assert tuple(loss.path for loss in ending.losses) == expected.losses
    else:
        assert ending is None, "the reply was taken for a whole answer"
        assert failure is not None
        assert failure.kind == expected.kind, failure
        assert expected.says in failure.message
        assert failure.reply.code == expected.code


def check_cuts(adapter: Adapter, case: Case) -> None:
    """Feed a case in two reads, cut at every place; the sampled run cuts it at some.

    Args:
        adapter: under test.
        case: what to feed; one of over 3,000 bytes is cut at 100 places in any run.
    """
    step = 1 if len(case.body) <= _SMALL else len(case.body) // 100
    every = range(1, len(case.body), step)
    places = matrix.cells(f"{adapter.format}: {case.name}", every, sample=_SAMPLED_CUTS)
    for place in places:
        check(adapter, case, [place])
    matrix.ran("conformance-cuts", len(places))


def split(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    """Cut a body into reads; none is empty, since an empty read is the end."""
    places = sorted({0, *(cut for cut in cuts if 0 < cut < len(body)), len(body)})
    return [body[start:end] for start, end in pairwise(places)]


class _Reading:
    """One reply being read; asserts on the way what must hold after every read."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._drafts = Drafts()
        self._events: list[event_pb2.ChatEvent] = []

    def feed(self, data: bytes) -> None:
        """Give the decoder a read and collect what it wrote, also when it fails."""
        finished, complete = self._decoder.finished, self._decoder.complete
        try:
            self._decoder.feed(data, self._drafts)
        finally:
            events = self._take()
        assert not complete or not events, "something was said after the end"
        assert self._decoder.finished >= finished, "an end was taken back"
        assert self._decoder.complete >= complete, "an end was taken back"
        assert self._decoder.finished or not self._decoder.complete

    def end(self) -> Ending:
        """Let the decoder say how the answer ended."""
        try:
            ending = self._decoder.end(self._drafts)
        finally:
            self._take()
        assert self._decoder.finished
        return ending

    def _take(self) -> list[event_pb2.ChatEvent]:
        """Take the drafts of a read."""
        events = self._drafts.take()
        assert all(event.ByteSize() <= MAX_EVENT for event in events)
        self._events += events
        return events

    def blocks(self, body: bytes) -> tuple[Block, ...]:
        """Fold the events; ids that do not come from the provider are `MINTED`."""
        return tuple(
            replace(block, call_id=MINTED)
            if block.call_id and block.call_id.encode() not in body
            else block
            for block in fold(self._events)
        )


def fold(events: Sequence[event_pb2.ChatEvent]) -> list[Block]:
    """Put the blocks of events together, asserting the rules of events on the way."""
    kinds: dict[int, str] = {}
    texts: dict[int, str] = {}
    calls: dict[int, tuple[str, str]] = {}
    names: dict[int, str] = {}
    proofs: dict[int, list[event_pb2.ReasoningSignature]] = {}
    cited: dict[int, list[Citation]] = {}
    whole: set[int] = set()
    for event in events:
        match event.WhichOneof("kind"):
            case "text_delta":
                delta = event.text_delta
                kind = "refusal" if delta.refusal else "text"
                assert delta.text
                assert kinds.setdefault(delta.block, kind) == kind
                texts[delta.block] = texts.get(delta.block, "") + delta.text
            case "reasoning_delta":
                thought = event.reasoning_delta
                assert thought.text
                assert kinds.setdefault(thought.block, "reasoning") == "reasoning"
                texts[thought.block] = texts.get(thought.block, "") + thought.text
            case "tool_call_started":
                started = event.tool_call_started
                assert started.block not in kinds
                assert started.call_id not in {call_id for call_id, _ in calls.values()}
                kinds[started.block], texts[started.block] = "open", ""
                calls[started.block] = (started.call_id, started.name)
            case "tool_call_delta":
                piece = event.tool_call_delta
                assert piece.arguments
                assert kinds[piece.block] == "open"
                texts[piece.block] += piece.arguments
            case "tool_call_completed":
                completed = event.tool_call_completed
                assert kinds[completed.block] == "open"
                assert calls[completed.block] == (completed.call_id, completed.name)
                arguments = texts[completed.block].encode()
                assert completed.arguments_size == len(arguments)
                assert completed.arguments_sha256 == hashlib.sha256(arguments).digest()
                kinds[completed.block] = "completed"
            case "tool_call_aborted":
                aborted = event.tool_call_aborted
                assert kinds[aborted.block] == "open"
                assert calls[aborted.block][0] == aborted.call_id
                kinds[aborted.block] = "aborted"
            case "reasoning_signature":
                proof = event.reasoning_signature
                assert proof.signature.value
                assert proof.signature.HasField("issuer")
                # One that comes alone is reasoning without text.
                kinds.setdefault(proof.block, "reasoning")
                texts.setdefault(proof.block, "")
                before = proofs.setdefault(proof.block, [])
                assert not before or before[0].signature.issuer == proof.signature.issuer
                before.append(proof)
            case "provider_part_delta":
                own = event.provider_part_delta
                assert own.data_json
                assert own.block not in whole
                assert own.HasField("issuer") == (own.block not in kinds)
                if own.HasField("issuer"):
                    names[own.block] = own.type
                assert kinds.setdefault(own.block, "provider") == "provider"
                texts[own.block] = texts.get(own.block, "") + own.data_json
                if own.last:
                    whole.add(own.block)
            case "citation_added":
                source = event.citation_added.citation
                block = event.citation_added.block
                assert kinds.setdefault(block, "text") == "text"
                texts.setdefault(block, "")
                cited.setdefault(block, []).append(Citation(source.url, source.title, source.quote))
            case other:
                raise AssertionError(f"no decoder writes {other}")
    assert whole == {block for block, kind in kinds.items() if kind == "provider"}
    assert list(kinds) == list(range(len(kinds))), "blocks begin in the order of their numbers"
    return [
        Block(
            kinds[block],
            texts[block],
            calls.get(block, ("", ""))[0],
            calls[block][1] if block in calls else names.get(block, ""),
            "".join(proof.signature.value for proof in proofs.get(block, ())),
            any(proof.redacted for proof in proofs.get(block, ())),
            tuple(cited.get(block, ())),
        )
        for block in sorted(kinds)
    ]
