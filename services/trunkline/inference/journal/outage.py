"""Say once that a store of runs is away, and once that it is back."""

from __future__ import annotations

from trunkline.kernel.log import get_logger


class Outage:
    """Whether a store answers.

    Args:
        kind: of the store.
    """

    def __init__(self, kind: str) -> None:
        self._is_away = False
        self._log = get_logger("trunkline.journal").bind(store=kind)

    def begin(self, cause: str) -> None:
        """Note that the store did not answer.

        Args:
            cause: the name of an error; what it says may hold more than a log may.
        """
        if not self._is_away:
            self._is_away = True
            self._log.warning("journal_unavailable", error=cause)

    def end(self) -> None:
        """Note that the store answered."""
        if self._is_away:
            self._is_away = False
            self._log.info("journal_available")
