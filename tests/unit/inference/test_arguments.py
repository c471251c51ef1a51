"""Telling a whole JSON object from anything else."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.arguments import is_object

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_every_object_is_one(value: dict[str, object]) -> None:
    """An object is one, with blanks around it too."""
    assert is_object(f" {json.dumps(value)}\n")
    assert is_object(json.dumps(value, ensure_ascii=False))


@given(st.dictionaries(st.text(max_size=5), JSON))
def test_no_part_of_an_object_is_one(value: dict[str, object]) -> None:
    """What is cut off, or followed by more, is none: so a call is known to be whole."""
    text = json.dumps(value)
    assert not any(is_object(text[:end]) for end in range(len(text)))
    assert not is_object(text + "}")
    assert not is_object(text + text)


@pytest.mark.parametrize(
    "text", ["", " ", "[]", "null", '"{}"', "{'a': 1}", '{"a": NaN}', '{"a":' + "[" * 100_000]
)
def test_what_is_no_object(text: str) -> None:
    """Other JSON, no JSON, and what nests too deep to be read."""
    assert not is_object(text)
