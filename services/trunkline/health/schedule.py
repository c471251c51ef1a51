"""When each provider is probed. Pure: times are handed in.

Each provider has its own second of the minute, by a hash of its name, so that probes
spread evenly, and a process that takes over from another goes on in the same rhythm. One
that is new, or whose key or address is, is probed at once.
"""

from __future__ import annotations

import hashlib
from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import Final

PERIOD_S: Final = 60.0
JITTER_S: Final = 2.0
# A probe that was made a moment ago serves for the next one too.
CLOSEST_S: Final = 10.0
# The other services hear of a change a moment after or before us.
SETTLE_S: Final = 0.5
_SPREAD_S: Final = 1.0
LONGEST_WAIT_S: Final = 3600.0
# After a probe that could not be made: doubled each time.
_RETRY_S: Final = (1.0, 30.0)


@dataclass(frozen=True, slots=True)
class Aim:
    """What is probed of a provider; another one is another reason to look at once.

    Attributes:
        subject: what the answer depends on: address, headers, key and its version.
        is_news: it has changed since the last probe, which another process may have made.
        wait_s: how long the provider still wants to be left alone, as it told with that one.
    """

    subject: Hashable
    is_news: bool
    wait_s: float = 0.0


@dataclass(slots=True)
class _Slot:
    """A provider's next probe.

    Attributes:
        subject: of its aim.
        due: monotonic seconds.
        not_before: monotonic seconds: the provider's own wish.
        failures: probes in a row that could not be made.
    """

    subject: Hashable
    due: float
    not_before: float = 0.0
    failures: int = 0


class Schedule:
    """The next probe of each provider. Times are seconds of two clocks, read at one moment."""

    def __init__(self) -> None:
        self._slots: dict[str, _Slot] = {}

    def clear(self) -> None:
        """Forget everything: others do the work."""
        self._slots.clear()

    def follow(self, aims: Mapping[str, Aim], now: float, wall: float) -> None:
        """Take over which providers are to be probed.

        Args:
            aims: by the provider's name.
            now: monotonic seconds.
            wall: seconds since 1970.
        """
        for name in [name for name in self._slots if name not in aims]:
            del self._slots[name]
        for name, aim in aims.items():
            slot = self._slots.get(name)
            if slot is not None and slot.subject == aim.subject:
                continue
            # What is known here for the first time need not be new to the fleet.
            if aim.is_news or slot is not None:
                due = now + SETTLE_S + _SPREAD_S * share_of(name)
                self._slots[name] = _Slot(aim.subject, due)
            else:
                due = now + until_turn(name, wall)
                self._slots[name] = _Slot(aim.subject, due, now + aim.wait_s)

    def due(self, now: float) -> list[str]:
        """Return the providers whose probe is due, the one that waits longest first."""
        late = sorted((max(slot.due, slot.not_before), name) for name, slot in self._slots.items())
        return [name for due, name in late if due <= now]

    def begin(self, name: str, now: float, wall: float) -> None:
        """Note that a probe begins; the next one comes with the provider's turn."""
        slot = self._slots.get(name)
        if slot is not None:
            slot.due = now + until_turn(name, wall + CLOSEST_S) + CLOSEST_S

    def end(self, name: str, now: float, wait_s: float) -> None:
        """Note that a probe was answered.

        Args:
            name: of the provider.
            now: monotonic seconds.
            wait_s: how long the provider asks to wait; at most an hour of it is.
        """
        slot = self._slots.get(name)
        if slot is not None:
            slot.failures = 0
            slot.not_before = now + min(wait_s, LONGEST_WAIT_S)

    def fail(self, name: str, now: float) -> None:
        """Note that a probe could not be made, through no doing of the provider."""
        slot = self._slots.get(name)
        if slot is not None:
            first, longest = _RETRY_S
            slot.due = min(slot.due, now + min(longest, first * 2 ** min(slot.failures, 10)))
            slot.failures += 1


def until_turn(name: str, wall: float) -> float:
    """Return the seconds from a time until a provider's next turn, at most 62.

    Args:
        name: of the provider.
        wall: seconds since 1970.
    """
    minute = int(wall // PERIOD_S)
    turns = (_turn(name, minute + offset) for offset in (-1, 0, 1, 2))
    return min(turn - wall for turn in turns if turn > wall)


def share_of(name: str, salt: str = "") -> float:
    """Return a number from 0 to 1 that a name always gives, evenly spread over names."""
    digest = hashlib.blake2b(f"{name}\0{salt}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") / 2**64


def _turn(name: str, minute: int) -> float:
    """Return when a provider's turn of a minute since 1970 comes, in seconds since 1970."""
    jitter = JITTER_S * (share_of(name, str(minute)) - 0.5)
    return minute * PERIOD_S + PERIOD_S * share_of(name) + jitter
