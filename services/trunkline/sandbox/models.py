"""The table of models: what each name does.

A name is a row's pattern with a number in place of its capital letter: `cut-after-40`. Names join:

- `FAULT-of-NAME`, `PACE-of-NAME` and `SEAM-of-NAME` put a row of these kinds over another name:
  `cut-after-3-of-tool`, `stall-after-9-of-slow`. Without `-of-NAME` the answer is that of `ok`,
  lengthened where a break would come after its end.
- `once-NAME` and `fail-K-then-ok-NAME` show the fault of NAME to the first attempt, or the first
  K, of each key; `for-S-then-ok-NAME` shows it for S seconds from the first attempt on. Later ones
  get the same answer without it.
- `MODEL@NAME` does what NAME does. What a client sends to a vendor's model depends on its name,
  which can so be any: `claude-opus-4-6@json`.

A break "after N" counts events, the pieces of content of an answer, and is the same in every face.
A break "at N" counts the frames of the wire, so that it comes anywhere a client can be cut off:
between the end of a tool call and the finish reason, or after the terminator. Such a break lies
over any answer: `cut-at-7-of-tool`.

Asked for embeddings, every model makes vectors of 8 numbers unless its name or the request says
otherwise; faults and the wait before the first part are those of its answers.

A text goes on from an assistant's message that ends the transcript and is its beginning.

The sentences name statuses and codes of the OpenAI face; every other face refuses in the form of
its own vendor.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from trunkline.sandbox.behaviours import Behaviour, Row
from trunkline.sandbox.rows.answers import ANSWERS, PACES, SEAMS
from trunkline.sandbox.rows.failures import ATTEMPTS, FAULTS
from trunkline.sandbox.rows.vectors import VECTORS

MAX_NAME: Final = 200
"""Longest name that is looked up, in characters."""

ROWS: Final[tuple[Row, ...]] = (*ANSWERS, *PACES, *VECTORS, *SEAMS, *FAULTS, *ATTEMPTS)
"""Every behaviour, in the order in which people want to see them."""

_EXPRESSIONS: Final = [(row, row.expression()) for row in ROWS]


@lru_cache(maxsize=1024)
def find(name: str) -> Behaviour | None:
    """Return what a model name does; None when there is no such model."""
    if len(name) > MAX_NAME:
        return None
    model, _, behaviour = name.rpartition("@")
    if model:
        return find(behaviour)
    for row, expression in _EXPRESSIONS:
        match = expression.fullmatch(name)
        if match is None:
            continue
        groups = match.groupdict()
        number = int(groups.get("number") or 0)
        inner = groups.get("name")
        beneath = find(inner) if inner else None
        if number in row.numbers and (beneath is not None or not inner):
            return row.build(number, beneath)
    return None


def list_names() -> list[str]:
    """Return a working name of each row, in the table's order."""
    return [row.example for row in ROWS]
