"""What attempts cost, one by one and together."""

from __future__ import annotations

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.attempts import attempt
from support.bare_runs import attempt_of, candidate
from support.chats import duration
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.continuation import Continuation
from trunkline.inference.pricing import price_attempt, sum_cost
from trunkline.inference.v1 import chat_pb2, result_pb2
from trunkline.planning.prices import PriceList, read_prices

REPORTED: Final = result_pb2.USAGE_SOURCE_REPORTED
ESTIMATED: Final = result_pb2.USAGE_SOURCE_ESTIMATED
UNKNOWN: Final = result_pb2.USAGE_SOURCE_UNKNOWN
USD: Final = 10**9
COMPLETED: Final = result_pb2.ATTEMPT_OUTCOME_COMPLETED
AFRESH: Final = Continuation(result_pb2.CONTINUATION_STRATEGY_UNSPECIFIED, chat_pb2.ChatRequest())


def prices(**rates: int) -> PriceList:
    """Return a price in nano-dollars per million tokens."""
    return read_prices([model_pb2.Price(version="v1", **rates)])  # type: ignore[arg-type] # rates only


def cost_of(
    priced: PriceList, source: Any = REPORTED, told: int | None = None, **counts: int
) -> result_pb2.Cost | None:
    """Return what an attempt costs; None: it is not known."""
    row = attempt(usage=result_pb2.Usage(source=source, **counts))
    price_attempt(row, priced, told)
    return row.cost if row.HasField("cost") else None


def known(nanodollars: int, *, estimated: bool = False, version: str = "v1") -> result_pb2.Cost:
    """Return a cost."""
    return result_pb2.Cost(nanodollars=nanodollars, price_version=version, estimated=estimated)


ALL: Final = {
    "input": 3 * USD,
    "output": 15 * USD,
    "cache_read": 3 * USD // 10,
    "cache_write": 15 * USD // 4,
    "cache_write_long": 6 * USD,
}


@pytest.mark.parametrize(
    ("rates", "counts", "nanodollars"),
    [
        (ALL, {"input_tokens": 1}, 3_000),
        (ALL, {"output_tokens": 1, "reasoning_tokens": 1}, 15_000),
        (ALL, {"cache_read_tokens": 10}, 3_000),
        (ALL, {"cache_write_tokens": 4}, 15_000),
        (ALL, {"cache_write_tokens": 4, "cache_write_long_tokens": 4}, 24_000),
        (ALL, {"cache_write_tokens": 4, "cache_write_long_tokens": 1}, 17_250),
        # Rounded once, for all classes together.
        ({"input": 400_000, "output": 400_000}, {"input_tokens": 1}, 0),
        ({"input": 400_000, "output": 400_000}, {"input_tokens": 1, "output_tokens": 1}, 1),
        # Free is known, and nothing used costs nothing.
        ({"input": 0, "output": 0}, {"input_tokens": 5, "output_tokens": 5}, 0),
        (ALL, {}, 0),
        # Not known: a class that was used has no price.
        ({"input": USD}, {"input_tokens": 5}, 5_000),
        ({"input": USD}, {"input_tokens": 5, "output_tokens": 1}, None),
        ({"output": USD}, {"cache_read_tokens": 1}, None),
        # Never more than a column holds.
        ({"input": 2**62}, {"input_tokens": 2**32 - 1}, 10**18),
    ],
)
def test_each_class_has_its_price(
    rates: dict[str, int], counts: dict[str, int], nanodollars: int | None
) -> None:
    """An unknown price makes no cost, and never zero."""
    expected = None if nanodollars is None else known(nanodollars)
    assert cost_of(prices(**rates), REPORTED, None, **counts) == expected


def test_a_model_without_a_price_has_no_cost() -> None:
    """Also where nothing was used."""
    assert cost_of(()) is None
    assert cost_of((), input_tokens=1) is None


def test_estimated_usage_makes_an_estimated_cost() -> None:
    """And usage that nobody knows makes none."""
    assert cost_of(prices(**ALL), ESTIMATED, output_tokens=2) == known(30_000, estimated=True)
    assert cost_of(prices(**ALL), UNKNOWN) is None


def test_what_the_provider_says_goes_before_every_price() -> None:
    """It is of no price data."""
    told = result_pb2.Cost(nanodollars=77)
    assert cost_of(prices(**ALL), REPORTED, 77, input_tokens=1) == told
    assert cost_of((), UNKNOWN, 77) == told
    assert cost_of((), REPORTED, 2**70) == result_pb2.Cost(nanodollars=10**18)


def test_a_price_is_of_the_time_when_the_request_was_sent() -> None:
    """Not of when its answer was whole."""
    made = attempt_of(candidate("openai", "a"), AFRESH)
    made.prices = read_prices([model_pb2.Price(input=USD, output=USD, version="old")])
    made.said = 40
    row = made.record(COMPLETED)
    assert row.cost == known(10_000, estimated=True, version="old")
    expired = model_pb2.Price(input=USD, output=USD)
    expired.end_time.CopyFrom(row.start_time)
    made.prices = read_prices([expired])
    assert not made.record(COMPLETED).HasField("cost")


def _attempts(*costs: result_pb2.Cost | None, **fields: Any) -> list[result_pb2.Attempt]:
    """Return attempts with tokens and costs; None: it is not known."""
    usage = result_pb2.Usage(source=REPORTED, output_tokens=1)
    return [
        attempt(number, **{"usage": usage, "cost": cost, **fields})
        for number, cost in enumerate(costs, 1)
    ]


@pytest.mark.parametrize(
    ("attempts", "total"),
    [
        ([], None),
        (_attempts(None), None),
        (_attempts(known(5)), known(5)),
        (_attempts(known(5), known(6)), known(11)),
        (_attempts(known(5), known(6, version="v2")), known(11, version="v1, v2")),
        (_attempts(known(5), result_pb2.Cost(nanodollars=1)), known(6)),
        (_attempts(known(5), known(6, estimated=True)), known(11, estimated=True)),
        # One that took something is left out.
        (_attempts(known(5), None), known(5, estimated=True)),
        (
            [
                *_attempts(known(5)),
                *_attempts(
                    None,
                    usage=result_pb2.Usage(source=UNKNOWN),
                    time_to_first_token=duration(1.0),
                ),
            ],
            known(5, estimated=True),
        ),
        # One that took nothing is not missed.
        (
            [*_attempts(known(5)), *_attempts(None, usage=result_pb2.Usage(source=REPORTED))],
            known(5),
        ),
        (
            [*_attempts(known(5)), *_attempts(None, usage=result_pb2.Usage(source=UNKNOWN))],
            known(5),
        ),
    ],
)
def test_the_cost_of_a_run_is_that_of_its_attempts(
    attempts: list[result_pb2.Attempt], total: result_pb2.Cost | None
) -> None:
    """What is missing from it marks it."""
    assert sum_cost(attempts) == total


@given(
    st.dictionaries(
        st.sampled_from(
            ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
        ),
        st.integers(0, 2**32 - 1),
    )
)
def test_no_tokens_make_a_cost_that_cannot_be_stored(counts: dict[str, int]) -> None:
    """Whatever a provider counts."""
    cost = cost_of(prices(**ALL), REPORTED, None, **counts)
    assert cost is not None
    assert 0 <= cost.nanodollars < 2**63
