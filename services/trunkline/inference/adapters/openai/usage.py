"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from trunkline.inference.adapters.values import MAX_COUNT, Json, count, object_at
from trunkline.inference.v1 import result_pb2


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
