"""Read how an answer's text begins, where some services say what is no part of it."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final, Protocol

BEGIN: Final = "<think>"
END: Final = "</think>"


class Opening(Protocol):
    """The beginning of one answer's text; an object with a life."""

    def read(self, text: str) -> tuple[str, str]:
        """Take more of the text; return the thought and the text that are in it."""

    def close(self) -> tuple[str, str]:
        """Return what was held back, likewise: nothing more of the text comes."""


class _Place(Enum):
    """How far a text has come."""

    START = auto()
    THOUGHT = auto()
    GAP = auto()
    TEXT = auto()


class Tags:
    """A text that may begin with a thought between tags (MiniMax).

    Tags further on are text like any other: the answer may well be about them.
    """

    __slots__ = ("_held", "_place")

    def __init__(self) -> None:
        self._place = _Place.START
        self._held = ""

    def read(self, text: str) -> tuple[str, str]:
        """Take more of the text; see `Opening.read`."""
        text, self._held = self._held + text, ""
        thought = ""
        if self._place is _Place.START:
            text = self._start(text)
        if self._place is _Place.THOUGHT:
            thought, tag, text = text.partition(END)
            if tag:
                self._place = _Place.GAP
            else:
                whole = len(thought) - _begun(thought)
                thought, self._held = thought[:whole], thought[whole:]
        if self._place is _Place.GAP:
            text = text.lstrip("\n")
            if text:
                self._place = _Place.TEXT
        return thought, text

    def close(self) -> tuple[str, str]:
        """Return what was held back; see `Opening.close`."""
        held, self._held = self._held, ""
        return (held, "") if self._place is _Place.THOUGHT else ("", held)

    def _start(self, text: str) -> str:
        """Return what follows the first tag, or the text when it begins with none."""
        start = text.lstrip()
        if start.startswith(BEGIN):
            self._place = _Place.THOUGHT
            return start[len(BEGIN) :]
        if BEGIN.startswith(start):
            self._held = text
            return ""
        self._place = _Place.TEXT
        return text


class Echo:
    """A text that begins with the one that it goes on from (Mistral).

    Where it does so only in part, it is the model's own words and begins like them.

    Args:
        said: what the model went on from.
    """

    __slots__ = ("_matched", "_said")

    def __init__(self, said: str) -> None:
        self._said = said
        self._matched = 0

    def read(self, text: str) -> tuple[str, str]:
        """Take more of the text; see `Opening.read`."""
        rest = self._said[self._matched :]
        if text.startswith(rest):
            # Also when there is no more to compare: all of it is new.
            self._said, self._matched = "", 0
            return "", text[len(rest) :]
        if rest.startswith(text):
            self._matched += len(text)
            return "", ""
        _, held = self.close()
        return "", held + text

    def close(self) -> tuple[str, str]:
        """Return what was held back; see `Opening.close`."""
        held = self._said[: self._matched]
        self._said, self._matched = "", 0
        return "", held


def _begun(thought: str) -> int:
    """Return how many characters at the end may be the beginning of the end tag."""
    return next(n for n in range(len(END) - 1, -1, -1) if thought.endswith(END[:n]))
