"""How much the bench measures: all that counts, or enough for a look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.figures import (
    BURST,
    CANCELLED,
    DECODINGS,
    DESERTED,
    FIRST_CONTENT,
    MEMORY,
    PACED,
    SERVING_AGAIN,
    SERVING_FRESH,
    UNARY,
    Bound,
    Figure,
    Way,
)


class Part(StrEnum):
    """A part of the bench that can be asked for alone."""

    SERVING = "serving"
    PACED = "paced"
    BURST = "burst"
    UNARY = "unary"
    TTFT = "ttft"
    FLEET = "fleet"
    CLOSING = "closing"
    DECODING = "decoding"


_CHAT_PARTS: Final = frozenset({Part.PACED, Part.BURST, Part.UNARY, Part.TTFT})

_PARTS: Final = {
    SERVING_FRESH: Part.SERVING,
    SERVING_AGAIN: Part.SERVING,
    PACED: Part.PACED,
    MEMORY: Part.PACED,
    BURST: Part.BURST,
    UNARY: Part.UNARY,
    FIRST_CONTENT: Part.TTFT,
    CANCELLED: Part.CLOSING,
    DESERTED: Part.CLOSING,
    **dict.fromkeys(DECODINGS.values(), Part.DECODING),
}


def read_parts(text: str) -> frozenset[Part]:
    """Read the names of parts.

    Args:
        text: names with commas between them. `fleet` adds the four processes to those of the
            parts beside it that are about chats; alone it means all of these.

    Raises:
        ValueError: there is no such part.
    """
    parts = frozenset(Part(name) for name in text.split(","))
    return parts | _CHAT_PARTS if Part.FLEET in parts and not parts & _CHAT_PARTS else parts


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured.

    Attributes:
        parts: what.
        gateway: measure (c) and (d); else (a) and (b) only.
        rounds: how often all of it but the paced streams.
        paced_rounds: how many of the rounds have paced streams, the first ones.
        samples: samples of each round, of unary chats and of bursts.
        unary_chats: chats of one sample.
        paced_words: events of a paced stream; they must last longer than the windows.
        paced_windows: samples of paced streams, of 1 s each.
        ttft_times: streams of one measure, on each way.
        closings: runs of a round that are ended, in each way.
        decodings: samples of each format's decoding.
        limit_seconds: how long all of it may take.
    """

    parts: frozenset[Part]
    gateway: bool
    rounds: int
    paced_rounds: int
    samples: int
    unary_chats: int
    paced_words: int
    paced_windows: int
    ttft_times: int
    closings: int
    decodings: int
    limit_seconds: int

    @classmethod
    def whole(cls, parts: frozenset[Part], *, gateway: bool) -> Plan:
        """Return the plan whose figures count: at most 8 minutes."""
        return cls(
            parts=parts,
            gateway=gateway,
            rounds=5,
            paced_rounds=5,
            samples=4,
            unary_chats=400,
            paced_words=48,
            paced_windows=6,
            ttft_times=150,
            closings=20,
            decodings=9,
            limit_seconds=480,
        )

    @classmethod
    def quick(cls, parts: frozenset[Part], *, gateway: bool) -> Plan:
        """Return a plan of about a minute."""
        return cls(
            parts=parts,
            gateway=gateway,
            rounds=2,
            paced_rounds=1,
            samples=3,
            unary_chats=200,
            paced_words=30,
            paced_windows=3,
            ttft_times=60,
            closings=5,
            decodings=3,
            limit_seconds=120,
        )

    @property
    def fleet(self) -> bool:
        """Tell whether (d) is measured."""
        return self.gateway and Part.FLEET in self.parts

    @property
    def deployed(self) -> bool:
        """Tell whether anything has to be started."""
        return self.parts != {Part.DECODING}

    def holds(self, figure: Figure, bound: Bound) -> bool:
        """Tell whether a figure is held to a bound of its own."""
        if _PARTS[figure] not in self.parts:
            return False
        if bound.way is Way.FLEET:
            return self.fleet
        # Without the gateway what is compared shows the relay; what is not shows nothing.
        return self.gateway or bound.base is not None
