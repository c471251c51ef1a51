"""Write the ids of tool calls as a vendor takes them."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class IdForm:
    """What ids a vendor takes, and what those look like that are made for it.

    Attributes:
        accepted: what whole ids look like; must take what `prefix` and `digits` make.
        prefix: what begins an id that is made.
        digits: how many hexadecimal digits follow it.
    """

    accepted: re.Pattern[str]
    prefix: str = "call_"
    digits: int = 24


class CallIds:
    """The ids of one request: each has one form on the wire, and no two have the same.

    An id that the vendor takes stays as it is, and the form of another depends on nothing but
    itself: a transcript that grows keeps its beginning, and so the vendor's cache of it. No way
    back is needed: an answer has calls and ids of its own.

    Args:
        form: what the vendor takes.
    """

    __slots__ = ("_form", "_taken", "_wire")

    def __init__(self, form: IdForm) -> None:
        self._form = form
        self._wire: dict[str, str] = {}
        self._taken: set[str] = set()

    def wire(self, call_id: str) -> str:
        """Return an id that the vendor takes; equal ids stay equal, and others different."""
        known = self._wire.get(call_id)
        if known is not None:
            return known
        made = call_id if self._form.accepted.fullmatch(call_id) else self._make(call_id)
        seed = call_id
        # Of long ids nobody meets this; of short ones, or made to meet, somebody may.
        while made in self._taken:
            seed += "\0"
            made = self._make(seed)
        self._taken.add(made)
        self._wire[call_id] = made
        return made

    def _make(self, seed: str) -> str:
        """Return an id in the vendor's form."""
        form = self._form
        return form.prefix + hashlib.sha256(seed.encode()).hexdigest()[: form.digits]
