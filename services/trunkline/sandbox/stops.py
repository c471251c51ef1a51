"""Stop sequences over a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def cut_at_stop(pieces: Iterable[str], stops: Sequence[str]) -> Iterator[str]:
    """Yield the pieces up to the first stop sequence, which is left out.

    A sequence may lie across pieces: what could be its beginning is held back until the next
    piece decides.

    Args:
        pieces: the text.
        stops: sequences, none of them empty; without any the pieces pass unchanged.
    """
    if not stops:
        yield from pieces
        return
    held = ""
    for piece in pieces:
        text = held + piece
        found = [at for at in (text.find(stop) for stop in stops) if at >= 0]
        if found:
            if min(found):
                yield text[: min(found)]
            return
        keep = _undecided(text, stops)
        held = text[len(text) - keep :]
        if len(text) > keep:
            yield text[: len(text) - keep]
    if held:
        yield held


def _undecided(text: str, stops: Sequence[str]) -> int:
    """Count the characters at the end of a text that may begin a stop sequence."""
    longest = min(len(text), max(map(len, stops)) - 1)
    for size in range(longest, 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stops):
            return size
    return 0
