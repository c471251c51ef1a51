"""What a request says of thoughts, whatever its format."""

from __future__ import annotations

from trunkline.inference.v1 import chat_pb2


def are_wanted(asked: chat_pb2.ReasoningOptions) -> bool:
    """Tell whether thoughts come as events: where it is not said, yes."""
    return asked.include or not asked.HasField("include")
