"""Which price of a model holds."""

from __future__ import annotations

from typing import Any, Final

import pytest

from support.models import ModelShelf, priced
from trunkline.catalog.v1 import chain_pb2, model_pb2
from trunkline.kernel.clock import timestamp
from trunkline.planning import prices as prices_module
from trunkline.planning.balance import arrange
from trunkline.planning.prices import PriceBook, Rates, compare_by, find_rates, read_prices

MANUAL: Final = model_pb2.FACT_SOURCE_MANUAL
PROVIDER: Final = model_pb2.FACT_SOURCE_PROVIDER
KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
DAY_NS: Final = 86_400 * 10**9
NOW_NS: Final = 20_000 * DAY_NS


def price(version: str, source: Any = KNOWN, **fields: Any) -> model_pb2.Price:
    """Return a price whose input costs something, from one day to another."""
    for name in ("start", "end"):
        if name in fields:
            fields[f"{name}_time"] = timestamp(fields.pop(name) * DAY_NS)
    return model_pb2.Price(version=version, source=source, **{"input": 1, "output": 1, **fields})


def holds(prices: list[model_pb2.Price], at_ns: int = NOW_NS, prompt: int = 0) -> str:
    """Return the version of the price that holds; empty: none does."""
    rates = find_rates(read_prices(prices), at_ns, prompt)
    return "" if rates is None else rates.version


@pytest.mark.parametrize(
    ("prices", "held"),
    [
        ([], ""),
        ([price("a")], "a"),
        # By hand, the provider's, known.
        ([price("k"), price("p", PROVIDER), price("m", MANUAL)], "m"),
        ([price("k"), price("p", PROVIDER)], "p"),
        # What is by hand and does not hold now leaves the others.
        ([price("k"), price("m", MANUAL, end=20_000)], "k"),
        ([price("k"), price("m", MANUAL, start=20_001)], "k"),
        ([price("k"), price("m", MANUAL, start=20_000, end=20_001)], "m"),
        # The later one holds, and none where there is a gap.
        ([price("a"), price("b", start=19_000), price("c", start=20_001)], "b"),
        ([price("a", end=19_000), price("c", start=20_001)], ""),
    ],
)
def test_the_price_of_the_time_and_the_first_source_holds(
    prices: list[model_pb2.Price], held: str
) -> None:
    """In whatever order the catalog has them."""
    assert holds(prices) == held
    assert holds(prices[::-1]) == held


@pytest.mark.parametrize(
    ("prompt", "held"),
    [(0, "low"), (200_000, "low"), (200_001, "high"), (500_000, "high"), (500_001, "top")],
)
def test_a_tier_begins_above_its_size(prompt: int, held: str) -> None:
    """And holds for the whole request."""
    tiers = [
        price("low"),
        price("top", above_prompt_tokens=500_000),
        price("high", above_prompt_tokens=200_000),
    ]
    assert holds(tiers, prompt=prompt) == held
    # A later price supersedes the tiers of the one before.
    assert holds([*tiers, price("new", start=1)], prompt=prompt) == "new"


@pytest.mark.parametrize(
    ("given", "rates"),
    [
        ({"input": 5, "output": 7}, (5, 7, 5, 5, 5)),
        ({"input": 5, "cache_read": 1, "cache_write": 6}, (5, None, 1, 6, 6)),
        ({"cache_write": 6, "cache_write_long": 9}, (None, None, None, 6, 9)),
        ({"input": 0, "output": 0}, (0, 0, 0, 0, 0)),
    ],
)
def test_what_is_absent_falls_to_another_class(
    given: dict[str, int], rates: tuple[int | None, ...]
) -> None:
    """As the contract says; nothing that is unknown becomes zero."""
    (read,) = read_prices([model_pb2.Price(**given)])  # type: ignore[arg-type] # rates only
    assert rates == (
        read.input,
        read.output,
        read.cache_read,
        read.cache_write,
        read.cache_write_long,
    )


def test_prices_are_read_once_for_each_word_of_the_catalog(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A model that changes is read anew; one that is gone or strange has none."""
    shelf = ModelShelf(priced("a/x", price("1")), model_pb2.Model(name="a/y"))
    book = PriceBook(shelf)
    first = book.of("a/x")
    assert [rates.version for rates in first] == ["1"]
    assert book.of("a/x") is first
    assert book.of("a/y") == book.of("a/z") == ()
    shelf.models = {"a/x": priced("a/x", price("2"))}
    assert [rates.version for rates in book.of("a/x")] == ["2"]
    shelf.models = {}
    assert book.of("a/x") == ()
    # Of as many models as there may be, none is read wrongly.
    monkeypatch.setattr(prices_module, "MAX_MODELS", 2)
    shelf.models = {f"a/{n}": priced(f"a/{n}", price(f"{n}")) for n in range(5)}
    for name in [*shelf.models] * 2:
        assert [rates.version for rates in book.of(name)] == [name[2:]]


def test_the_cheapest_of_equals_is_asked_first() -> None:
    """By what an ordinary chat takes; one whose price is not known comes last, not first."""
    prices = {
        "a/dear": price("", input=10, output=10),
        "a/cheap": price("", input=1, output=20),
        "a/free": price("", input=0, output=0),
        "a/half": model_pb2.Price(input=1),
    }
    book = PriceBook(ModelShelf(*(priced(name, each) for name, each in prices.items())))
    equals = [chain_pb2.Candidate(model=name) for name in ("a/none", *prices)]
    later = chain_pb2.Candidate(model="a/free2", rank=1)
    assert arrange(
        [later, *equals],
        chain_pb2.BALANCE_PRICE,
        lambda: 0.5,
        lambda _: None,
        lambda name: compare_by(book.of(name), NOW_NS),
    ) == ["a/free", "a/cheap", "a/dear", "a/none", "a/half", "a/free2"]


def test_rates_are_shared_by_all_attempts() -> None:
    """So nobody can change them."""
    (rates,) = read_prices([price("1")])
    assert isinstance(rates, Rates)
    with pytest.raises(AttributeError):
        rates.input = 3  # type: ignore[misc] # that is what is tested
