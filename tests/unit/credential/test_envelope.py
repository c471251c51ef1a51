"""What a sealed value promises: it opens in its place, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from trunkline.credential.envelope import (
    MAX_PLAINTEXT_BYTES,
    Binding,
    Purpose,
    key_id,
    open,
    rewrap,
    seal,
)
from trunkline.credential.faults import KeyMissing, SealBroken, SealReason
from trunkline.credential.keyring import KeyEncryptionKey, Keyring

OLD = KeyEncryptionKey("kek_old", None, bytes(range(32)))
NEW = KeyEncryptionKey("kek_newer", None, bytes(range(100, 132)))
UNDER_OLD = Keyring(OLD)
UNDER_NEW = Keyring(NEW)
ROTATING = Keyring(NEW, (OLD,))

ROW = Binding(
    service="credential",
    owner="alice",
    on_behalf_of="",
    provider="openai",
    credential_id="cred_1",
    version=1,
    origin="https://api.openai.com:443",
    field="api_key",
)
TEXTS = st.text(max_size=12)
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
TEXT_FIELDS = [field.name for field in fields(Binding) if field.name not in ("version", "purpose")]


USES: list[Callable[[bytes, Keyring], object]] = [
    lambda sealed, keyring: open(sealed, ROW, keyring),
    rewrap,
    lambda sealed, _: key_id(sealed),
]


def payload_of(sealed: bytes) -> bytes:
    """Return what follows the header and the wrap."""
    return sealed[98 + sealed[1] :]


@given(st.binary(max_size=300), BINDINGS)
@settings(deadline=None)
def test_what_was_sealed_opens(plaintext: bytes, binding: Binding) -> None:
    """Any bytes, the empty ones too, come back under the same binding."""
    assert open(seal(plaintext, binding, UNDER_OLD), binding, UNDER_OLD) == plaintext


def test_the_longest_plaintext_opens_and_a_longer_one_is_refused() -> None:
    """The bound is 1 MiB, and the refusal does not quote what was too long."""
    longest = b"x" * MAX_PLAINTEXT_BYTES
    assert open(seal(longest, ROW, UNDER_OLD), ROW, UNDER_OLD) == longest
    with pytest.raises(ValueError, match="1048576 bytes") as caught:
        seal(longest + b"x", ROW, UNDER_OLD)
    assert "xx" not in str(caught.value)


def test_the_plaintext_does_not_stand_in_the_sealed_bytes() -> None:
    """What is written to the database is not the secret."""
    assert b"sk-very-secret" not in seal(b"sk-very-secret", ROW, UNDER_OLD)


def test_a_secret_sealed_twice_shares_nothing_that_is_random() -> None:
    """Each call has a data key and nonces of its own, so equal secrets do not show."""
    one, other = (seal(b"secret", ROW, UNDER_OLD) for _ in range(2))
    start = 38 + one[1]
    pieces = [(start, 12), (start + 12, 48), (start + 64, 12), (start + 76, 22)]
    for offset, size in pieces:
        assert one[offset : offset + size] != other[offset : offset + size]
    assert sum(size for _, size in pieces) + start + 4 == len(one)


@given(
    BINDINGS,
    st.sampled_from(TEXT_FIELDS),
    TEXTS.filter(bool),
    st.binary(max_size=40),
)
@settings(deadline=None)
def test_another_text_in_any_field_of_the_binding_never_opens(
    binding: Binding, name: str, added: str, plaintext: bytes
) -> None:
    """Every text of the binding holds the value in its place."""
    sealed = seal(plaintext, binding, UNDER_OLD)
    with pytest.raises(SealBroken) as caught:
        open(sealed, replace(binding, **{name: getattr(binding, name) + added}), UNDER_OLD)
    assert caught.value.reason is SealReason.BOUND_ELSEWHERE


@pytest.mark.parametrize(
    "elsewhere", [replace(ROW, version=2), replace(ROW, purpose=Purpose.CONTENT_KEY)]
)
def test_another_version_or_purpose_never_opens(elsewhere: Binding) -> None:
    """An older version's secret cannot be put back, nor a key pass for a secret."""
    with pytest.raises(SealBroken) as caught:
        open(seal(b"secret", ROW, UNDER_OLD), elsewhere, UNDER_OLD)
    assert caught.value.reason is SealReason.BOUND_ELSEWHERE


