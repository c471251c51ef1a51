"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from typing import Any, Final

from trunkline.inference.adapters.openai.chunks import Json
from trunkline.inference.v1 import result_pb2

_MAX: Final = 2**32 - 1


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
    prompt = _count(raw, "prompt_tokens")
    completion = _count(raw, "completion_tokens")
    details = _object(raw, "prompt_tokens_details")
    read = (
        _count(details, "cached_tokens")
        or _count(raw, "cached_tokens")  # Moonshot
        or _count(raw, "prompt_cache_hit_tokens")  # DeepSeek
    )
    written = _count(details, "cache_write_tokens")
    reasoning = _count(_object(raw, "completion_tokens_details"), "reasoning_tokens")
    total = _count(raw, "total_tokens")
    beside = reasoning > completion if not total else total == prompt + completion + reasoning
    output = completion + reasoning if beside else completion
    # A count above the prompt (seen with xAI) cannot be a part of it.
    fresh = prompt - read - written if read + written <= prompt else prompt
    return result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=min(output, _MAX),
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=min(reasoning, output),
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


def _count(holder: Json, key: str) -> int:
    """Return a number of tokens; 0 when there is none."""
    value: Any = holder.get(key)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    return int(min(max(value, 0), _MAX))


def _object(holder: Json, key: str) -> Json:
    """Return an object; an empty one when there is none."""
    value: Any = holder.get(key)
    return value if isinstance(value, dict) else {}
