"""The time of all who share a database, counted on between its answers."""

from __future__ import annotations

from typing import Any

from trunkline.health.shared_clock import SharedClock
from unit.kernel.hands import HandClock

SECOND = 1_000_000_000


class Server:
    """A database whose clock is another than this process's.

    Attributes:
        now_ns: what it says; None: it has none, and nobody shares it.
    """

    def __init__(self, now_ns: int | None) -> None:
        self.now_ns = now_ns

    @property
    def is_shared(self) -> bool:
        """Tell whether others use it."""
        return self.now_ns is not None

    async def time_ns(self, session: Any, clock: HandClock) -> int:
        """Return its time, else the process's."""
        return clock.time_ns() if self.now_ns is None else self.now_ns


async def test_the_databases_time_is_counted_on() -> None:
    """In spans of this process, whatever its wall says, until the database says otherwise."""
    hands, server = HandClock(), Server(5 * SECOND)
    clock = SharedClock(server, hands)  # type: ignore[arg-type] # as much of one as is asked
    assert await clock.read(None) == 5 * SECOND  # type: ignore[arg-type] # not looked at
    hands.pass_s(2)
    assert clock.time_ns() == 7 * SECOND
    server.now_ns = 70 * SECOND
    await clock.read(None)  # type: ignore[arg-type] # not looked at
    assert clock.time_ns() == 70 * SECOND


async def test_who_has_a_database_alone_goes_by_his_own_wall() -> None:
    """A restart goes on by it, too."""
    hands = HandClock()
    clock = SharedClock(Server(None), hands)  # type: ignore[arg-type] # as much of one as is asked
    assert await clock.read(None) == hands.time_ns()  # type: ignore[arg-type] # not looked at
    hands.pass_s(2)
    assert clock.time_ns() == hands.time_ns()