def test_values_swapped_between_rows_do_not_open() -> None:
    """Who may write to the database cannot give one owner another's key."""
    bob = replace(ROW, owner="bob", credential_id="cred_2")
    of_alice, of_bob = seal(b"a", ROW, UNDER_OLD), seal(b"b", bob, UNDER_OLD)
    for sealed, row in ((of_alice, bob), (of_bob, ROW)):
        with pytest.raises(SealBroken):
            open(sealed, row, UNDER_OLD)


def test_a_binding_hash_put_in_the_place_of_another_does_not_open() -> None:
    """The hash stands in the clear, and the wrap's tag vouches for it."""
    bob = replace(ROW, owner="bob")
    of_alice, of_bob = seal(b"a", ROW, UNDER_OLD), seal(b"b", bob, UNDER_OLD)
    start = 6 + of_alice[1]
    forged = of_alice[:start] + of_bob[start : start + 32] + of_alice[start + 32 :]
    with pytest.raises(SealBroken) as caught:
        open(forged, bob, UNDER_OLD)
    assert caught.value.reason is SealReason.WRAP_ALTERED
    with pytest.raises(SealBroken):
        rewrap(forged, ROTATING)


def test_a_payload_under_another_wrap_does_not_open() -> None:
    """Two values of one row cannot be spliced, though both bindings are the same."""
    one, other = seal(b"one", ROW, UNDER_OLD), seal(b"two", ROW, UNDER_OLD)
    cut = len(one) - len(payload_of(one))
    with pytest.raises(SealBroken) as caught:
        open(one[:cut] + payload_of(other), ROW, UNDER_OLD)
    assert caught.value.reason is SealReason.PAYLOAD_ALTERED


