"""What lists of models say of prices, in the contract's unit."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.inference.adapters.openai.prices import read_prices
from trunkline.inference.v1 import provider_pb2

DOLLAR = 10**9


def price(**fields: int) -> provider_pb2.DiscoveredPrice:
    """Return a price."""
    return provider_pb2.DiscoveredPrice(**fields)


@pytest.mark.parametrize(
    ("pricing", "prices"),
    [
        # OpenRouter: text, for a token.
        (
            {
                "prompt": "0.000003",
                "completion": "0.000015",
                "request": "0",
                "image": "0.0048",
                "internal_reasoning": "0",
                "input_cache_read": "0.0000003",
                "input_cache_write": "0.00000375",
            },
            [
                price(
                    input=3 * DOLLAR,
                    output=15 * DOLLAR,
                    cache_read=300_000_000,
                    cache_write=3_750_000_000,
                )
            ],
        ),
        ({"prompt": "0", "completion": "0"}, [price(input=0, output=0)]),
        # The dearest that is exact: a hundredth of a millionth of a cent.
        ({"prompt": "0.0000000001", "completion": "1e-7"}, [price(input=100_000, output=10**8)]),
        # A thought that costs what the answer does is no price of its own.
        (
            {"prompt": "0.000001", "completion": "0.000002", "internal_reasoning": "0.000002"},
            [price(input=DOLLAR, output=2 * DOLLAR)],
        ),
        # Vercel: text, for a token; what makes no answers has a price of its input alone.
        (
            {"input": "0.00000125", "output": "0.00001", "input_cache_read": "0.000000125"},
            [price(input=1_250_000_000, output=10 * DOLLAR, cache_read=125_000_000)],
        ),
        ({"input": "0.00000002"}, [price(input=20_000_000)]),
        # Together: numbers, for a million.
        (
            {"input": 0.88, "output": 0.88, "hourly": 0, "base": 0, "finetune": 0},
            [price(input=880_000_000, output=880_000_000)],
        ),
        ({"input": 5, "output": 7}, [price(input=5 * DOLLAR, output=7 * DOLLAR)]),
    ],
)
def test_rates_are_read_exactly(
    pricing: dict[str, Any], prices: list[provider_pb2.DiscoveredPrice]
) -> None:
    """In nano-dollars for a million tokens, by the unit of the list."""
    assert read_prices({"pricing": pricing}) == prices


def test_larger_prompts_have_prices_of_their_own() -> None:
    """Each override goes over what holds for smaller prompts, and a later one over an earlier."""
    pricing = {
        "prompt": "0.000002",
        "completion": "0.000012",
        "overrides": [
            {"min_prompt_tokens": 200_000, "prompt": "0.000004", "completion": "0.000018"},
            {"min_prompt_tokens": 500_000, "prompt": "0.000008"},
        ],
    }
    small, large, largest = read_prices({"pricing": pricing})
    assert small == price(input=2 * DOLLAR, output=12 * DOLLAR)
    assert large == price(input=4 * DOLLAR, output=18 * DOLLAR, above_prompt_tokens=200_000)
    assert largest == price(input=8 * DOLLAR, output=18 * DOLLAR, above_prompt_tokens=500_000)
    pricing["overrides"].reverse()  # type: ignore[attr-defined] # it is the list
    assert read_prices({"pricing": pricing})[2].input == 4 * DOLLAR


@pytest.mark.parametrize(
    "pricing",
    [
        None,
        "cheap",
        {},
        # Those of a router.
        {"prompt": "-1", "completion": "-1"},
        {"prompt": "0.000001", "completion": "0.000001", "request": "0.005"},
        {"prompt": "0.000001", "completion": "0.000002", "internal_reasoning": "0.000003"},
        {
            "prompt": "0.000001",
            "completion": "0.000002",
            "overrides": [{"utc_start": 1630, "utc_end": 30, "prompt": "0.0000005"}],
        },
        {
            "prompt": "0.000001",
            "completion": "0.000002",
            "overrides": [{"min_prompt_tokens": 10, "utc_start": 0, "prompt": "0.0000005"}],
        },
        {"prompt": "0.000001", "completion": "0.000002", "overrides": "some"},
        {"prompt": "0.000001", "completion": "0.000002", "overrides": [None]},
        {"input": "0.000001", "output": "0.000002", "input_tiers": [{"cost": "0.1"}]},
        {"input": 0, "output": 0, "hourly": 0},
        {"input": 0.2, "output": 0.2, "hourly": 2.5},
        {"completion": "0.000001"},
        {"prompt": "free", "completion": "free"},
        {"prompt": "NaN", "completion": "0"},
        {"prompt": "Infinity", "completion": "0"},
        {"prompt": True, "completion": "0"},
        {"prompt": {}, "completion": "0"},
        # Meant for a million, and written as for a token.
        {"prompt": "3", "completion": "15"},
    ],
)
def test_what_cannot_be_told_is_unknown(pricing: object) -> None:
    """It is not nearly right, and not 0."""
    assert read_prices({"pricing": pricing}) == []
