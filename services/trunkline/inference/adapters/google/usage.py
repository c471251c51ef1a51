"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from trunkline.inference.adapters.values import MAX_COUNT, Json, count
from trunkline.inference.v1 import result_pb2


def read_usage(raw: Json) -> result_pb2.Usage:
    """Translate a `usageMetadata` object.

    `promptTokenCount` includes what was read from the cache, and not what the results of the
    provider's own tools took; `candidatesTokenCount` does not include thoughts.

    Source: https://ai.google.dev/api/generate-content#UsageMetadata

    Args:
        raw: as it came; numbers that are absent, null or no numbers are zero.

    Returns:
        Usage with source REPORTED.
    """
    prompt = count(raw, "promptTokenCount")
    read = count(raw, "cachedContentTokenCount")
    thoughts = count(raw, "thoughtsTokenCount")
    # A count above the prompt cannot be a part of it.
    fresh = prompt - read if read <= prompt else prompt
    return result_pb2.Usage(
        input_tokens=min(fresh + count(raw, "toolUsePromptTokenCount"), MAX_COUNT),
        output_tokens=min(count(raw, "candidatesTokenCount") + thoughts, MAX_COUNT),
        cache_read_tokens=read,
        reasoning_tokens=thoughts,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