@given(st.binary(max_size=60), BINDINGS, st.data())
@settings(deadline=None)
def test_a_flipped_bit_anywhere_never_opens(
    plaintext: bytes, binding: Binding, data: st.DataObject
) -> None:
    """Whatever bit is flipped, the value is broken, and no key is said to be missing."""
    sealed = bytearray(seal(plaintext, binding, UNDER_OLD))
    bit = data.draw(st.integers(min_value=0, max_value=len(sealed) * 8 - 1))
    sealed[bit // 8] ^= 1 << bit % 8
    with pytest.raises(SealBroken):
        open(bytes(sealed), binding, UNDER_OLD)


def test_a_value_cut_at_any_length_is_broken() -> None:
    """Opening, rewrapping and asking for the key all notice that the end is missing."""
    sealed = seal(b"secret", ROW, UNDER_OLD)
    for length in range(len(sealed)):
        for use in USES:
            with pytest.raises(SealBroken) as caught:
                use(sealed[:length], UNDER_OLD)
            assert caught.value.reason is SealReason.TRUNCATED


@given(st.binary(min_size=1, max_size=20))
@settings(deadline=None)
def test_a_value_with_bytes_after_its_end_is_broken(tail: bytes) -> None:
    """Opening, rewrapping and asking for the key all refuse what does not belong."""
    longer = seal(b"secret", ROW, UNDER_OLD) + tail
    for use in USES:
        with pytest.raises(SealBroken) as caught:
            use(longer, UNDER_OLD)
        assert caught.value.reason is SealReason.OVERLONG


@given(st.binary(max_size=400))
@settings(deadline=None)
def test_bytes_that_were_never_sealed_are_broken(noise: bytes) -> None:
    """Whatever stands in the column, the answer is one of ours."""
    with pytest.raises(SealBroken):
        open(noise, ROW, UNDER_OLD)


@pytest.mark.parametrize("version", [0, 2, 255])
def test_an_unknown_version_is_told_as_such(version: int) -> None:
    """A value of a later release says so, and is not called damaged."""
    sealed = bytes([version]) + seal(b"secret", ROW, UNDER_OLD)[1:]
    with pytest.raises(SealBroken) as caught:
        open(sealed, ROW, UNDER_OLD)
    assert caught.value.reason is SealReason.UNKNOWN_VERSION
    assert "release" in caught.value.advice


def test_a_key_that_the_keyring_lacks_is_named() -> None:
    """The operator learns which key to bring, for opening and for rewrapping."""
    sealed = seal(b"secret", ROW, UNDER_OLD)
    for use in USES[:2]:
        with pytest.raises(KeyMissing) as caught:
            use(sealed, UNDER_NEW)
        assert caught.value.key_id == "kek_old"
        assert "kek_old" in caught.value.message


def test_another_key_under_the_same_id_does_not_open() -> None:
    """An id is a name; only the key itself opens the wrap."""
    impostor = Keyring(KeyEncryptionKey("kek_old", None, bytes(32)))
    with pytest.raises(SealBroken) as caught:
        open(seal(b"secret", ROW, UNDER_OLD), ROW, impostor)
    assert caught.value.reason is SealReason.WRAP_ALTERED


@given(st.binary(max_size=100), BINDINGS)
@settings(deadline=None)
def test_rewrapping_moves_the_key_and_leaves_the_payload(
    plaintext: bytes, binding: Binding
) -> None:
    """After a rotation the new key alone opens it, and the payload's bytes are the same."""
    sealed = seal(plaintext, binding, UNDER_OLD)
    moved = rewrap(sealed, ROTATING)
    assert (key_id(sealed), key_id(moved)) == ("kek_old", "kek_newer")
    assert payload_of(moved) == payload_of(sealed)
    assert open(moved, binding, UNDER_NEW) == plaintext
    assert open(sealed, binding, ROTATING) == plaintext


def test_rewrapping_under_the_current_key_changes_nothing() -> None:
    """A rotation that is repeated writes no row again."""
    sealed = seal(b"secret", ROW, ROTATING)
    assert rewrap(sealed, ROTATING) == sealed


def test_a_rewrapped_value_is_still_bound_to_its_row() -> None:
    """A rotation, which does not know the rows, cannot loosen a binding."""
    moved = rewrap(seal(b"secret", ROW, UNDER_OLD), ROTATING)
    with pytest.raises(SealBroken) as caught:
        open(moved, replace(ROW, owner="bob"), UNDER_NEW)
    assert caught.value.reason is SealReason.BOUND_ELSEWHERE


def test_an_altered_wrap_is_not_rewrapped() -> None:
    """A rotation does not carry damage under the new key."""
    sealed = bytearray(seal(b"secret", ROW, UNDER_OLD))
    sealed[50 + sealed[1]] ^= 1
    with pytest.raises(SealBroken) as caught:
        rewrap(bytes(sealed), ROTATING)
    assert caught.value.reason is SealReason.WRAP_ALTERED


def test_a_content_key_is_sealed_like_a_secret() -> None:
    """A 32-byte key of another service lies in the same format under its own purpose."""
    binding = Binding(
        service="credential",
        owner="",
        on_behalf_of="",
        provider="",
        credential_id="dek_1",
        version=1,
        origin="",
        field="journal",
        purpose=Purpose.CONTENT_KEY,
    )
    key = bytes(range(32))
    sealed = seal(key, binding, UNDER_OLD)
    assert open(sealed, binding, UNDER_OLD) == key
    assert key not in sealed
    with pytest.raises(SealBroken):
        open(sealed, replace(binding, purpose=Purpose.CREDENTIAL), UNDER_OLD)
