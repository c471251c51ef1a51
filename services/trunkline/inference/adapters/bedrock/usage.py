"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.values import MAX_COUNT, Json, count
from trunkline.inference.v1 import result_pb2


def read_usage(raw: Json) -> result_pb2.Usage:
    """Translate a usage object.

    `inputTokens` leaves out what was read from the cache and written to it
    (https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_TokenUsage.html);
    thoughts are not told apart.

    Args:
        raw: as it came; numbers that are absent, null or no numbers are zero.

    Returns:
        Usage with source REPORTED.
    """
    written = count(raw, "cacheWriteInputTokens")
    details: Any = raw.get("cacheDetails")
    lifetimes = details if isinstance(details, list) else []
    long = sum(
        count(each, "inputTokens")
        for each in lifetimes
        if isinstance(each, dict) and each.get("ttl") == "1h"
    )
    return result_pb2.Usage(
        input_tokens=count(raw, "inputTokens"),
        output_tokens=count(raw, "outputTokens"),
        cache_read_tokens=count(raw, "cacheReadInputTokens"),
        cache_write_tokens=written,
        cache_write_long_tokens=min(long, written, MAX_COUNT),
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
