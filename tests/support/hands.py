"""A clock whose hands a test sets."""

from __future__ import annotations


class Hands:
    """A clock that stands.

    Args:
        now_ns: nanoseconds since 1970.
    """

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def time_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return self.now_ns

    def monotonic(self) -> float:
        """Return seconds from an unknown start."""
        return self.now_ns / 1e9
