"""Collect what one upstream read says, and merge it before it gets numbers.

A provider sends a frame per token; a reader is served better by one event per read
and block. A decoder writes into `Drafts` while it works through the bytes of one read,
and the run takes what stands there when they are used up. Nothing waits for a merge:
what came in different reads stays in different events.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import msgspec

from trunkline.inference.arguments import is_object
from trunkline.inference.v1 import event_pb2, message_pb2, result_pb2
from trunkline.kernel.identifiers import new_id

# No event but Completed is over 256 KiB; this leaves room for what stands around a fragment.
MAX_FRAGMENT = 240 * 1024

_MAX_BYTES_PER_CHARACTER = 4


class _Fragments(msgspec.Struct):
    """The fragments of one block in one read, of which there is one kind."""

    kind: str
    block: int
    parts: list[str]


@dataclass(slots=True)
class _Call:
    """A tool call under way."""

    call_id: str
    name: str
    fragments: list[str] = field(default_factory=list)


class Drafts:
    """Events of one attempt that have no number yet.

    Decoders call the methods named after what was said; the run calls `take`. Blocks
    are numbered by the decoder from 0, in the order in which the parts shall stand;
    a block holds one kind of content.
    """

    __slots__ = ("_calls", "_ids", "_open", "_pending")

    def __init__(self, call_ids: set[str] | None = None) -> None:
        """Begin empty.

        Args:
            call_ids: those of the run so far, to which new ones are added; None: none yet.
        """
        self._pending: list[_Fragments | event_pb2.ChatEvent] = []
        self._open: dict[int, _Fragments] = {}
        self._calls: dict[int, _Call] = {}
        self._ids = set() if call_ids is None else call_ids

    def text(self, block: int, text: str) -> None:
        """Note more text of a block; empty text is nothing."""
        self._add("text", block, text)

    def text_sink(self, block: int) -> Callable[[str], None] | None:
        """Return what takes more text of a block until the next `take`, without a call of ours.

        Most frames of a stream are text of one block, and a read has hundreds of them.

        Returns:
            None: the block has said nothing since the last `take`.
        """
        fragments = self._open.get(block)
        return fragments.parts.append if fragments is not None else None

    def refusal(self, block: int, text: str) -> None:
        """Note more words of a refusal."""
        self._add("refusal", block, text)

    def reasoning(self, block: int, text: str) -> None:
        """Note more thought of a block."""
        self._add("reasoning", block, text)

    def tool_started(self, block: int, call_id: str, name: str) -> None:
        """Note that the model begins to call a tool.

        Args:
            block: the call's block.
            call_id: the provider's id; one that is empty or was seen is replaced by
                `call_…`, since ids are unique in a run.
            name: the tool's name.
        """
        if not call_id or call_id in self._ids:
            call_id = new_id("call")
        self._ids.add(call_id)
        self._calls[block] = _Call(call_id, name)
        self._pending.append(
            event_pb2.ChatEvent(
                tool_call_started=event_pb2.ToolCallStarted(block=block, call_id=call_id, name=name)
            )
        )

    def tool_arguments(self, block: int, fragment: str) -> None:
        """Note more of the JSON text of a begun call's arguments."""
        if fragment:
            self._calls[block].fragments.append(fragment)
            self._add("arguments", block, fragment)

    def tool_completed(self, block: int) -> bool:
        """Note that a begun call is whole, when its arguments are a JSON object.

        Returns:
            False when they are not: then the call is aborted instead.
        """
        call = self._calls[block]
        text = "".join(call.fragments)
        if text and not is_object(text):
            self.tool_aborted(block)
            return False
        arguments = text.encode()
        del self._calls[block]
        self._pending.append(
            event_pb2.ChatEvent(
                tool_call_completed=event_pb2.ToolCallCompleted(
                    block=block,
                    call_id=call.call_id,
                    name=call.name,
                    arguments_size=len(arguments),
                    arguments_sha256=hashlib.sha256(arguments).digest(),
                )
            )
        )
        return True

    def tool_aborted(self, block: int) -> None:
        """Note that a begun call will never be whole."""
        call = self._calls.pop(block)
        self._pending.append(
            event_pb2.ChatEvent(
                tool_call_aborted=event_pb2.ToolCallAborted(block=block, call_id=call.call_id)
            )
        )

    def abort_open_calls(self) -> None:
        """Take back every call that was begun and is not whole."""
        for block in sorted(self._calls):
            self.tool_aborted(block)

    def signature(self, block: int, signature: message_pb2.Signature, *, redacted: bool) -> None:
        """Note the issuer's proof for a block, or more of it."""
        for piece in _split(signature.value):
            self._pending.append(
                event_pb2.ChatEvent(
                    reasoning_signature=event_pb2.ReasoningSignature(
                        block=block,
                        signature=message_pb2.Signature(value=piece, issuer=signature.issuer),
                        redacted=redacted,
                    )
                )
            )

    def provider_part(
        self, block: int, issuer: message_pb2.Provenance, kind: str, data_json: str
    ) -> None:
        """Note a whole block that means something to its provider only.

        Args:
            block: the block, which holds nothing else.
            issuer: who made it.
            kind: the block's type in the issuer's words.
            data_json: the block itself as JSON text, not empty.
        """
        parts = [
            event_pb2.ProviderPartDelta(block=block, data_json=piece) for piece in _split(data_json)
        ]
        parts[0].issuer.CopyFrom(issuer)
        parts[0].type = kind
        parts[-1].last = True
        self._pending += [event_pb2.ChatEvent(provider_part_delta=part) for part in parts]

    def citation(self, block: int, citation: message_pb2.Citation) -> None:
        """Note a source that a block of text leans on."""
        self._pending.append(
            event_pb2.ChatEvent(
                citation_added=event_pb2.CitationAdded(block=block, citation=citation)
            )
        )

    def usage(self, usage: result_pb2.Usage) -> None:
        """Note tokens so far; what is told with the end belongs into the ending."""
        self._pending.append(event_pb2.ChatEvent(usage_update=event_pb2.UsageUpdate(usage=usage)))

    def __bool__(self) -> bool:
        return bool(self._pending)

    def take(self) -> list[event_pb2.ChatEvent]:
        """Return the drafts of this read, merged and split to size, and begin anew.

        The events have a kind and no sequence, time or attempt.
        """
        if not self._pending:
            return []
        taken: list[event_pb2.ChatEvent] = []
        for draft in self._pending:
            if isinstance(draft, _Fragments):
                make = _MAKE[draft.kind]
                taken.extend(make(draft.block, piece) for piece in _split("".join(draft.parts)))
            else:
                taken.append(draft)
        self._pending = []
        self._open.clear()
        return taken

    def _add(self, kind: str, block: int, text: str) -> None:
        """Append to the block's fragments of this read."""
        fragments = self._open.get(block)
        if fragments is not None:
            fragments.parts.append(text)
        elif text:
            self._open[block] = fragments = _Fragments(kind, block, [text])
            self._pending.append(fragments)


