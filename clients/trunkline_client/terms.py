"""What a client does when its caller does not say, in both worlds."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from trunkline.inference.v1 import chat_pb2, run_pb2

CALL_S: Final = 30.0
# Longer than a run lasts by default.
CHAT_S: Final = 900.0
# Tools take time, which a loop's own limits do not count.
CONVERSE_S: Final = 3600.0


def build_start(
    request: chat_pb2.ChatRequest,
    max_turns: int,
    max_parallel_calls: int,
    tool_timeout: timedelta | None,
) -> run_pb2.ConverseStart:
    """Return what begins a tool loop."""
    start = run_pb2.ConverseStart(
        chat=request, max_turns=max_turns, max_parallel_calls=max_parallel_calls
    )
    if tool_timeout is not None:
        start.tool_timeout.FromTimedelta(tool_timeout)
    return start
