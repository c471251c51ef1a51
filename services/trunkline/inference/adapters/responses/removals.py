"""Tell which thoughts of a question the provider itself has left out.

A thought that it cannot use is no error: it is taken out, and the answer says so in
`input_transformations` (https://platform.openai.com/docs/guides/reasoning).
"""

from __future__ import annotations

from collections import Counter
from typing import Any, Final

from trunkline.inference.v1 import result_pb2

_MAX_REASONS: Final = 8
_MAX_REASON: Final = 64


def removed(transformations: Any) -> tuple[result_pb2.Loss, ...]:
    """Return what was removed, one loss for each of the provider's reasons.

    Args:
        transformations: as they came.
    """
    counts: Counter[str] = Counter()
    for each in transformations if isinstance(transformations, list) else ():
        if isinstance(each, dict) and each.get("action") == "removed":
            reason = each.get("reason")
            counts[reason[:_MAX_REASON] if isinstance(reason, str) else "not said"] += 1
    return tuple(
        result_pb2.Loss(
            path="messages",
            action=result_pb2.Loss.ACTION_DROPPED,
            reason=f"The provider took out {count:,} of its thoughts: {reason}.",
        )
        for reason, count in counts.most_common(_MAX_REASONS)
    )
