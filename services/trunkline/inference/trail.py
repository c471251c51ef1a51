"""The attempts of a run, summed up: usage of all, and the trail that goes with an error."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from trunkline.inference.v1 import failure_pb2, result_pb2

MAX_ENTRIES: Final = 16
# What is left of a status beside its sentence, its ErrorInfo and the frames.
MAX_BYTES: Final = 3 * 1024
# Bytes of a provider's words that are left of each attempt where there is no room for more.
_FEW_WORDS: Final = 120

_CLASSES: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cache_write_long_tokens",
)


def sum_usage(attempts: Iterable[result_pb2.Attempt]) -> result_pb2.Usage:
    """Return the tokens of all attempts together.

    The source of the sum is the least sure one among the attempts that produced output.
    """
    total = result_pb2.Usage()
    source = result_pb2.USAGE_SOURCE_REPORTED
    for index, attempt in enumerate(attempts):
        usage = attempt.usage
        if index:
            for name in _CLASSES:
                setattr(total, name, getattr(total, name) + getattr(usage, name))
        else:
            # Most runs have one.
            total.CopyFrom(usage)
        if usage.source == result_pb2.USAGE_SOURCE_UNKNOWN:
            if attempt.HasField("time_to_first_token"):
                source = result_pb2.USAGE_SOURCE_UNKNOWN
        elif source == result_pb2.USAGE_SOURCE_REPORTED:
            source = usage.source
    total.source = source
    return total


def make_trail(
    attempts: Sequence[result_pb2.Attempt], skipped: Sequence[failure_pb2.SkippedCandidate]
) -> result_pb2.AttemptTrail:
    """Return the trail of a failed run, cut to what a status has room for.

    The latest attempts stay; raw bodies go first, then most of the providers' words, then the
    oldest attempts, then skips.
    """
    trail = result_pb2.AttemptTrail(
        attempts=attempts[-MAX_ENTRIES:],
        skipped=skipped[:MAX_ENTRIES],
        omitted=max(0, len(attempts) - MAX_ENTRIES) + max(0, len(skipped) - MAX_ENTRIES),
    )
    for attempt in trail.attempts:
        if trail.ByteSize() > MAX_BYTES:
            attempt.failure.reply.ClearField("body")
    for attempt in trail.attempts:
        reply = attempt.failure.reply
        if trail.ByteSize() > MAX_BYTES:
            reply.message = reply.message.encode()[:_FEW_WORDS].decode("utf-8", "ignore")
    while trail.ByteSize() > MAX_BYTES and (len(trail.attempts) > 1 or trail.skipped):
        del (trail.attempts if len(trail.attempts) > 1 else trail.skipped)[0]
        trail.omitted += 1
    return trail
