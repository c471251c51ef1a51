"""Put an answer together: which items are open, which calls are whole, how it ended.

Both decoders write through this, so that a stream and a whole answer become the same events.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.provenance import issuer_at
from trunkline.inference.adapters.responses.citations import read_citation
from trunkline.inference.adapters.responses.events import (
    Event,
    Item,
    Part,
    decode_item,
    decode_kind,
)
from trunkline.inference.adapters.responses.open_items import (
    BETWEEN_SUMMARIES,
    CALL,
    MESSAGE,
    OWN,
    THOUGHT,
    OpenItem,
    kind_of,
)
from trunkline.inference.arguments import is_object
from trunkline.inference.drafts import Drafts
from trunkline.inference.transcript import (
    MAX_ARGUMENTS_BYTES,
    MAX_CALL_ID_CHARACTERS,
    MAX_PARTS,
    MAX_PROVIDER_PART_BYTES,
    MAX_PROVIDER_PART_TYPE_CHARACTERS,
    MAX_SIGNATURE_BYTES,
    MAX_TOOL_NAME_CHARACTERS,
)
from trunkline.inference.v1 import message_pb2, result_pb2

VENDOR: Final = "openai"
"""Whose thoughts and items these are."""

FinishReason: TypeAlias = result_pb2.FinishReason.ValueType

_STOP: Final = result_pb2.FINISH_REASON_STOP

# `max_messages` and `steered` are no end that the contract knows.
_REASONS: Final[dict[str, FinishReason]] = {
    "completed": _STOP,
    "max_output_tokens": result_pb2.FINISH_REASON_LENGTH,
    "content_filter": result_pb2.FINISH_REASON_CONTENT_FILTER,
}

_TOO_LARGE: Final = "An item of the provider's own is larger than a transcript holds."


class Answer:
    """What one reply has said so far.

    Args:
        target: who says it.
        thoughts: whether thoughts are wanted; else they are passed over. What proves them is
            told in any case.
    """

    __slots__ = (
        "_calls",
        "_issuer",
        "_items",
        "_last",
        "_losses",
        "_numbered",
        "_raw",
        "_refused",
        "_target",
        "_thoughts",
    )

    def __init__(self, target: Target, *, thoughts: bool) -> None:
        self._target = target
        self._thoughts = thoughts
        self._issuer = issuer_at(target, VENDOR)
        self._raw = ""
        # By the provider's index.
        self._items: dict[int, OpenItem] = {}
        self._last = 0
        self._numbered = 0
        self._calls = 0
        self._refused = False
        self._losses: list[result_pb2.Loss] = []

    @property
    def fragile(self) -> bool:
        """Whether an item is open in which nothing may be missing."""
        return any(item.kind != MESSAGE for item in self._items.values())

    def begin(self, event: Event, drafts: Drafts) -> None:
        """Begin an item.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        item = self._read(event.item)
        index = self._index(event)
        if index in self._items:
            raise broken(self._target, "begins an item twice")
        self._items[index] = opened = OpenItem(kind_of(item.type))
        if opened.kind == CALL:
            self._call(opened, item, drafts)

    def add_text(self, event: Event, drafts: Drafts) -> None:
        """Take in more of a text."""
        item = self._open(event, MESSAGE)
        self._say(item, event.content_index or 0, event.delta, drafts)

    def text_sink(self, event: Event, drafts: Drafts) -> Callable[[str], None] | None:
        """Return what takes more of the text that an event brought, until the next `take`."""
        item = self._items.get(self._index(event))
        block = item.parts.get(event.content_index or 0) if item is not None else None
        return drafts.text_sink(block) if block is not None else None

    def refuse(self, event: Event, drafts: Drafts) -> None:
        """Take in more of a refusal."""
        if isinstance(event.delta, str):
            item = self._open(event, MESSAGE)
            self._decline(item, event.content_index or 0, event.delta, drafts)

    def think(self, event: Event, drafts: Drafts) -> None:
        """Take in more of a thought, or of its summary."""
        if isinstance(event.delta, str) and event.delta:
            item = self._open(event, THOUGHT)
            place = event.summary_index if event.summary_index is not None else event.content_index
            self._reason(item, place or 0, event.delta, drafts)

    def argue(self, event: Event, drafts: Drafts) -> None:
        """Take in more of what a tool is called with."""
        item = self._items.get(self._index(event))
        if item is None or item.kind != CALL:
            raise broken(self._target, "adds to a tool call that never began")
        if isinstance(event.delta, str):
            self._argue(item, event.delta, drafts)

    def cite(self, event: Event, drafts: Drafts) -> None:
        """Take in a source."""
        self._cite(self._open(event, MESSAGE), event.content_index or 0, event.annotation, drafts)

    def stop(self, event: Event, drafts: Drafts) -> None:
        """End an item, all of which comes with its end: what was not told yet is told now.

        Raises:
            ProviderFailed: it makes no sense (BROKEN_STREAM).
        """
        said = self._read(event.item)
        index = self._index(event)
        kind = kind_of(said.type)
        item = self._items.pop(index, None)
        if item is None:
            item = OpenItem(kind)
            if kind == CALL:
                self._call(item, said, drafts)
        if item.kind != kind:
            raise broken(self._target, "mixes items")
        if kind == MESSAGE:
            self._complete_message(item, said, drafts)
        elif kind == THOUGHT:
            self._complete_thought(item, said, drafts)
        elif kind == CALL:
            self._complete_call(index, item, said, drafts)
        else:
            self._hand_over(index, item, said.type, event.item, drafts)

    def finish(self, raw: str, drafts: Drafts) -> None:
        """Take in that the answer has ended: what was begun is whole now or never will be.

        Args:
            raw: `completed`, or why it was cut short.
            drafts: takes the ends of calls.

        Raises:
            ProviderFailed: a call cannot be read though the model was not cut short
                (BROKEN_STREAM).
        """
        self._raw = raw
        cut_short = raw != "completed"
        for item in self._items.values():
            if item.kind != CALL:
                continue
            if cut_short:
                drafts.tool_aborted(item.number)
            elif drafts.tool_completed(item.number):
                self._calls += 1
            else:
                raise broken(self._target, "has a tool call whose arguments are no JSON object")
        self._items.clear()

    def ending(self, usage: result_pb2.Usage | None, losses: tuple[result_pb2.Loss, ...]) -> Ending:
        """Say how the answer ended."""
        reason = _REASONS.get(self._raw, result_pb2.FINISH_REASON_UNSPECIFIED)
        if self._calls and reason == _STOP:
            reason = result_pb2.FINISH_REASON_TOOL_CALLS
        elif self._refused and reason == _STOP:
            reason = result_pb2.FINISH_REASON_CONTENT_FILTER
        return Ending(
            finish_reason=reason, raw=self._raw, usage=usage, losses=(*self._losses, *losses)
        )

    def _index(self, event: Event) -> int:
        """Return which item an event speaks of; without a word of it, the last one."""
        if event.output_index is not None:
            self._last = event.output_index
        return self._last

    def _read(self, raw: msgspec.Raw) -> Item:
        """Decode an item; of one that means something to its provider only, what it is."""
        try:
            kind = decode_kind(raw).type
            return Item(type=kind) if kind_of(kind) == OWN else decode_item(raw)
        except (ValueError, RecursionError):
            raise broken(self._target, "has an item that cannot be read", bytes(raw)) from None

    def _open(self, event: Event, kind: str) -> OpenItem:
        """Return the item of an event, which begins now unless there is one."""
        index = self._index(event)
        item = self._items.get(index)
        if item is None:
            self._items[index] = item = OpenItem(kind)
        if item.kind != kind:
            raise broken(self._target, "mixes items")
        return item

    def _next(self) -> int:
        """Return the number of a block of which something is told first."""
        if self._numbered >= MAX_PARTS:
            raise broken(self._target, "has more parts than a message can hold")
        self._numbered += 1
        return self._numbered - 1

    def _number(self, item: OpenItem) -> int:
        """Return the number of an item that is one block."""
        if item.number < 0:
            item.number = self._next()
        return item.number

    def _part(self, item: OpenItem, place: int, *, refusal: bool) -> int:
        """Return the number of a part of a message."""
        block = item.parts.get(place)
        if block is None:
            block = item.parts[place] = self._next()
            if refusal:
                item.refusals.add(place)
        if (place in item.refusals) != refusal:
            raise broken(self._target, "mixes parts")
        return block

    def _say(self, item: OpenItem, place: int, text: str, drafts: Drafts) -> None:
        """Take in text."""
        if text:
            drafts.text(self._part(item, place, refusal=False), text)

    def _decline(self, item: OpenItem, place: int, text: str, drafts: Drafts) -> None:
        """Take in the words of a refusal."""
        if text:
            self._refused = True
            drafts.refusal(self._part(item, place, refusal=True), text)

    def _cite(self, item: OpenItem, place: int, said: object, drafts: Drafts) -> None:
        """Take in a source, which stands where its text does and is told once."""
        citation = read_citation(said)
        if citation is not None:
            item.cited += 1
            drafts.citation(self._part(item, place, refusal=False), citation)

    def _reason(self, item: OpenItem, place: int, thought: str, drafts: Drafts) -> None:
        """Take in a thought; the parts of its summary become one."""
        apart = BETWEEN_SUMMARIES if item.thought and place != item.place else ""
        item.thought, item.place = True, place
        if self._thoughts:
            drafts.reasoning(self._number(item), apart + thought)

    def _call(self, item: OpenItem, said: Item, drafts: Drafts) -> None:
        """Begin a call."""
        name, call_id = said.name or "", said.call_id or ""
        if not 0 < len(name) <= MAX_TOOL_NAME_CHARACTERS:
            raise broken(self._target, "has a tool call without a usable name")
        if len(call_id) > MAX_CALL_ID_CHARACTERS:
            call_id = ""
        drafts.tool_started(self._number(item), call_id, name)

    def _argue(self, item: OpenItem, fragment: str, drafts: Drafts) -> None:
        """Take in more of a call's arguments."""
        if not fragment:
            return
        item.size += len(fragment) if fragment.isascii() else len(fragment.encode())
        if item.size > MAX_ARGUMENTS_BYTES:
            raise broken(self._target, "has a tool call whose arguments are too long")
        item.fragments.append(fragment)
        drafts.tool_arguments(item.number, fragment)

    def _complete_message(self, item: OpenItem, said: Item, drafts: Drafts) -> None:
        """End a message."""
        for place, part in enumerate(said.content or ()):
            if place in item.parts:
                continue
            self._say(item, place, part.text or "", drafts)
            self._decline(item, place, part.refusal or "", drafts)
        if not item.cited:
            self._cite_all(item, said.content or (), drafts)

    def _cite_all(
        self, item: OpenItem, parts: list[Part] | tuple[Part, ...], drafts: Drafts
    ) -> None:
        """Take in the sources of a message whose texts came without them."""
        for place, part in enumerate(parts):
            for annotation in part.annotations or ():
                self._cite(item, place, annotation, drafts)

    def _complete_thought(self, item: OpenItem, said: Item, drafts: Drafts) -> None:
        """End a thought, with what only its issuer can read of it."""
        if not item.thought:
            for place, part in enumerate(said.summary or said.content or ()):
                if part.text:
                    self._reason(item, place, part.text, drafts)
        value = said.encrypted_content or ""
        if not value:
            return
        if len(value.encode()) > MAX_SIGNATURE_BYTES:
            raise broken(self._target, "has a signature that is too long")
        signature = message_pb2.Signature(value=value, issuer=self._issuer)
        drafts.signature(self._number(item), signature, redacted=not item.thought)

    def _complete_call(self, index: int, item: OpenItem, said: Item, drafts: Drafts) -> None:
        """End a call."""
        given = said.arguments
        if given and not item.fragments:
            text = given if isinstance(given, str) else msgspec.json.encode(given).decode()
            self._argue(item, text, drafts)
        if said.status == "incomplete":
            drafts.tool_aborted(item.number)
        else:
            self._settle(index, item, drafts)

    def _settle(self, index: int, item: OpenItem, drafts: Drafts) -> None:
        """Take a call for whole, unless how the answer ends must tell."""
        arguments = "".join(item.fragments)
        if not arguments or is_object(arguments):
            self._calls += 1
            drafts.tool_completed(item.number)
        else:
            self._items[index] = item

    def _hand_over(
        self, index: int, item: OpenItem, kind: str, raw: msgspec.Raw, drafts: Drafts
    ) -> None:
        """Tell an item of the provider's own, or that it could not be carried."""
        whole = bytes(raw)
        if len(whole) > MAX_PROVIDER_PART_BYTES:
            self._losses.append(
                result_pb2.Loss(
                    path=f"answer.output[{index}]",
                    action=result_pb2.Loss.ACTION_DROPPED,
                    reason=_TOO_LARGE,
                )
            )
            return
        kind = kind[:MAX_PROVIDER_PART_TYPE_CHARACTERS]
        drafts.provider_part(self._number(item), self._issuer, kind, whole.decode())
