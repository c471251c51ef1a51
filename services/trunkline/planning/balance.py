"""Choose among equals: candidates of one rank."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from itertools import groupby

from trunkline.catalog.v1 import chain_pb2

# Seconds to the first token of late; None: it was not asked of late.
Latency = Callable[[str], "float | None"]
# One figure of a price, to compare by; None: it is unknown.
Price = Callable[[str], "int | None"]


def arrange(
    candidates: Iterable[chain_pb2.Candidate],
    balance: chain_pb2.Balance.ValueType,
    draw: Callable[[], float],
    latency: Latency,
    price: Price,
) -> list[str]:
    """Return models in the order in which they are asked.

    Args:
        candidates: with their ranks filled in.
        balance: how to choose among those of one rank.
        draw: gives numbers from 0 to below 1, at random.
        latency: of a model; one that was not asked of late is tried, so that it is known.
        price: of a model; one whose price is unknown comes after the others.
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
                case chain_pb2.BALANCE_PRICE:
                    group.sort(key=lambda each: _by_price(price(each.model)))
                case _:
                    pass
        arranged += (each.model for each in group)
    return arranged


def _by_price(figure: int | None) -> float:
    """Return what sorts models by price: what is unknown is not cheap."""
    return math.inf if figure is None else figure
