"""The items of an answer that have not ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

MESSAGE: Final = "message"
THOUGHT: Final = "reasoning"
CALL: Final = "function_call"
OWN: Final = "own"
"""An item that means something to the provider only."""

BETWEEN_SUMMARIES: Final = "\n\n"
"""What stands between the parts of a summary, which become one thought."""


@dataclass(slots=True)
class OpenItem:
    """An item of the answer that has not ended.

    Attributes:
        kind: `MESSAGE`, `THOUGHT`, `CALL` or `OWN`.
        number: of its block, where it is one; -1 as long as nothing of it was told.
        parts: of a message: the number of each part's block, by its place.
        refusals: places of those parts that are refusals.
        cited: how many sources of a message were told.
        thought: something of a thought has come.
        place: of the part of the summary that came last.
        fragments: of a call's arguments.
        size: of the fragments, in bytes.
    """

    kind: str
    number: int = -1
    parts: dict[int, int] = field(default_factory=dict)
    refusals: set[int] = field(default_factory=set)
    cited: int = 0
    thought: bool = False
    place: int = 0
    fragments: list[str] = field(default_factory=list)
    size: int = 0


def kind_of(type_: str) -> str:
    """Return what kind of item one of a type is."""
    return type_ if type_ in (MESSAGE, THOUGHT, CALL) else OWN
