"""A clock whose hands a test turns."""

from __future__ import annotations


class HandClock:
    """Stands until it is told that time passed."""

    def __init__(self) -> None:
        self._ns = 1_800_000_000 * 1_000_000_000

    def pass_s(self, seconds: float) -> None:
        """Let seconds pass, by the wall and in spans."""
        self._ns += round(seconds * 1_000_000_000)

    def time_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self._ns

    def monotonic(self) -> float:
        """Return seconds from an unknown start."""
        return (self._ns - 1_800_000_000 * 1_000_000_000) / 1_000_000_000