def _text(block: int, text: str) -> event_pb2.ChatEvent:
    """Return the event of more text."""
    event = event_pb2.ChatEvent()
    delta = event.text_delta
    # In place: made of a delta that is copied, it takes twice as long.
    delta.block, delta.text = block, text
    return event


def _refusal(block: int, text: str) -> event_pb2.ChatEvent:
    """Return the event of more words of a refusal."""
    return event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(block=block, text=text, refusal=True))


def _reasoning(block: int, text: str) -> event_pb2.ChatEvent:
    """Return the event of more thought."""
    return event_pb2.ChatEvent(reasoning_delta=event_pb2.ReasoningDelta(block=block, text=text))


def _arguments(block: int, text: str) -> event_pb2.ChatEvent:
    """Return the event of more of a call's arguments."""
    return event_pb2.ChatEvent(tool_call_delta=event_pb2.ToolCallDelta(block=block, arguments=text))


# What makes an event of a kind of fragments.
_MAKE = {"text": _text, "refusal": _refusal, "reasoning": _reasoning, "arguments": _arguments}


def _split(text: str) -> Iterable[str]:
    """Cut a text into pieces of at most `MAX_FRAGMENT` bytes of UTF-8."""
    if len(text) * _MAX_BYTES_PER_CHARACTER <= MAX_FRAGMENT:
        return (text,)
    return _cut(text.encode())


def _cut(encoded: bytes) -> Iterator[str]:
    """Yield a long text's pieces."""
    start = 0
    while start < len(encoded):
        end = min(start + MAX_FRAGMENT, len(encoded))
        # A continuation byte is 10xxxxxx: step back to where a character begins.
        while end < len(encoded) and encoded[end] & 0xC0 == 0x80:
            end -= 1
        yield encoded[start:end].decode()
        start = end
