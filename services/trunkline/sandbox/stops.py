"""Stop sequences over a text that comes in pieces."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence


def cut_at_stop(pieces: Iterable[str], stops: Sequence[str]) -> Generator[str, None, str | None]:
    """Yield the pieces up to the first stop sequence, which is left out.

    A sequence may lie across pieces: what could be its beginning is held back until the next
    piece decides.

    Args:
        pieces: the text.
        stops: sequences, none of them empty; without any the pieces pass unchanged.

    Returns:
        The sequence that ended the text; None when it came to its own end.
    """
    if not stops:
        yield from pieces
        return None
    held = ""
    for piece in pieces:
        text = held + piece
        found = [(text.find(stop), stop) for stop in stops if stop in text]
        if found:
            at, stop = min(found)
            if at:
                yield text[:at]
            return stop
        keep = _undecided(text, stops)
        held = text[len(text) - keep :]
        if len(text) > keep:
            yield text[: len(text) - keep]
    if held:
        yield held
    return None


def _undecided(text: str, stops: Sequence[str]) -> int:
    """Count the characters at the end of a text that may begin a stop sequence."""
    longest = min(len(text), max(map(len, stops)) - 1)
    for size in range(longest, 0, -1):
        if any(stop.startswith(text[-size:]) for stop in stops):
            return size
    return 0
