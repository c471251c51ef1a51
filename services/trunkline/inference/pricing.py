"""What an attempt costs: its tokens by the price that held when it was asked.

Pure. What a provider itself says of the cost stands over every price.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from trunkline.inference.v1 import result_pb2
from trunkline.planning.prices import PriceList, Rates, find_rates

# What a price is for.
_TOKENS_PER_PRICE: Final = 1_000_000
# A column of 64 bits holds sums of so much, and nobody pays a billion dollars for one request.
_MOST_NANODOLLARS: Final = 10**18

_REPORTED: Final = result_pb2.USAGE_SOURCE_REPORTED
_UNKNOWN: Final = result_pb2.USAGE_SOURCE_UNKNOWN


def price_attempt(
    attempt: result_pb2.Attempt, prices: PriceList, told_nanodollars: int | None = None
) -> None:
    """Write the cost of an attempt into it; it stays absent where it is not known.

    Args:
        attempt: with its usage and the time it was sent.
        prices: of its model.
        told_nanodollars: what its provider says that it cost; None: it says nothing.
    """
    if told_nanodollars is not None:
        attempt.cost.nanodollars = min(told_nanodollars, _MOST_NANODOLLARS)
        return
    usage = attempt.usage
    source = usage.source
    if not prices or source == _UNKNOWN:
        return
    start = attempt.start_time
    prompt = usage.input_tokens + usage.cache_read_tokens + usage.cache_write_tokens
    rates = find_rates(prices, start.seconds * 1_000_000_000 + start.nanos, prompt)
    if rates is None:
        return
    nanodollars = _charge(usage, rates)
    if nanodollars is not None:
        cost = attempt.cost
        cost.nanodollars = min(nanodollars, _MOST_NANODOLLARS)
        cost.price_version = rates.version
        cost.estimated = source != _REPORTED


def sum_cost(attempts: Iterable[result_pb2.Attempt]) -> result_pb2.Cost | None:
    """Return what all attempts cost together; None: of none it is known.

    It is an estimate also where an attempt is left out that has tokens, or that nobody knows
    the tokens of though it spoke.
    """
    total: result_pb2.Cost | None = None
    versions: list[str] = []
    is_estimated = False
    for attempt in attempts:
        if not attempt.HasField("cost"):
            is_estimated = is_estimated or _is_missed(attempt)
            continue
        cost = attempt.cost
        if total is None:
            total = result_pb2.Cost()
        total.nanodollars = min(total.nanodollars + cost.nanodollars, _MOST_NANODOLLARS)
        is_estimated = is_estimated or cost.estimated
        if cost.price_version and cost.price_version not in versions:
            versions.append(cost.price_version)
    if total is not None:
        total.price_version = ", ".join(versions)
        total.estimated = is_estimated
    return total


def _charge(usage: result_pb2.Usage, rates: Rates) -> int | None:
    """Return nano-dollars, rounded once for all classes; None: one that is there has no price."""
    long = usage.cache_write_long_tokens
    charged = 0
    for tokens, rate in (
        (usage.input_tokens, rates.input),
        (usage.output_tokens, rates.output),
        (usage.cache_read_tokens, rates.cache_read),
        (usage.cache_write_tokens - long, rates.cache_write),
        (long, rates.cache_write_long),
    ):
        if tokens:
            if rate is None:
                return None
            charged += tokens * rate
    return (charged + _TOKENS_PER_PRICE // 2) // _TOKENS_PER_PRICE


def _is_missed(attempt: result_pb2.Attempt) -> bool:
    """Tell whether an attempt without a cost has taken something."""
    usage = attempt.usage
    if usage.source == _UNKNOWN:
        return attempt.HasField("time_to_first_token")
    return bool(
        usage.input_tokens
        or usage.output_tokens
        or usage.cache_read_tokens
        or usage.cache_write_tokens
    )
