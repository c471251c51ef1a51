"""Read what an answer took, in classes that do not overlap."""

from __future__ import annotations

from trunkline.inference.adapters.values import MAX_COUNT, Json, count, object_at
from trunkline.inference.v1 import result_pb2


def update_usage(usage: Json, news: Json) -> None:
    """Take in what a later event says of the usage.

    Numbers count from the start of the answer, so that a later one replaces an earlier one and
    nothing is ever added. A number that is zero or absent says nothing: some services fill in
    what they do not know.

    Args:
        usage: what was said so far; changed.
        news: as it came.
    """
    usage.update({key: value for key, value in news.items() if value or key not in usage})


def read_usage(raw: Json) -> result_pb2.Usage:
    """Translate a usage object.

    `input_tokens` is what stands after the last part that was read from or written to the
    cache; `output_tokens` includes thinking.

    Args:
        raw: as it came; numbers that are absent, null or no numbers are zero.

    Returns:
        Usage with source REPORTED.
    """
    lifetimes = object_at(raw, "cache_creation")
    long = count(lifetimes, "ephemeral_1h_input_tokens")
    written = count(raw, "cache_creation_input_tokens") or min(
        long + count(lifetimes, "ephemeral_5m_input_tokens"), MAX_COUNT
    )
    output = count(raw, "output_tokens")
    return result_pb2.Usage(
        input_tokens=count(raw, "input_tokens"),
        output_tokens=output,
        cache_read_tokens=count(raw, "cache_read_input_tokens"),
        cache_write_tokens=written,
        cache_write_long_tokens=min(long, written),
        reasoning_tokens=min(
            count(object_at(raw, "output_tokens_details"), "thinking_tokens"), output
        ),
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
