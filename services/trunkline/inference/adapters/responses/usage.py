"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from trunkline.inference.adapters.openai.usage import divide
from trunkline.inference.adapters.values import Json, count, object_at
from trunkline.inference.v1 import result_pb2


def read_usage(raw: Json) -> result_pb2.Usage:
    """Translate a usage object.

    `input_tokens` includes what was read from and written to the cache, `output_tokens`
    includes reasoning.

    Args:
        raw: as it came; numbers that are absent, null or no numbers are zero.

    Returns:
        Usage with source REPORTED.
    """
    details = object_at(raw, "input_tokens_details")
    return divide(
        prompt=count(raw, "input_tokens"),
        output=count(raw, "output_tokens"),
        read=count(details, "cached_tokens"),
        written=count(details, "cache_write_tokens"),
        reasoning=count(object_at(raw, "output_tokens_details"), "reasoning_tokens"),
    )
