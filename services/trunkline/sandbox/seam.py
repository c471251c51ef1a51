"""How an answer goes on from what was said of it before."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Final

from trunkline.sandbox.history import History
from trunkline.sandbox.words import split_words


@dataclass(frozen=True, slots=True)
class Seam:
    """Say how a script goes on from a partial answer.

    Args:
        repeats: how many characters at most of what was said it says once more.
        obeys: whether it also goes on when a user's message stands after the partial answer.
        begins_anew: whether it never goes on, and says everything again.
    """

    repeats: int = 0
    obeys: bool = False
    begins_anew: bool = False


PLAIN: Final = Seam()
"""Only the rest, and only from an assistant's message that ends the transcript."""


def go_on(pieces: Callable[[], Iterator[str]], history: History, seam: Seam) -> Iterator[str]:
    """Say the rest of a text; all of it when what was said is not its beginning.

    Args:
        pieces: makes the text's pieces, the same ones each time.
        history: tells what was said.
        seam: how it goes on.
    """
    said = history.prefill
    if said is None and seam.obeys:
        said = history.before_user
    if not said or seam.begins_anew:
        return pieces()
    rest = _skip(pieces(), said)
    if rest is None:
        return pieces()
    tail = said[len(said) - min(seam.repeats, len(said)) :]
    return chain(split_words(tail), rest)


def _skip(pieces: Iterator[str], said: str) -> Iterator[str] | None:
    """Return what follows the beginning of a text; None when it does not begin so."""
    for piece in pieces:
        if len(said) < len(piece):
            return chain([piece[len(said) :]], pieces) if piece.startswith(said) else None
        if not said.startswith(piece):
            return None
        said = said[len(piece) :]
    return None if said else iter(())
