"""Join a continuation to what was said before: numbers of blocks, and words said twice.

A model that goes on from a partial answer often says the end of it once more. What it
repeats of the tail is cut, from 16 characters on, so that a word that truly stands twice
survives. To tell, the first text is held back, for 300 ms at most.
"""

from __future__ import annotations

from typing import Final

from trunkline.inference.continuation import Continuation
from trunkline.inference.v1 import event_pb2

LEAST: Final = 16
MOST: Final = 200
HELD_S: Final = 0.3

# Kinds of events that have a block.
_CONTENT: Final = (
    "text_delta",
    "reasoning_delta",
    "reasoning_signature",
    "provider_part_delta",
    "citation_added",
    "tool_call_started",
    "tool_call_delta",
    "tool_call_completed",
    "tool_call_aborted",
)


class Seam:
    """The beginning of one attempt that goes on from a text.

    Args:
        continuation: that it follows, with what was delivered.
    """

    def __init__(self, continuation: Continuation) -> None:
        delivered = continuation.delivered
        assert delivered is not None
        self._space = continuation.trimmed
        # As the model saw it, and so as it repeats it.
        self._tail = delivered.text.removesuffix(self._space)[-MOST:]
        self._text_block = delivered.text_block
        self._next_block = delivered.last_block + 1
        self._blocks: dict[int, int] = {}
        self._held: list[event_pb2.ChatEvent] = []
        self._joined = False

    @property
    def is_holding(self) -> bool:
        """Tell whether something is held back."""
        return bool(self._held)

    def join(self, drafts: list[event_pb2.ChatEvent]) -> list[event_pb2.ChatEvent]:
        """Return what may be told of the next drafts, which may be changed."""
        for draft in drafts:
            self._renumber(draft)
        if self._joined:
            return drafts
        self._held += drafts
        words = "".join(
            draft.text_delta.text for draft in self._held if draft.HasField("text_delta")
        )
        # Anything but text ends it: nothing more will be said of the tail.
        only_text = all(draft.HasField("text_delta") for draft in self._held)
        if only_text and self._may_repeat(words):
            return []
        return self.release()

    def release(self) -> list[event_pb2.ChatEvent]:
        """Return what is held back, without what it repeats; from now on nothing is held."""
        self._joined = True
        held, self._held = self._held, []
        words = "".join(draft.text_delta.text for draft in held if draft.HasField("text_delta"))
        cut = self._repeated(words)
        cut += _overlap(self._space, words[cut:])
        released = []
        for draft in held:
            if cut and draft.HasField("text_delta"):
                text = draft.text_delta.text
                draft.text_delta.text = text[cut:]
                cut = max(0, cut - len(text))
                if not draft.text_delta.text:
                    continue
            released.append(draft)
        return released

    def _repeated(self, words: str) -> int:
        """Return how many characters at the start of the words repeat the tail."""
        for length in range(min(len(self._tail), len(words)), LEAST - 1, -1):
            if self._tail.endswith(words[:length]):
                return length
        return 0

    def _may_repeat(self, words: str) -> bool:
        """Tell whether more words could show that these repeat what was said, or more of it."""
        rest = words[self._repeated(words) :]
        if len(rest) < len(self._space) and _overlap(self._space, rest) == len(rest):
            return True
        tail = self._tail
        start = tail.find(words)
        while start != -1:
            # These words stand in the tail, and not at its very end: what follows decides.
            if start + len(words) < len(tail) and len(tail) - start >= LEAST:
                return True
            start = tail.find(words, start + 1)
        return False

    def _renumber(self, draft: event_pb2.ChatEvent) -> None:
        """Give an event the block that it has in the whole answer."""
        kind = draft.WhichOneof("kind")
        if kind not in _CONTENT:
            return
        content = getattr(draft, kind)
        own = content.block
        if own not in self._blocks:
            goes_on = not self._blocks and kind == "text_delta" and not content.refusal
            if goes_on:
                self._blocks[own] = self._text_block
            else:
                self._blocks[own] = self._next_block
                self._next_block += 1
        content.block = self._blocks[own]


def _overlap(space: str, words: str) -> int:
    """Return how many characters of white space that was said already the words begin with."""
    for length in range(min(len(space), len(words)), 0, -1):
        if words[:length] == space[-length:] or words[:length] == space[:length]:
            return length
    return 0
