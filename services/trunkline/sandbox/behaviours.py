"""Behaviours, and the rows of the table of models that make them from a name."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, TypeAlias

from trunkline.sandbox.delivery import AT_ONCE, Pace
from trunkline.sandbox.faults import Break, BreakOff, Fault
from trunkline.sandbox.scripts import Script, say_words


@dataclass(frozen=True, slots=True)
class Behaviour:
    """Say what a model name does.

    Args:
        script: what is said.
        pace: when it is said.
        fault: how it goes wrong; None for a healthy model.
        failures: how many attempts of a key see the fault, at least 1; None for all.
    """

    script: Script
    pace: Pace = AT_ONCE
    fault: Fault | None = None
    failures: int | None = None

    def heal(self) -> Behaviour:
        """Return the same behaviour without its fault."""
        return replace(self, fault=None, failures=None)


OK_WORDS: Final = 60

OK: Final = Behaviour(Script(say_words(OK_WORDS)))
"""What `ok` does."""


class Kind(Enum):
    """Sort the rows of the table."""

    ANSWER = "answers"
    PACE = "answers at a pace of their own"
    FAULT = "faults"
    ATTEMPTS = "faults of the first attempts"


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
        over = "(?:-of-(?P<name>.+))?" if self.kind in (Kind.PACE, Kind.FAULT) else ""
        return re.compile(words + over)


def say(script: Script) -> Build:
    """Say a script."""
    return lambda _number, _beneath: Behaviour(script)


def say_counted(make: Callable[[int], Script], *, joined: bool = False) -> Build:
    """Say a script made from the number."""
    return lambda number, _: Behaviour(make(number), Pace(joined=joined))


def set_pace(make: Callable[[int], Pace]) -> Build:
    """Put a pace over an answer that has none of its own."""

    def build(number: int, beneath: Behaviour | None) -> Behaviour | None:
        beneath = beneath or OK
        return replace(beneath, pace=make(number)) if beneath.pace == AT_ONCE else None

    return build


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


def fail_first(count: int, beneath: Behaviour | None) -> Behaviour | None:
    """Show a fault that all attempts see to the first `count` of them."""
    if beneath is None or beneath.fault is None or beneath.failures is not None:
        return None
    return replace(beneath, failures=count)
