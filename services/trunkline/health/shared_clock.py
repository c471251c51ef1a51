"""The time by the clock of all who share the database: what it is now, without asking again."""

from __future__ import annotations

from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session

_SECOND_NS = 1_000_000_000


class SharedClock:
    """The database's clock where several processes share it, else this process's.

    In between it is counted on from the last answer, which was a moment on its way: it is
    never ahead of the database's.

    Args:
        database: of the service.
        clock: of the process.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._ahead_ns: int | None = None

    async def read(self, session: Session) -> int:
        """Return the time of a transaction, in nanoseconds since 1970."""
        now_ns = await self._database.time_ns(session, self._clock)
        if self._database.is_shared:
            self._ahead_ns = now_ns - self._counted_ns()
        return now_ns

    def time_ns(self) -> int:
        """Return the time in nanoseconds since 1970, as far as it is known here."""
        if self._ahead_ns is None:
            return self._clock.time_ns()
        return self._counted_ns() + self._ahead_ns

    def _counted_ns(self) -> int:
        """Return what the process counts, from an unknown start."""
        return int(self._clock.monotonic() * _SECOND_NS)
