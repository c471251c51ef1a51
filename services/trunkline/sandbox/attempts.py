"""The attempts that were made, for models whose fault is only of the first ones."""

from __future__ import annotations

from typing import Final, TypeAlias

from trunkline.sandbox.behaviours import Behaviour

MAX_ATTEMPTED: Final = 10_000
"""Most keys of models whose attempts are counted."""

Attempted: TypeAlias = tuple[str, str, str]
"""The face, the model and the API key of an attempt."""


class Attempts:
    """Count attempts.

    Args:
        time_scale: factor of the time for which a fault is seen.
    """

    def __init__(self, time_scale: float) -> None:
        self._time_scale = time_scale
        self._made: dict[Attempted, tuple[int, float]] = {}

    def clear(self) -> None:
        """Forget all attempts."""
        self._made.clear()

    def meet(self, behaviour: Behaviour, attempted: Attempted, now: float) -> Behaviour:
        """Count an attempt; return the behaviour that it meets.

        Args:
            behaviour: what the model does.
            attempted: whose attempt it is.
            now: a monotonic time, in seconds.
        """
        if not behaviour.heals:
            return behaviour
        if len(self._made) >= MAX_ATTEMPTED:
            # Far more than a test names: forgetting some would not be less surprising.
            self._made.clear()
        before, first_at = self._made.get(attempted, (0, now))
        self._made[attempted] = before + 1, first_at
        failures, seconds = behaviour.failures, behaviour.failing_seconds
        fails = (failures is not None and before < failures) or (
            seconds is not None and now - first_at < seconds * self._time_scale
        )
        return behaviour if fails else behaviour.heal()
