"""Choose among equals: candidates of one rank."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import groupby

from trunkline.catalog.v1 import chain_pb2

# Seconds to the first token of late; None: it was not asked of late.
Latency = Callable[[str], "float | None"]


def arrange(
    candidates: Iterable[chain_pb2.Candidate],
    balance: chain_pb2.Balance.ValueType,
    draw: Callable[[], float],
    latency: Latency,
) -> list[str]:
    """Return models in the order in which they are asked.

    A price is known of none yet: by price they stand as they are.

    Args:
        candidates: with their ranks filled in.
        balance: how to choose among those of one rank.
        draw: gives numbers from 0 to below 1, at random.
        latency: of a model; one that was not asked of late is tried, so that it is known.
    """
    candidates = list(candidates)
    if len(candidates) == 1:
        return [candidates[0].model]
    ranked = sorted(candidates, key=lambda candidate: candidate.rank)
    arranged: list[str] = []
    for _, equals in groupby(ranked, key=lambda candidate: candidate.rank):
        group = list(equals)
        if len(group) > 1:
            match balance:
                case chain_pb2.BALANCE_WEIGHT:
                    # Sorted so, a candidate is first as often as its weight says (Efraimidis
                    # and Spirakis, "Weighted random sampling with a reservoir", 2006).
                    group.sort(key=lambda each: draw() ** (1 / (each.weight or 1)), reverse=True)
                case chain_pb2.BALANCE_LATENCY:
                    group.sort(key=lambda each: latency(each.model) or 0.0)
                case _:
                    pass
        arranged += (each.model for each in group)
    return arranged
