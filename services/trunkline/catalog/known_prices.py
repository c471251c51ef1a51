"""Published prices, from the packaged data of genai-prices.

The library takes a sixth of a second to import and brings an HTTP client with it, so it is
imported when a price is first looked up. It asks nobody: its data are in its package, and what
would fetch newer ones is never started.

Left out, and so unknown, is what a price of the contract cannot say: rates by the time of day,
of a thought, or of a request.

Source: https://github.com/pydantic/genai-prices
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.catalog.facts import MAX_PRICES
from trunkline.catalog.v1 import model_pb2

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, ModelPrice, Provider, TieredPrices

_PACKAGE: Final = "genai-prices"
# A price of the contract by its name there.
_CLASSES: Final = {
    "input_mtok": "input",
    "output_mtok": "output",
    "cache_read_mtok": "cache_read",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_long",
}
_UNSPEAKABLE: Final = ("output_reasoning_mtok", "output_citation_mtok", "requests_kcount")
_NANODOLLARS: Final = 10**9


@dataclass(frozen=True, slots=True)
class PublishedModel:
    """What the data say of a model.

    Attributes:
        prices: in no order; empty: unknown.
        context_window: in tokens; 0: unknown.
    """

    prices: tuple[model_pb2.Price, ...] = ()
    context_window: int = 0


def prices_version() -> str:
    """Return which release of the data there is, without importing it; blocking."""
    return f"{_PACKAGE} {importlib.metadata.version(_PACKAGE)}"


def look_up(price_list: str, ids: Iterable[str]) -> dict[str, PublishedModel]:
    """Return what is known of models; one that is not found is left out.

    Blocking: some tenths of a second the first time, and up to a third of a millisecond for
    each model.

    Args:
        price_list: the provider by its name in the data.
        ids: as the provider calls its models.
    """
    from genai_prices import data_snapshot

    version = prices_version()
    providers = data_snapshot.get_snapshot().providers
    provider = next((each for each in providers if each.id == price_list), None)
    if provider is None:
        return {}
    found = ((model_id, _find(provider, model_id)) for model_id in ids)
    return {
        model_id: PublishedModel(_read_prices(model, version), model.context_window or 0)
        for model_id, model in found
        if model is not None
    }


def _find(provider: Provider, model_id: str) -> ModelInfo | None:
    """Return a provider's model, and never another provider's of that name."""
    return provider.find_model(model_id.removeprefix("models/"))


def _read_prices(model: ModelInfo, version: str) -> tuple[model_pb2.Price, ...]:
    """Return a model's prices; none where they cannot be told."""
    from genai_prices.types import ModelPrice, StartDateConstraint

    if isinstance(model.prices, ModelPrice):
        return _read_tiers(model.prices, version)
    spans: list[tuple[Timestamp | None, ModelPrice]] = []
    for each in model.prices:
        if each.constraint is None:
            spans.append((None, each.prices))
        elif isinstance(each.constraint, StartDateConstraint):
            day = each.constraint.start_date
            begun = Timestamp()
            begun.FromDatetime(datetime(day.year, day.month, day.day, tzinfo=UTC))
            spans.append((begun, each.prices))
        else:
            return ()
    spans.sort(key=lambda span: 0 if span[0] is None else span[0].seconds, reverse=True)
    read: list[model_pb2.Price] = []
    for start, prices in spans:
        tiers = _read_tiers(prices, version)
        for tier in tiers:
            if start is not None:
                tier.start_time.CopyFrom(start)
        # What cannot be told hides what held before it.
        if not tiers:
            break
        read += tiers
    return tuple(read[:MAX_PRICES])


def _read_tiers(prices: ModelPrice, version: str) -> tuple[model_pb2.Price, ...]:
    """Return a price for each size of prompts; none where they cannot be told."""
    rates = {name: getattr(prices, key, None) for key, name in _CLASSES.items()}
    if any(getattr(prices, key, None) is not None for key in _UNSPEAKABLE):
        return ()
    if rates["input"] is None and rates["output"] is None:
        return ()
    starts = {0}
    for rate in rates.values():
        if rate is not None and not isinstance(rate, Decimal):
            starts.update(tier.start for tier in rate.tiers)
    read = []
    for start in sorted(starts):
        price = model_pb2.Price(
            above_prompt_tokens=start, source=model_pb2.FACT_SOURCE_KNOWN, version=version
        )
        for name, rate in rates.items():
            if rate is not None:
                setattr(price, name, int(_rate_above(rate, start) * _NANODOLLARS))
        read.append(price)
    return tuple(read)


def _rate_above(rate: Decimal | TieredPrices, start: int) -> Decimal:
    """Return the rate for prompts of more tokens than that."""
    if isinstance(rate, Decimal):
        return rate
    tiers: Sequence[tuple[int, Decimal]] = [(tier.start, tier.price) for tier in rate.tiers]
    fitting = [(0, rate.base), *(tier for tier in tiers if tier[0] <= start)]
    return max(fitting, key=lambda tier: tier[0])[1]
