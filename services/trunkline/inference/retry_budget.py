"""How many requests beyond the first ones a process may make, so that none makes a storm.

Each request that comes adds a tenth, and each retry on the same route, each hedge and each
ask of a route that cools takes one. A fallback to a route that does not cool takes none.
"""

from __future__ import annotations

from typing import Final

PER_REQUEST: Final = 1
PER_ASK: Final = 10
"""In tenths, which add up exactly."""


class RetryBudget:
    """The budget of one process.

    Args:
        most: it begins with so many and never has more.
    """

    def __init__(self, most: float) -> None:
        self._most = most * PER_ASK
        self._left = self._most

    def earn(self) -> None:
        """Note a request."""
        self._left = min(self._most, self._left + PER_REQUEST)

    def take(self) -> bool:
        """Take one; tell whether there was one."""
        if self._left < PER_ASK:
            return False
        self._left -= PER_ASK
        return True
