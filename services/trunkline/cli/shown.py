"""What stands on a terminal of an answer, so that what becomes void can be struck out there.

There is no way back to what has scrolled away, nor to what stands nobody knows where, since
terminals do not agree on how wide some characters are. Then nothing is struck out.
"""

from __future__ import annotations

import re
import unicodedata
from collections import deque
from dataclasses import dataclass
from typing import Final

_MAX_KEPT: Final = 64 * 1024
_TAB: Final = 8
_LAST_SURE: Final = 0xFFFF

# Select Graphic Rendition (ECMA-48, 8.3.117): 2 is faint, 9 crossed out, 0 neither.
_STYLE: Final = re.compile(r"\x1b\[[0-9;]*m")
_VOID: Final = "\x1b[2;9m"
_RESET: Final = "\x1b[0m"


@dataclass(frozen=True, slots=True)
class _Piece:
    """What was written at once.

    Attributes:
        text: with its styles.
        sequence: of the event that it came with; 0: it is no part of the answer.
    """

    text: str
    sequence: int

    @property
    def plain(self) -> str:
        """Return the text without styles."""
        return _STYLE.sub("", self.text)


class Shown:
    """What was written on one terminal, oldest first."""

    def __init__(self) -> None:
        self._pieces: deque[_Piece] = deque()
        self._kept = 0
        self._gone = 0

    def add(self, text: str, sequence: int) -> None:
        """Note what was written.

        Args:
            text: made safe to print, but for styles of our own.
            sequence: of the event that it came with; 0: it is no part of the answer.
        """
        self._pieces.append(_Piece(text, sequence))
        self._kept += len(text)
        while self._kept > _MAX_KEPT:
            gone = self._pieces.popleft()
            self._kept -= len(gone.text)
            self._gone = max(self._gone, gone.sequence)

    def strike(self, start: int, columns: int, rows: int) -> str:
        """Return what to write at the begin of a line, so that what is void is struck out.

        Args:
            start: the content of the event of this sequence, and later, is void.
            columns: of the terminal.
            rows: of the terminal.

        Returns:
            Empty: it cannot be done.
        """
        pieces = list(self._pieces)
        first = next((n for n, piece in enumerate(pieces) if piece.sequence >= start), None)
        if first is None or self._gone >= start:
            return ""
        if first and not pieces[first - 1].plain.endswith("\n"):
            return ""
        height = _count_rows("".join(piece.plain for piece in pieces[first:]), columns)
        if not 0 < height < rows:
            return ""
        anew = [self._strike(piece, start) for piece in pieces[first:]]
        self._pieces = deque([*pieces[:first], *anew])
        self._kept = sum(len(piece.text) for piece in self._pieces)
        # Cursor up, and erased from there to the end of the screen (ECMA-48, 8.3.22 and 8.3.39).
        return f"\x1b[{height}A\r\x1b[J" + "".join(piece.text for piece in anew)

    @staticmethod
    def _strike(piece: _Piece, start: int) -> _Piece:
        """Return a piece as it looks when everything from an event on is void."""
        if piece.sequence < start:
            return piece
        return _Piece(f"{_VOID}{piece.plain}{_RESET}", piece.sequence)


def _count_rows(text: str, columns: int) -> int:
    """Return how many rows whole lines take; 0: nobody knows."""
    if not text.endswith("\n") or columns < 1:
        return 0
    rows = column = 0
    for character in text:
        if character == "\n":
            rows, column = rows + 1, 0
            continue
        if character == "\t":
            column = min(column + _TAB - column % _TAB, columns - 1)
            continue
        if not _is_sure(character):
            return 0
        width = 2 if unicodedata.east_asian_width(character) in "WF" else 1
        if column + width > columns:
            rows, column = rows + 1, 0
        column += width
    return rows


def _is_sure(character: str) -> bool:
    """Tell whether all terminals give a character the same width, and a place of its own."""
    kind = unicodedata.category(character)
    return ord(character) <= _LAST_SURE and kind[0] not in "MC" and kind not in ("Zl", "Zp")
