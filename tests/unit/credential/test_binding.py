"""The bytes that stand for a row and field."""

from __future__ import annotations

import struct
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.credential.envelope import Binding, Purpose

TEXTS = st.text(alphabet="ab\0é😀", max_size=3)
BINDINGS = st.builds(
    Binding,
    service=TEXTS,
    owner=TEXTS,
    on_behalf_of=TEXTS,
    provider=TEXTS,
    credential_id=TEXTS,
    version=st.integers(min_value=0, max_value=2**63 - 1),
    origin=TEXTS,
    field=TEXTS,
    purpose=st.sampled_from(Purpose),
)
EXAMPLE = Binding(
    service="credential",
    owner="alice",
    on_behalf_of="user-7",
    provider="openai",
    credential_id="cred_1",
    version=3,
    origin="https://api.openai.com:443",
    field="api_key",
)


def read_back(data: bytes) -> Binding:
    """Read a binding out of its associated data, as the docstring draws it."""
    label = b"trunkline.binding\x00\x01"
    assert data.startswith(label)
    position = len(label)
    texts = []
    for _ in range(8):
        (length,) = struct.unpack_from(">I", data, position)
        position += 4
        texts.append(data[position : position + length].decode())
        position += length
    (version,) = struct.unpack_from(">Q", data, position)
    assert position + 8 == len(data)
    return Binding(
        purpose=Purpose(texts[0]),
        service=texts[1],
        owner=texts[2],
        on_behalf_of=texts[3],
        provider=texts[4],
        credential_id=texts[5],
        origin=texts[6],
        field=texts[7],
        version=version,
    )


@given(BINDINGS)
def test_a_binding_can_be_read_back_from_its_associated_data(binding: Binding) -> None:
    """What can be read back stands for one binding only, so the bytes are unambiguous."""
    assert read_back(binding.associated_data()) == binding


@given(BINDINGS, BINDINGS)
def test_two_bindings_share_bytes_only_when_they_are_equal(one: Binding, other: Binding) -> None:
    """Equal bytes mean equal bindings, over texts short enough to collide when joined."""
    assert (one.associated_data() == other.associated_data()) == (one == other)


def test_text_that_moves_to_the_next_field_changes_the_bytes() -> None:
    """Joining the fields would give the same text; the lengths tell them apart."""
    moved = replace(EXAMPLE, owner="alic", on_behalf_of="euser-7")
    assert moved.associated_data() != EXAMPLE.associated_data()


def test_text_is_bound_as_it_is() -> None:
    """Composed and decomposed spellings, and cases, are different owners."""
    composed = replace(EXAMPLE, owner="\u00e9").associated_data()
    assert composed != replace(EXAMPLE, owner="e\u0301").associated_data()
    assert composed != replace(EXAMPLE, owner="\u00c9").associated_data()


@pytest.mark.parametrize("version", [-1, 2**63])
def test_a_version_out_of_range_is_refused(version: int) -> None:
    """A version that the bytes cannot hold never becomes a binding."""
    with pytest.raises(ValueError, match="version"):
        replace(EXAMPLE, version=version)


def test_text_that_is_not_unicode_is_refused() -> None:
    """A lone surrogate has no UTF-8 form, so it is refused before anything is sealed."""
    with pytest.raises(ValueError, match="surrogate"):
        replace(EXAMPLE, owner="\ud800")
