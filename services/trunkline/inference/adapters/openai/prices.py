"""Read prices out of lists of models: OpenRouter's, Vercel's and Together's.

OpenRouter and Vercel write dollars per token, as text; Together writes dollars per million
tokens, as numbers. What cannot be told as rates of tokens and sizes of prompts is no price here:
rates by the time of day, by the request, by the hour, and of thoughts apart. It is then unknown,
and never nearly right. What pictures and searches cost beside their tokens is left out.

Source: https://openrouter.ai/docs/api-reference/list-available-models,
https://vercel.com/docs/ai-gateway, https://docs.together.ai/reference/models-1
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any, Final

from trunkline.inference.adapters.values import Json, object_at
from trunkline.inference.v1 import provider_pb2

_MILLION: Final = 1_000_000
_NANODOLLARS: Final = 10**9
# Dollars per million tokens; beyond it nothing is believed.
_MOST: Final = 10_000

# A rate of the contract by its names in the lists.
_NAMES: Final = {
    "input": ("prompt", "input"),
    "output": ("completion", "output"),
    "cache_read": ("input_cache_read",),
    "cache_write": ("input_cache_write",),
}
_APART: Final = ("request", "hourly", "base")
_THOUGHT: Final = "internal_reasoning"
_TIMES: Final = ("utc_start", "utc_end")
_SIZE: Final = "min_prompt_tokens"
_TIERS: Final = "_tiers"


def read_prices(entry: Json) -> list[provider_pb2.DiscoveredPrice]:
    """Return what a list says that a model costs, one price for each size of prompts.

    Args:
        entry: of the list.

    Returns:
        By size, the smallest first; empty: nothing is said, or nothing that can be told.
    """
    pricing = object_at(entry, "pricing")
    overrides = pricing.get("overrides") or []
    if not isinstance(overrides, list):
        return []
    try:
        sizes = [_size(override) for override in overrides]
        prices = []
        for size in sorted({0, *sizes}):
            held = dict(pricing)
            # All that hold for a prompt do, the later ones over the others.
            for begin, override in zip(sizes, overrides, strict=True):
                if begin <= size:
                    held |= override
            rates = _read(held)
            prices.append(provider_pb2.DiscoveredPrice(above_prompt_tokens=size, **rates))
    except ValueError:
        return []
    return prices


def _size(override: Any) -> int:
    """Return beyond how many tokens of prompt an override holds.

    Raises:
        ValueError: something else makes it hold.
    """
    size = override.get(_SIZE) if isinstance(override, dict) else None
    if type(size) is not int or size <= 0 or any(key in override for key in _TIMES):
        raise ValueError("holds for something else than a size of prompts")
    return size


def _read(pricing: Json) -> dict[str, int]:
    """Return the rates that are said, in nano-dollars per million tokens.

    Raises:
        ValueError: it costs something else, or nothing is said.
    """
    rates = {
        name: rate
        for name, keys in _NAMES.items()
        if (rate := next((r for key in keys if (r := _rate(pricing, key)) is not None), None))
        is not None
    }
    thought = _rate(pricing, _THOUGHT)
    if (
        "input" not in rates
        or any(_rate(pricing, key) for key in _APART)
        or any(key.endswith(_TIERS) for key in pricing)
        or (thought and thought != rates.get("output"))
    ):
        raise ValueError("costs what rates of tokens do not tell")
    # Together writes 0 where a model has no price by the token.
    if not any(rates.values()) and not isinstance(pricing.get("prompt"), str):
        raise ValueError("no price is said")
    return rates


def _rate(pricing: Json, key: str) -> int | None:
    """Return an amount for each, in nano-dollars a million; None: there is none.

    Raises:
        ValueError: it is no amount, below 0 (OpenRouter's routers have -1), or beyond belief.
    """
    said = pricing.get(key)
    if said is None:
        return None
    if isinstance(said, bool) or not isinstance(said, str | int | float):
        raise ValueError("is no amount")
    try:
        dollars = Decimal(said if isinstance(said, str) else str(said))
    except InvalidOperation:
        raise ValueError("is no amount") from None
    if isinstance(said, str):
        dollars *= _MILLION
    if not dollars.is_finite() or not 0 <= dollars <= _MOST:
        raise ValueError("is no amount that can be")
    return int(dollars * _NANODOLLARS)
