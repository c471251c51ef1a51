"""Usage of Anthropic's in classes that do not overlap."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.anthropic.usage import read_usage, update_usage
from trunkline.inference.v1 import result_pb2


def raw(
    fresh: Any = 0, output: Any = 0, read: Any = 0, written: Any = 0, **more: Any
) -> dict[str, Any]:
    """Return a usage object."""
    return {
        "input_tokens": fresh,
        "output_tokens": output,
        "cache_read_input_tokens": read,
        "cache_creation_input_tokens": written,
        **more,
    }


def lifetimes(short: Any, long: Any) -> dict[str, Any]:
    """Return how long what was written is kept."""
    return {
        "cache_creation": {
            "ephemeral_5m_input_tokens": short,
            "ephemeral_1h_input_tokens": long,
        }
    }


def thought(tokens: Any) -> dict[str, Any]:
    """Return the details of the output."""
    return {"output_tokens_details": {"thinking_tokens": tokens}}


@pytest.mark.parametrize(
    ("said", "fresh", "output", "read", "written", "long", "reasoning"),
    [
        (raw(12, 71), 12, 71, 0, 0, 0, 0),
        # What was read and written is beside the input, thoughts are in the output.
        (raw(1000, 500, 6000, 3000, **lifetimes(3000, 0)), 1000, 500, 6000, 3000, 0, 0),
        (raw(1000, 500, 6000, 3000, **lifetimes(0, 3000)), 1000, 500, 6000, 3000, 3000, 0),
        (raw(1000, 500, 6000, 3000, **lifetimes(1000, 2000)), 1000, 500, 6000, 3000, 2000, 0),
        (raw(12, 71, **thought(40)), 12, 71, 0, 0, 0, 40),
        # The sum is missing.
        (raw(1, 2, 3, None, **lifetimes(4, 5)), 1, 2, 3, 9, 5, 0),
        # More than there can be.
        (raw(1, 2, 3, 4, **lifetimes(0, 9), **thought(9)), 1, 2, 3, 4, 4, 2),
        # Absent, null and nonsense.
        ({}, 0, 0, 0, 0, 0, 0),
        (raw(None, "5", cache_creation=None, output_tokens_details=7), 0, 0, 0, 0, 0, 0),
        (raw(-1, True), 0, 0, 0, 0, 0, 0),
        (raw(5.0, 1e300), 5, 2**32 - 1, 0, 0, 0, 0),
        (raw(**lifetimes(2**32, 2**32)), 0, 0, 0, 2**32 - 1, 2**32 - 1, 0),
    ],
)
def test_classes_of_anthropic(
    said: dict[str, Any],
    fresh: int,
    output: int,
    read: int,
    written: int,
    long: int,
    reasoning: int,
) -> None:
    """Each number falls into its class."""
    assert read_usage(said) == result_pb2.Usage(
        input_tokens=fresh,
        output_tokens=output,
        cache_read_tokens=read,
        cache_write_tokens=written,
        cache_write_long_tokens=long,
        reasoning_tokens=reasoning,
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )


@pytest.mark.parametrize(
    ("first", "last", "used"),
    [
        (raw(12, 1, 2048), {"output_tokens": 71}, raw(12, 71, 2048)),
        # What is repeated is not added, and later numbers win.
        (raw(12, 1, 2048), raw(12, 71, 2048), raw(12, 71, 2048)),
        (raw(12, 1), raw(15, 71, 8), raw(15, 71, 8)),
        # Some send zeros for what they said before, others know nothing before the end.
        (raw(12, 1, 2048), raw(0, 71, 0), raw(12, 71, 2048)),
        (raw(), raw(12, 71), raw(12, 71)),
        (raw(12, 1), {"input_tokens": None, "output_tokens": 71}, raw(12, 71)),
    ],
)
def test_a_later_number_replaces_an_earlier_one(
    first: dict[str, Any], last: dict[str, Any], used: dict[str, Any]
) -> None:
    """Usage counts from the start of the answer."""
    usage = dict(first)
    update_usage(usage, last)
    assert usage == used


NUMBERS = (
    st.none()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text(max_size=3)
    | st.lists(st.none())
)


@given(
    st.builds(
        raw,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        NUMBERS,
        cache_creation=NUMBERS | st.fixed_dictionaries({"ephemeral_1h_input_tokens": NUMBERS}),
        output_tokens_details=st.fixed_dictionaries({"thinking_tokens": NUMBERS}),
    )
)
def test_any_numbers_of_anthropic_can_be_read(said: dict[str, Any]) -> None:
    """No number makes the reading fail, and a part is no more than its whole."""
    usage = read_usage(said)
    assert usage.reasoning_tokens <= usage.output_tokens
    assert usage.cache_write_long_tokens <= usage.cache_write_tokens
