"""What was found of one place of a request, and whether the losses say the same."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass, field

from trunkline.inference.v1 import result_pb2

_DROPPED = result_pb2.Loss.ACTION_DROPPED
_TRANSLATED = result_pb2.Loss.ACTION_TRANSLATED


class State(enum.IntEnum):
    """What became of something, from the best to the worst."""

    KEPT = 0
    RETOLD = 1
    """It is there in another form."""
    WITHHELD = 2
    """It is not there, and not meant for this one: only its maker can read it, or it asks for
    a cache that the provider keeps by itself or not at all."""
    LOST = 3


@dataclass(frozen=True, slots=True)
class Finding:
    """What became of one place.

    Attributes:
        path: in the request.
        state: of it.
        in_silence: that it is told in another form, or not sent, needs no loss.
    """

    path: str
    state: State
    in_silence: bool = False


@dataclass(slots=True)
class Findings:
    """All that was found of a request.

    Attributes:
        found: of each place.
        faults: what is wrong in other ways, in words.
    """

    found: list[Finding] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    def add(self, path: str, state: State, *, in_silence: bool = False) -> None:
        """Note what became of a place."""
        self.found.append(Finding(path, state, in_silence))

    def check(self, true: bool, fault: str) -> None:
        """Note a fault, unless something is true."""
        if not true:
            self.faults.append(fault)

    def judge(self, losses: Sequence[result_pb2.Loss]) -> list[str]:
        """Return all faults: those found, what is lost unnamed, what is named and not lost."""
        named = {loss.path: loss.action for loss in losses}
        faults = list(self.faults)
        for each in self.found:
            action = named.pop(each.path, None)
            match each.state:
                case State.KEPT:
                    wrong = action is not None
                case State.RETOLD:
                    wrong = action != _TRANSLATED
                case _:
                    wrong = action != _DROPPED
            if wrong and not (each.in_silence and action is None):
                told = result_pb2.Loss.Action.Name(action) if action else "nothing"
                faults.append(f"{each.path} is {each.state.name}, and {told} is told of it")
        faults += [f"{path} is told of, and nothing is lost there" for path in named]
        return faults
