"""How soon models spoke of late, as this process saw it."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from trunkline.kernel.clock import Clock

MAX_MODELS: Final = 10_000
REMEMBERED_S: Final = 300.0
# A new figure weighs as much as the four before it.
_WEIGHT: Final = 0.2


class Latencies:
    """Times to the first token by model, averaged so that the latest weigh most.

    Args:
        clock: measures age.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def note(self, model: str, first_token_s: float) -> None:
        """Note how soon a model spoke."""
        known = self.of(model)
        mean = first_token_s if known is None else known + _WEIGHT * (first_token_s - known)
        self._seen[model] = (mean, self._clock.monotonic())
        self._seen.move_to_end(model)
        if len(self._seen) > MAX_MODELS:
            self._seen.popitem(last=False)

    def of(self, model: str) -> float | None:
        """Return a model's time to the first token in seconds; None: it was not asked of late."""
        seen = self._seen.get(model)
        if seen is None or self._clock.monotonic() - seen[1] > REMEMBERED_S:
            return None
        return seen[0]
