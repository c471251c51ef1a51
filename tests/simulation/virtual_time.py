"""Time that passes as soon as nobody has anything to do: an event loop that never waits."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")

_SECOND_NS = 1_000_000_000
_EPOCH_NS = 1_800_000_000 * _SECOND_NS


class _Leap(selectors.SelectSelector):
    """Waits for nothing: what would be a wait moves the time."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Let the time pass that may be waited."""
        if timeout is None:
            raise RuntimeError("Nobody has anything to do, now or later.")
        self.now += max(0.0, timeout)
        return []


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop without sockets, whose time is the sum of all waits."""

    def __init__(self) -> None:
        self._leap = _Leap()
        super().__init__(self._leap)

    def time(self) -> float:
        """Return seconds since the loop began."""
        return self._leap.now


class VirtualClock:
    """The running loop's time, as the code under test measures it."""

    def time_ns(self) -> int:
        """Return nanoseconds since 1970."""
        return _EPOCH_NS + int(self.monotonic() * _SECOND_NS)

    def monotonic(self) -> float:
        """Return seconds since the loop began."""
        return asyncio.get_running_loop().time()


def live_through(what: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end, in virtual time."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(what)
