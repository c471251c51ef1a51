"""Usage of the Gemini API in classes that do not overlap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.google.usage import read_usage
from trunkline.inference.v1 import result_pb2

NAMES = (
    "promptTokenCount",
    "candidatesTokenCount",
    "thoughtsTokenCount",
    "cachedContentTokenCount",
    "toolUsePromptTokenCount",
)


@pytest.mark.parametrize(
    ("said", "fresh", "output", "read", "reasoning"),
    [
        # Prompt, candidates, thoughts, cached, results of the provider's own tools.
        ((4, 2), 4, 2, 0, 0),
        ((100, 50, 200), 100, 250, 0, 200),
        ((10_000, 400, 600, 8_000), 2_000, 1_000, 8_000, 600),
        ((55, 9, 60, 0, 7), 62, 69, 0, 60),
        # All tokens were spent on thinking.
        ((55, None, 60), 55, 60, 0, 60),
        # More from the cache than the prompt has: not a part of it.
        ((10, 5, 0, 60), 10, 5, 60, 0),
        # Absent, null and nonsense.
        ((), 0, 0, 0, 0),
        ((None, "5", [1], {}, True), 0, 0, 0, 0),
        ((-1, 5.0, 1e300), 0, 2**32 - 1, 0, 2**32 - 1),
    ],
)
def test_classes(said: tuple[Any, ...], fresh: int, output: int, read: int, reasoning: int) -> None:
    """The cached are a part of the prompt, and thoughts come on top of the candidates."""
    total = {"totalTokenCount": 7, "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 1}]}
    assert read_usage({**dict(zip(NAMES, said, strict=False)), **total}) == result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=output,
        cache_read_tokens=read,
        reasoning_tokens=reasoning,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


NUMBERS = (
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(st.none())
)


@given(st.dictionaries(st.sampled_from(NAMES), NUMBERS))
def test_any_numbers_can_be_read(said: dict[str, Any]) -> None:
    """No number makes the reading fail, and reasoning is a part of the output."""
    usage = read_usage(said)
    assert usage.reasoning_tokens <= usage.output_tokens
