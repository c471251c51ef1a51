"""How much the bench measures: all that counts, or enough for a look."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from bench.figures import (
    BURST,
    CANCELLED,
    CONTINUED,
    DECODINGS,
    DELAY,
    DESERTED,
    EMBED,
    FALLBACK,
    FIRST_CONTENT,
    JOURNALLED,
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
    EMBED = "embed"
    TTFT = "ttft"
    FLEET = "fleet"
    CLOSING = "closing"
    FALLBACK = "fallback"
    DURABLE = "durable"
    KILL = "kill"
    DECODING = "decoding"


# Without these the bare relay is not asked for anything.
_WITHOUT_RELAY: Final = frozenset({Part.FALLBACK, Part.DURABLE, Part.KILL, Part.DECODING})
_CHAT_PARTS: Final = frozenset({Part.PACED, Part.BURST, Part.UNARY, Part.TTFT})

_PARTS: Final = {
    SERVING_FRESH: Part.SERVING,
    SERVING_AGAIN: Part.SERVING,
    PACED: Part.PACED,
    MEMORY: Part.PACED,
    BURST: Part.BURST,
    UNARY: Part.UNARY,
    EMBED: Part.EMBED,
    FIRST_CONTENT: Part.TTFT,
    CANCELLED: Part.CLOSING,
    DESERTED: Part.CLOSING,
    FALLBACK: Part.FALLBACK,
    JOURNALLED: Part.DURABLE,
    DELAY: Part.DURABLE,
    CONTINUED: Part.KILL,
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
        embeddings: calls for embeddings of one sample.
        paced_words: events of a paced stream; they must last longer than the windows.
        paced_windows: samples of paced streams, of 1 s each.
        ttft_times: streams of one measure, on each way.
        closings: runs of a round that are ended, in each way.
        fallback_times: chats with a fallback, and as many without, on each way.
        durable_rounds: how often paced streams with each journal.
        durable_streams: of one measure.
        kills: processes that are killed, with each journal.
        decodings: samples of each format's decoding.
        limit_seconds: how long all of it may take.
    """

    parts: frozenset[Part]
    gateway: bool
    rounds: int
    paced_rounds: int
    samples: int
    unary_chats: int
    embeddings: int
    paced_words: int
    paced_windows: int
    ttft_times: int
    closings: int
    fallback_times: int
    durable_rounds: int
    durable_streams: int
    kills: int
    decodings: int
    limit_seconds: int

    @classmethod
    def whole(cls, parts: frozenset[Part], *, gateway: bool) -> Plan:
        """Return the plan whose figures count: at most 12 minutes."""
        return cls(
            parts=parts,
            gateway=gateway,
            rounds=5,
            paced_rounds=5,
            samples=4,
            unary_chats=400,
            embeddings=8,
            paced_words=48,
            paced_windows=6,
            ttft_times=150,
            closings=20,
            fallback_times=300,
            durable_rounds=3,
            durable_streams=1_000,
            kills=3,
            decodings=9,
            limit_seconds=720,
        )

    @classmethod
    def quick(cls, parts: frozenset[Part], *, gateway: bool) -> Plan:
        """Return a plan of two or three minutes."""
        return cls(
            parts=parts,
            gateway=gateway,
            rounds=2,
            paced_rounds=1,
            samples=3,
            unary_chats=200,
            embeddings=4,
            paced_words=30,
            paced_windows=3,
            ttft_times=60,
            closings=5,
            fallback_times=60,
            durable_rounds=1,
            durable_streams=1_000,
            kills=1,
            decodings=3,
            limit_seconds=240,
        )

    @property
    def fleet(self) -> bool:
        """Tell whether (d) is measured."""
        return self.gateway and Part.FLEET in self.parts

    @property
    def deployed(self) -> bool:
        """Tell whether anything has to be started."""
        return self.parts != {Part.DECODING}

    @property
    def relayed(self) -> bool:
        """Tell whether anything is compared with the bare relay, or measured beside it."""
        return not self.parts <= _WITHOUT_RELAY

    def holds(self, figure: Figure, bound: Bound) -> bool:
        """Tell whether a figure is held to a bound of its own."""
        if _PARTS[figure] not in self.parts:
            return False
        if bound.way is Way.FLEET:
            return self.fleet
        # Without the gateway what is compared shows the relay; what is not shows nothing.
        return self.gateway or bound.base in (Way.RELAY, Way.BARE)
