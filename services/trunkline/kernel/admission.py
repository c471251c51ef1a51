"""A bounded number of calls at once."""

from __future__ import annotations

from datetime import timedelta

from trunkline.kernel.call import Call
from trunkline.kernel.errors import ResourceExhausted

_WAIT = timedelta(seconds=1)


class Admission:
    """Counts the calls that are served at once.

    Args:
        limit: the most.

    Attributes:
        taken: how many there are.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.taken = 0

    def take(self, call: Call) -> None:
        """Take a place for a call.

        Raises:
            ResourceExhausted: LIMIT_REACHED: there is none left.
        """
        if self.taken >= self._limit:
            raise ResourceExhausted(
                "LIMIT_REACHED",
                f"{self._limit} calls are being served, which is the most.",
                metadata={"limit": str(self._limit), "subject": "deployment"},
                retry_after=_WAIT,
            )
        self.taken += 1
        call.admitted = True

    def give_back(self, call: Call) -> None:
        """Give a call's place back, if it has one."""
        if call.admitted:
            call.admitted = False
            self.taken -= 1
