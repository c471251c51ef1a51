"""Send as many stop sequences as a format takes."""

from __future__ import annotations

from collections.abc import Sequence

from trunkline.inference.adapters.losses import Losses


def first_stops(stops: Sequence[str], most: int, losses: Losses) -> list[str]:
    """Return the first of some stop sequences, and note each of the others.

    Args:
        stops: as asked.
        most: how many the format takes.
        losses: takes what is left out.
    """
    for index in range(most, len(stops)):
        losses.dropped(
            f"sampling.stop[{index}]",
            f"The provider takes {most} stop sequences; the first are sent.",
        )
    return list(stops[:most])
