"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from trunkline.inference.adapters.values import (
    MAX_COUNT,
    Json,
    amount_at,
    count,
    flag_at,
    object_at,
)
from trunkline.inference.v1 import result_pb2

# Where services write what an answer cost, and how many nano-dollars one of it is. OpenRouter
# counts in credits, each a dollar; xAI in ticks, ten thousand million to the dollar.
# Source: https://openrouter.ai/docs/use-cases/usage-accounting,
# https://docs.x.ai/developers/cost-tracking, https://docs.perplexity.ai/api-reference
_COSTS: Final = (
    ("cost_in_usd_ticks", Decimal("0.1")),
    ("cost.total_cost", Decimal(10**9)),
    ("cost", Decimal(10**9)),
)
# What OpenRouter's own upstream takes where the caller's key there is used: beside its fee.
_BESIDE: Final = ("cost_details.upstream_inference_cost", Decimal(10**9))


def read_usage(raw: Json) -> result_pb2.Usage:
    """Translate a usage object.

    `prompt_tokens` includes what was read from and written to the cache. `completion_tokens`
    includes reasoning, except where `total_tokens` shows that reasoning came on top of it
    (xAI: prompt 12, completion 2, reasoning 340, total 354).

    Args:
        raw: as it came; numbers that are absent, null or no numbers are zero.

    Returns:
        Usage with source REPORTED.
    """
    prompt = count(raw, "prompt_tokens")
    completion = count(raw, "completion_tokens")
    details = object_at(raw, "prompt_tokens_details")
    read = (
        count(details, "cached_tokens")
        or count(raw, "cached_tokens")  # Moonshot
        or count(raw, "prompt_cache_hit_tokens")  # DeepSeek
    )
    written = count(details, "cache_write_tokens")
    reasoning = count(object_at(raw, "completion_tokens_details"), "reasoning_tokens")
    total = count(raw, "total_tokens")
    beside = reasoning > completion if not total else total == prompt + completion + reasoning
    output = completion + reasoning if beside else completion
    return divide(prompt=prompt, output=output, read=read, written=written, reasoning=reasoning)


def divide(
    *, prompt: int, output: int, read: int, written: int, reasoning: int
) -> result_pb2.Usage:
    """Divide what an answer took into classes that do not overlap.

    Args:
        prompt: all tokens of the question.
        output: all tokens of the answer, reasoning included.
        read: those of the question that were read from the cache.
        written: those that were written to it.
        reasoning: those of the answer that were reasoning.

    Returns:
        Usage with source REPORTED.
    """
    # A count above the prompt (seen with xAI) cannot be a part of it.
    fresh = prompt - read - written if read + written <= prompt else prompt
    return result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=min(output, MAX_COUNT),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=min(reasoning, output),
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


def read_cost(raw: Json) -> int | None:
    """Return what a service says that an answer cost, in nano-dollars; None: it says nothing.

    Args:
        raw: the usage object as it came; what is no amount says nothing.
    """
    for path, nanodollars in _COSTS:
        told = amount_at(raw, path)
        if told is None:
            continue
        cost = told * nanodollars
        if flag_at(raw, ("is_byok",)):
            path, nanodollars = _BESIDE
            upstream = amount_at(raw, path)
            if upstream is None:
                return None  # the fee alone is not the cost
            cost += upstream * nanodollars
        return round(cost)
    return None
