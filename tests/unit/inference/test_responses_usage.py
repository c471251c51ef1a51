"""Usage of Responses in classes that do not overlap."""

from __future__ import annotations

from typing import Any

import pytest

from trunkline.inference.adapters.responses.usage import read_usage
from trunkline.inference.v1 import result_pb2


@pytest.mark.parametrize(
    ("said", "fresh", "output", "read", "written", "reasoning"),
    [
        ({"input_tokens": 90, "output_tokens": 17}, 90, 17, 0, 0, 0),
        (
            {
                "input_tokens": 100,
                "input_tokens_details": {"cached_tokens": 60, "cache_write_tokens": 30},
                "output_tokens": 44,
                "output_tokens_details": {"reasoning_tokens": 30},
                "total_tokens": 144,
            },
            10,
            44,
            60,
            30,
            30,
        ),
        # More than there is cannot be a part of it.
        (
            {
                "input_tokens": 10,
                "input_tokens_details": {"cached_tokens": 60},
                "output_tokens": 5,
                "output_tokens_details": {"reasoning_tokens": 9},
            },
            10,
            5,
            60,
            0,
            5,
        ),
        ({"input_tokens": None, "input_tokens_details": 7, "output_tokens": "x"}, 0, 0, 0, 0, 0),
    ],
)
def test_classes_do_not_overlap(
    said: dict[str, Any], fresh: int, output: int, read: int, written: int, reasoning: int
) -> None:
    """The prompt's number includes its cache, the answer's its reasoning."""
    assert read_usage(said) == result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        reasoning_tokens=reasoning,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
