"""Facts about models, in layers: set by hand, said by the provider, known, assumed.

The first layer that says something holds (decision 4). What is set by hand survives
every refresh, and uncovers the provider's word again when it is cleared (D14). Prices have
the same layers and stand beside each other: each holds for a time.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trunkline.catalog.v1 import model_pb2
from trunkline.planning.prices import order_of

ASSUMED_CONTEXT_WINDOW: Final = 128_000

MAX_PRICES: Final = 32
"""How many prices a model has at most, as the contract says."""

MAX_RATE: Final = 10**13
"""What a million tokens cost at most, in nano-dollars: ten thousand dollars."""

FACT_NAMES: Final = tuple(field.name for field in model_pb2.ModelFacts.DESCRIPTOR.fields)

# D13: a window of 128,000 without the provider's word; D29: tools, unless it says no.
ASSUMED: Final = model_pb2.ModelFacts(
    context_window=model_pb2.IntegerFact(
        value=ASSUMED_CONTEXT_WINDOW, source=model_pb2.FACT_SOURCE_ASSUMED
    ),
    tools=model_pb2.BoolFact(value=True, source=model_pb2.FACT_SOURCE_ASSUMED),
)


def layer_facts(
    manual: model_pb2.ModelFacts,
    reported: model_pb2.ModelFacts,
    known: model_pb2.ModelFacts | None = None,
) -> model_pb2.ModelFacts:
    """Return the facts that hold, each with its source."""
    layers = (manual, reported, known or model_pb2.ModelFacts(), ASSUMED)
    facts = model_pb2.ModelFacts()
    for name in FACT_NAMES:
        for layer in layers:
            if layer.HasField(name):  # type: ignore[arg-type] # a name of the descriptor
                getattr(facts, name).CopyFrom(getattr(layer, name))
                break
    return facts


def layer_prices(*layers: Iterable[model_pb2.Price]) -> list[model_pb2.Price]:
    """Return the prices of all layers, those first that stand before the others."""
    prices = (price for layer in layers for price in layer)
    return sorted(prices, key=order_of)[:MAX_PRICES]


def version_of(price: model_pb2.Price, before: Iterable[model_pb2.Price]) -> str:
    """Return the version of the price among others that says the same; empty: none does."""
    for old in before:
        bare = model_pb2.Price()
        bare.CopyFrom(old)
        bare.version = price.version
        if bare == price:
            return old.version
    return ""


def set_by_hand(
    manual: model_pb2.ModelFacts, given: model_pb2.ModelFacts, name: str
) -> model_pb2.ModelFacts:
    """Return the manual layer with one fact as given: set, or cleared when it is absent.

    Args:
        manual: the layer as it is; not changed.
        given: the request's facts.
        name: of the fact.
    """
    changed = model_pb2.ModelFacts()
    changed.CopyFrom(manual)
    if given.HasField(name):  # type: ignore[arg-type] # a name of the descriptor
        fact = getattr(changed, name)
        fact.CopyFrom(getattr(given, name))
        fact.source = model_pb2.FACT_SOURCE_MANUAL
    else:
        changed.ClearField(name)  # type: ignore[arg-type] # a name of the descriptor
    return changed


def is_by_hand(given: model_pb2.ModelFacts, name: str) -> bool:
    """Tell whether a request gives a fact as one set by hand.

    What a caller read with another source and sends back unchanged is not that.
    """
    return given.HasField(name) and getattr(given, name).source in (  # type: ignore[arg-type] # a name of the descriptor
        model_pb2.FACT_SOURCE_UNSPECIFIED,
        model_pb2.FACT_SOURCE_MANUAL,
    )


def list_changed_facts(before: model_pb2.ModelFacts, after: model_pb2.ModelFacts) -> list[str]:
    """Return the names of the facts that differ, as in a field mask."""
    return [f"facts.{name}" for name in FACT_NAMES if getattr(before, name) != getattr(after, name)]
