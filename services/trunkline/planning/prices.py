"""What tokens of a model cost: which of its prices holds for a request.

Sources go before each other as for facts (decision 4), whole: where a price is set by hand,
what is known counts only for times and prompts that it does not cover.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, Protocol

import msgspec

from trunkline.catalog.v1 import model_pb2

MAX_MODELS: Final = 10_000
"""The prices of how many models are kept read at most."""

_FOR_EVER: Final = 2**63
# An ordinary chat has about so many tokens of prompt for each of its answer.
_PROMPT_SHARE: Final = 3


class Rates(msgspec.Struct, frozen=True):
    """One price, in nano-dollars per million tokens.

    Attributes:
        input, output, cache_read, cache_write, cache_write_long: of each class of tokens; None:
            unknown.
        above_prompt_tokens: it holds for prompts of more tokens than that.
        start_ns: it holds from then on, nanoseconds since 1970.
        end_ns: it holds until then.
        version: of the data it is from.
    """

    input: int | None
    output: int | None
    cache_read: int | None
    cache_write: int | None
    cache_write_long: int | None
    above_prompt_tokens: int
    start_ns: int
    end_ns: int
    version: str

    @property
    def blend(self) -> int | None:
        """Return one figure to compare models by; None: unknown."""
        if self.input is None or self.output is None:
            return None
        return _PROMPT_SHARE * self.input + self.output


# The prices of one model, those first that stand before the others.
PriceList = tuple[Rates, ...]


class _Models(Protocol):
    """What knows models: the view of the catalog, or a part of it."""

    @property
    def models(self) -> Mapping[str, model_pb2.Model]:
        """By `provider/model`."""


class PriceBook:
    """The prices of models, each read once as long as the catalog says the same of it.

    Args:
        catalog: has the models.
    """

    def __init__(self, catalog: _Models) -> None:
        self._catalog = catalog
        self._read: dict[str, tuple[model_pb2.Model, PriceList]] = {}

    def of(self, name: str) -> PriceList:
        """Return the prices of a model; empty: none is known."""
        model = self._catalog.models.get(name)
        if model is None:
            return ()
        read = self._read.get(name)
        # A model that changes is another message.
        if read is not None and read[0] is model:
            return read[1]
        if len(self._read) >= MAX_MODELS:
            self._read.clear()
        prices = read_prices(model.prices)
        self._read[name] = model, prices
        return prices


def read_prices(prices: Iterable[model_pb2.Price]) -> PriceList:
    """Return prices in the order in which they stand before each other.

    That is: by hand, by the provider, known; the later one first; the tier of the largest
    prompts first.
    """
    return tuple(_read(price) for price in sorted(prices, key=order_of))


def order_of(price: model_pb2.Price) -> tuple[int, int, int]:
    """Return what sorts prices: those first that stand before the others."""
    return price.source, -_start_ns(price), -price.above_prompt_tokens


def find_rates(prices: PriceList, at_ns: int, prompt_tokens: int) -> Rates | None:
    """Return the price that holds; None: none is known.

    Args:
        prices: of the model.
        at_ns: when the request was sent, nanoseconds since 1970.
        prompt_tokens: its size, what a cache held included.
    """
    for rates in prices:
        if rates.start_ns <= at_ns < rates.end_ns and (
            prompt_tokens > rates.above_prompt_tokens or not rates.above_prompt_tokens
        ):
            return rates
    return None


def compare_by(prices: PriceList, at_ns: int) -> int | None:
    """Return one figure of a model's price, to compare models by; None: it is unknown."""
    rates = find_rates(prices, at_ns, 0)
    return None if rates is None else rates.blend


def _read(price: model_pb2.Price) -> Rates:
    """Return a price with what its absent classes fall to."""
    input_ = price.input if price.HasField("input") else None
    write = price.cache_write if price.HasField("cache_write") else input_
    return Rates(
        input=input_,
        output=price.output if price.HasField("output") else None,
        cache_read=price.cache_read if price.HasField("cache_read") else input_,
        cache_write=write,
        cache_write_long=price.cache_write_long if price.HasField("cache_write_long") else write,
        above_prompt_tokens=price.above_prompt_tokens,
        start_ns=_start_ns(price),
        end_ns=price.end_time.ToNanoseconds() if price.HasField("end_time") else _FOR_EVER,
        version=price.version,
    )


def _start_ns(price: model_pb2.Price) -> int:
    """Return from when a price holds; it always did where it does not say."""
    return price.start_time.ToNanoseconds() if price.HasField("start_time") else -_FOR_EVER
