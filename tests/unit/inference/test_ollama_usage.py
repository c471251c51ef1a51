"""Usage of Ollama, in classes that do not overlap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.ollama.lines import Line
from trunkline.inference.adapters.ollama.usage import read_usage
from trunkline.inference.v1 import result_pb2


@pytest.mark.parametrize(
    ("said", "fresh", "output"),
    [
        ({"prompt_eval_count": 120, "eval_count": 30}, 120, 30),
        # What is zero is left out; so was a prompt that came from the cache (older servers).
        ({"eval_count": 30}, 0, 30),
        ({"prompt_eval_count": 120}, 120, 0),
        # Nonsense.
        ({"prompt_eval_count": "120", "eval_count": 30}, 0, 30),
        ({"prompt_eval_count": -1, "eval_count": True}, 0, 0),
        ({"prompt_eval_count": 5.0, "eval_count": 1e300}, 5, 2**32 - 1),
    ],
)
def test_counts_of_ollama(said: dict[str, Any], fresh: int, output: int) -> None:
    """The prompt is all fresh, and thoughts are a part of the answer that nobody counts."""
    assert read_usage(Line(done=True, **said)) == result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=output,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


def test_no_counts_of_ollama() -> None:
    """Who counts nothing reports nothing, which is not zero."""
    assert read_usage(Line(done=True)) is None


ANYTHING = st.none() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3)


@given(ANYTHING, ANYTHING)
def test_any_counts_of_ollama_can_be_read(prompt: Any, answer: Any) -> None:
    """No number makes the reading fail."""
    usage = read_usage(Line(done=True, prompt_eval_count=prompt, eval_count=answer))
    assert (usage is None) == (prompt is None and answer is None)
