"""Answers as vendors count them, with their classes and what they cost by the packaged prices."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import pytest

from support.attempts import attempt
from trunkline.catalog.known_prices import look_up
from trunkline.inference.adapters.anthropic.usage import read_usage as read_anthropic
from trunkline.inference.adapters.google.usage import read_usage as read_google
from trunkline.inference.adapters.openai.usage import read_usage as read_openai
from trunkline.inference.pricing import price_attempt
from trunkline.inference.v1 import result_pb2
from trunkline.kernel.clock import timestamp
from trunkline.planning.prices import read_prices

NOW: Final = datetime(2026, 11, 20, 12, tzinfo=UTC)
READERS: Final[dict[str, Any]] = {
    "anthropic": read_anthropic,
    "google": read_google,
    "deepseek": read_openai,
    "moonshotai": read_openai,
    "openai": read_openai,
    "x-ai": read_openai,
}


def _anthropic(short: int, long: int) -> dict[str, Any]:
    return {
        "input_tokens": 1000,
        "cache_read_input_tokens": 6000,
        "cache_creation_input_tokens": short + long,
        "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
        "output_tokens": 500,
    }


def _openai(prompt: int, completion: int, cached: int = 0, **more: Any) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "prompt_tokens_details": {"cached_tokens": cached},
        **more,
    }


def _reasoned(tokens: int) -> dict[str, Any]:
    return {"completion_tokens_details": {"reasoning_tokens": tokens}}


# Whose price list, the model, the usage as it comes, its classes (fresh, output, read, written,
# of which long, reasoning), and dollars; None: nobody knows.
GOLDEN: Final[list[tuple[str, str, dict[str, Any], tuple[int, ...], str | None]]] = [
    (
        "anthropic",
        "claude-sonnet-4-5",
        _anthropic(3000, 0),
        (1000, 500, 6000, 3000, 0, 0),
        "0.02355",
    ),
    (
        "anthropic",
        "claude-sonnet-4-5",
        _anthropic(0, 3000),
        (1000, 500, 6000, 3000, 3000, 0),
        "0.0303",
    ),
    # What was read and written counts for the size of the prompt.
    (
        "anthropic",
        "claude-sonnet-4-5",
        {"input_tokens": 1, "cache_read_input_tokens": 200_000, "output_tokens": 1},
        (1, 1, 200_000, 0, 0, 0),
        "0.1200285",
    ),
    # Reasoning is in the completion, and not paid twice.
    (
        "openai",
        "gpt-5.2",
        _openai(10_000, 1_000, 8_000, **_reasoned(600)),
        (2_000, 1_000, 8_000, 0, 0, 600),
        "0.0189",
    ),
    ("openai", "gpt-5.4", _openai(272_000, 1_000), (272_000, 1_000, 0, 0, 0, 0), "0.695"),
    ("openai", "gpt-5.4", _openai(272_001, 1_000), (272_001, 1_000, 0, 0, 0, 0), "1.382505"),
    (
        "google",
        "gemini-2.5-pro",
        {"promptTokenCount": 200_000, "candidatesTokenCount": 1_000},
        (200_000, 1_000, 0, 0, 0, 0),
        "0.260",
    ),
    (
        "google",
        "gemini-2.5-pro",
        {"promptTokenCount": 200_001, "candidatesTokenCount": 400, "thoughtsTokenCount": 600},
        (200_001, 1_000, 0, 0, 0, 600),
        "0.5150025",
    ),
    # xAI's tier begins at its figure, others' above it.
    ("x-ai", "grok-4.3", _openai(199_999, 1_000), (199_999, 1_000, 0, 0, 0, 0), "0.25249875"),
    ("x-ai", "grok-4.3", _openai(200_000, 1_000), (200_000, 1_000, 0, 0, 0, 0), "0.505"),
    (
        "x-ai",
        "grok-4.3",
        _openai(12, 2, total_tokens=354, **_reasoned(340)),
        (12, 342, 0, 0, 0, 340),
        "0.00087",
    ),
    (
        "x-ai",
        "grok-4.3",
        _openai(500, 500, total_tokens=1000, **_reasoned(200)),
        (500, 500, 0, 0, 0, 200),
        "0.001875",
    ),
    (
        "google",
        "gemini-2.5-flash",
        {
            "promptTokenCount": 100,
            "candidatesTokenCount": 50,
            "thoughtsTokenCount": 200,
            "totalTokenCount": 350,
        },
        (100, 250, 0, 0, 0, 200),
        "0.000655",
    ),
    (
        "moonshotai",
        "kimi-k3",
        _openai(1_000_000, 1_000, 500_000),
        (500_000, 1_000, 500_000, 0, 0, 0),
        "1.665",
    ),
    (
        "moonshotai",
        "kimi-k3",
        {"prompt_tokens": 100, "completion_tokens": 0, "cached_tokens": 64},
        (36, 0, 64, 0, 0, 0),
        "0.0001272",
    ),
    # Its rates change with the hour, which no price of the contract can say.
    (
        "deepseek",
        "deepseek-v4-pro",
        {
            "prompt_tokens": 100,
            "completion_tokens": 1,
            "prompt_cache_hit_tokens": 60,
            "prompt_cache_miss_tokens": 40,
        },
        (40, 1, 60, 0, 0, 0),
        None,
    ),
]


@pytest.mark.parametrize(("price_list", "model", "raw", "classes", "dollars"), GOLDEN)
def test_golden_usage_and_cost(
    price_list: str,
    model: str,
    raw: dict[str, Any],
    classes: tuple[int, ...],
    dollars: str | None,
) -> None:
    """From a vendor's own words to nano-dollars, without a token counted twice or lost."""
    usage: result_pb2.Usage = READERS[price_list](raw)
    assert classes == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_long_tokens,
        usage.reasoning_tokens,
    )
    row = attempt(usage=usage)
    row.start_time.CopyFrom(timestamp(int(NOW.timestamp()) * 10**9))
    price_attempt(row, read_prices(look_up(price_list, [model])[model].prices))
    if dollars is None:
        assert not row.HasField("cost")
        return
    assert row.cost.nanodollars == Decimal(dollars) * 10**9
    assert row.cost.price_version.startswith("genai-prices ")
    assert not row.cost.estimated
