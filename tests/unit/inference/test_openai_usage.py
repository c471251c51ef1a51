"""Usage in classes that do not overlap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.openai.usage import read_cost, read_usage
from trunkline.inference.v1 import result_pb2


def raw(prompt: Any, completion: Any, **more: Any) -> dict[str, Any]:
    """Return a usage object."""
    return {"prompt_tokens": prompt, "completion_tokens": completion, **more}


def prompt_details(**numbers: Any) -> dict[str, Any]:
    """Return the details of a prompt."""
    return {"prompt_tokens_details": numbers}


def reasoned(tokens: Any) -> dict[str, Any]:
    """Return the details of a completion."""
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


@pytest.mark.parametrize(
    ("said", "fresh", "output", "read", "written", "reasoning"),
    [
        (raw(90, 17, total_tokens=107), 90, 17, 0, 0, 0),
        # OpenAI: cached tokens are in the prompt, reasoning in the completion.
        (
            raw(10_000, 1_000, **prompt_details(cached_tokens=8_000), **reasoned(600)),
            2_000,
            1_000,
            8_000,
            0,
            600,
        ),
        # OpenRouter: what was written to the cache is in the prompt as well.
        (
            raw(100, 5, **prompt_details(cached_tokens=60, cache_write_tokens=30)),
            10,
            5,
            60,
            30,
            0,
        ),
        (raw(100, 5, prompt_cache_hit_tokens=60, prompt_cache_miss_tokens=40), 40, 5, 60, 0, 0),
        (raw(100, 5, cached_tokens=64), 36, 5, 64, 0, 0),
        # xAI: reasoning comes on top, or does not, as the total tells.
        (raw(12, 2, total_tokens=354, **reasoned(340)), 12, 342, 0, 0, 340),
        (raw(500, 500, total_tokens=1_000, **reasoned(200)), 500, 500, 0, 0, 200),
        (raw(12, 2, **reasoned(340)), 12, 342, 0, 0, 340),
        # More from the cache than the prompt has: not a part of it.
        (raw(10, 5, **prompt_details(cached_tokens=60)), 10, 5, 60, 0, 0),
        # Absent, null and nonsense.
        ({}, 0, 0, 0, 0, 0),
        (raw(None, "5", prompt_tokens_details=None), 0, 0, 0, 0, 0),
        (raw(-1, True), 0, 0, 0, 0, 0),
        (raw(5.0, 1e300), 5, 2**32 - 1, 0, 0, 0),
    ],
)
def test_classes(
    said: dict[str, Any], fresh: int, output: int, read: int, written: int, reasoning: int
) -> None:
    """Each dialect's numbers fall into their classes."""
    assert read_usage(said) == result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


NUMBERS = (
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(st.none())
)


@given(
    st.builds(
        raw,
        NUMBERS,
        NUMBERS,
        total_tokens=NUMBERS,
        prompt_tokens_details=NUMBERS | st.fixed_dictionaries({"cached_tokens": NUMBERS}),
        completion_tokens_details=st.fixed_dictionaries({"reasoning_tokens": NUMBERS}),
    )
)
def test_any_numbers_can_be_read(said: dict[str, Any]) -> None:
    """No number makes the reading fail, and reasoning is a part of the output."""
    usage = read_usage(said)
    assert usage.reasoning_tokens <= usage.output_tokens


@pytest.mark.parametrize(
    ("said", "nanodollars"),
    [
        ({}, None),
        # OpenRouter counts in dollars; with a key of the caller's own there it says its fee.
        ({"cost": 0.00014}, 140_000),
        ({"cost": 0, "is_byok": False}, 0),
        (
            {
                "cost": 0.000007,
                "is_byok": True,
                "cost_details": {"upstream_inference_cost": 0.00014},
            },
            147_000,
        ),
        ({"cost": 0.000007, "is_byok": True, "cost_details": None}, None),
        # xAI counts in ticks, Perplexity with the fee of the request.
        ({"cost_in_usd_ticks": 37_756_000}, 3_775_600),
        ({"cost": {"input_tokens_cost": 0.1, "total_cost": 0.005018}}, 5_018_000),
        # Nonsense.
        ({"cost": None}, None),
        ({"cost": "0.1"}, None),
        ({"cost": True}, None),
        ({"cost": -0.1}, None),
        ({"cost": 1e300}, None),
        ({"cost": {}}, None),
        ({"cost_in_usd_ticks": -1, "cost": 1}, 10**9),
    ],
)
def test_a_cost_that_is_told_is_read(said: dict[str, Any], nanodollars: int | None) -> None:
    """In nano-dollars, whatever the service counts in."""
    assert read_cost(said) == nanodollars


@given(NUMBERS, NUMBERS)
def test_any_cost_can_be_read(cost: Any, upstream: Any) -> None:
    """No number makes the reading fail."""
    said = {"cost": cost, "is_byok": True, "cost_details": {"upstream_inference_cost": upstream}}
    told = read_cost(said)
    assert told is None or told >= 0
