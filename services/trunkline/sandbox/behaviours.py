"""Behaviours, and the rows of the table of models that make them from a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

from trunkline.sandbox.delivery import AT_ONCE, Pace
from trunkline.sandbox.faults import Break, BreakFrames, BreakOff, Fault
from trunkline.sandbox.scripts import Script, say_words
from trunkline.sandbox.seam import PLAIN, Seam
from trunkline.sandbox.vectors import PLAIN as PLAIN_VECTORS
from trunkline.sandbox.vectors import Style


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Say what a model name does.

    Args:
        script: what is said.
        pace: when it is said.
        fault: how it goes wrong; None for a healthy model.
        failures: how many attempts of a key see the fault, at least 1; None for all.
        failing_seconds: how long from a key's first attempt on it is seen, before time is scaled;
            None for ever.
        refuses_prefill: whether a transcript that ends with an assistant's message is refused.
        vectors: what vectors it makes.
    """

    script: Script
    pace: Pace = AT_ONCE
    fault: Fault | None = None
    failures: int | None = None
    failing_seconds: int | None = None
    refuses_prefill: bool = False
    vectors: Style = PLAIN_VECTORS

    @property
    def heals(self) -> bool:
        """Tell whether the fault is only of the first attempts."""
        return self.failures is not None or self.failing_seconds is not None

    def heal(self) -> Behaviour:
        """Return the same behaviour without its fault."""
        return replace(self, fault=None, failures=None, failing_seconds=None)


OK_WORDS: Final = 60

OK: Final = Behaviour(Script(say_words(OK_WORDS)))
"""What `ok` does."""


class Kind(Enum):
    """Sort the rows of the table."""

    ANSWER = "answers"
    PACE = "answers at a pace of their own"
    VECTORS = "vectors of texts"
    SEAM = "ways to go on with a partial answer"
    FAULT = "faults"
    ATTEMPTS = "faults of the first attempts"


_OVER: Final = (Kind.PACE, Kind.SEAM, Kind.FAULT)
"""The kinds whose rows may lie over another name."""

Build: TypeAlias = Callable[[int, Behaviour | None], Behaviour | None]
"""Make a behaviour from a name's number (0 without one) and the behaviour of the name inside it.

It returns None when the two do not go together.
"""


@dataclass(frozen=True, slots=True)
class Row:
    """Describe one model name or a family of them.

    Args:
        kind: where it belongs.
        pattern: the name; a lone capital letter stands for a number, NAME for another name.
        example: a name of the family that works; it stands in the list of models.
        sentence: what it does, for people.
        build: makes its behaviour.
        numbers: the numbers that it takes; only 0 when the pattern has none.
    """

    kind: Kind
    pattern: str
    example: str
    sentence: str
    build: Build
    numbers: range = range(1)

    def expression(self) -> re.Pattern[str]:
        """Return the expression that the names of this row match as a whole."""
        words = re.sub(r"\b[A-Z]\b", "(?P<number>0|[1-9][0-9]{0,8})", self.pattern)
        words = words.replace("NAME", "(?P<name>.+)")
        over = "(?:-of-(?P<name>.+))?" if self.kind in _OVER else ""
        return re.compile(words + over)


def say(script: Script) -> Build:
    """Say a script."""
    return lambda _number, _beneath: Behaviour(script)


def say_counted(make: Callable[[int], Script], *, joined: bool = False) -> Build:
    """Say a script made from the number."""
    return lambda number, _: Behaviour(make(number), Pace(joined=joined))


def make_vectors(make: Callable[[int], Style]) -> Build:
    """Make vectors in a style made from the number; asked for an answer, say what `ok` does."""
    return lambda number, _: replace(OK, vectors=make(number))


def set_pace(make: Callable[[int], Pace]) -> Build:
    """Put a pace over an answer that has none of its own."""

    def build(number: int, beneath: Behaviour | None) -> Behaviour | None:
        beneath = beneath or OK
        return replace(beneath, pace=make(number)) if beneath.pace == AT_ONCE else None

    return build


def delay(seconds: int, beneath: Behaviour | None) -> Behaviour | None:
    """Put a wait before the first part of an answer that begins at once."""
    beneath = beneath or OK
    if beneath.pace.first_seconds:
        return None
    return replace(beneath, pace=replace(beneath.pace, first_seconds=seconds))


def spoil(make: Callable[[int], Fault]) -> Build:
    """Put a fault over an answer that has none."""

    def build(number: int, beneath: Behaviour | None) -> Behaviour | None:
        beneath = beneath or OK
        return replace(beneath, fault=make(number)) if beneath.fault is None else None

    return build


def spoil_with(fault: Fault) -> Build:
    """Put the same fault over an answer, whatever the number."""
    return spoil(lambda _: fault)


def break_off(how: Break) -> Build:
    """Put a break after as many utterances as the number says over an answer without fault.

    Where no answer is named and `ok` would end before the break, its text is lengthened.
    """
    over = spoil(lambda after: BreakOff(how, after))

    def build(after: int, beneath: Behaviour | None) -> Behaviour | None:
        if beneath is None and after >= OK_WORDS:
            beneath = Behaviour(Script(say_words(after + 20)))
        return over(after, beneath)

    return build


def break_frames(how: Break) -> Build:
    """Put a break after as many frames as the number says over an answer without fault."""
    return spoil(lambda after: BreakFrames(how, after))


def join(make: Callable[[int], Seam]) -> Build:
    """Put a way to go on over an answer that has none of its own."""

    def build(number: int, beneath: Behaviour | None) -> Behaviour | None:
        beneath = beneath or OK
        if beneath.script.seam != PLAIN:
            return None
        return replace(beneath, script=replace(beneath.script, seam=make(number)))

    return build


def refuse_prefill(_: int, beneath: Behaviour | None) -> Behaviour | None:
    """Let an answer refuse to go on from a partial one."""
    return replace(beneath or OK, refuses_prefill=True)


def fail_first(count: int, beneath: Behaviour | None) -> Behaviour | None:
    """Show a fault that all attempts see to the first `count` of them."""
    if beneath is None or beneath.fault is None or beneath.heals:
        return None
    return replace(beneath, failures=count)


def fail_for(seconds: int, beneath: Behaviour | None) -> Behaviour | None:
    """Show a fault that all attempts see for some seconds from the first attempt on."""
    if beneath is None or beneath.fault is None or beneath.heals:
        return None
    return replace(beneath, failing_seconds=seconds)
