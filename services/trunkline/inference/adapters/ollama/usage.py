"""Read what an answer took."""

from __future__ import annotations

from trunkline.inference.adapters.ollama.lines import Line
from trunkline.inference.adapters.values import count
from trunkline.inference.v1 import result_pb2


def read_usage(line: Line) -> result_pb2.Usage | None:
    """Translate the counts of an answer's last line.

    The server leaves out what is zero, and older ones leave out the prompt when they had all
    of it in their cache. It tells neither cache nor reasoning apart.

    Args:
        line: with `done`; counts that are no numbers are zero.

    Returns:
        Usage with source REPORTED; None when there is no count at all.
    """
    counts = {"input": line.prompt_eval_count, "output": line.eval_count}
    if not any(value is not None for value in counts.values()):
        return None
    return result_pb2.Usage(
        input_tokens=count(counts, "input"),
        output_tokens=count(counts, "output"),
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
