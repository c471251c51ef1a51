"""What a provider says when it fails, whatever the shape in which it says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import msgspec

_HTTP_ERRORS: Final = range(400, 600)


@dataclass(frozen=True, slots=True)
class Words:
    """What a provider says about a failure; nothing in it is masked.

    Attributes:
        message: its sentence; empty when it has none.
        codes: its codes, the most telling first.
        status: the HTTP status that it names in the body, for errors inside of a stream;
            0 when it names none.
    """

    message: str = ""
    codes: tuple[str, ...] = ()
    status: int = 0


def error_status(code: Any) -> int:
    """Return the HTTP status that a code is, written as a number or as text; 0 when it is none."""
    if isinstance(code, str) and code.isdecimal() and len(code) == 3:
        code = int(code)
    return code if isinstance(code, int) and code in _HTTP_ERRORS else 0


def words_text(said: Any) -> str:
    """Return a sentence, or the JSON of what stands in its place."""
    if isinstance(said, str):
        return said
    return "" if said is None else msgspec.json.encode(said).decode()
