"""Key-encryption keys and keyrings as values."""

from __future__ import annotations

import pprint
from datetime import UTC, datetime

import pytest

from trunkline.credential.faults import KeyMissing
from trunkline.credential.keyring import KeyEncryptionKey, Keyring, is_key_id

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
MATERIAL = b"0123456789abcdefghijklmnopqrstuv"


@pytest.mark.parametrize("show", [repr, str, pprint.pformat, "{}".format])
def test_a_key_and_its_keyring_do_not_show_the_material(show: object) -> None:
    """Whatever prints a keyring, ids come out and keys do not."""
    assert callable(show)
    keyring = Keyring(
        KeyEncryptionKey("kek_a", NOW, MATERIAL), (KeyEncryptionKey("kek_b", NOW, MATERIAL[::-1]),)
    )
    shown = show(keyring) + show(keyring.current)
    assert "kek_a" in shown
    assert "kek_b" in shown
    assert "0123456789" not in shown
    assert "vuts" not in shown


def test_new_keys_differ_in_id_and_material() -> None:
    """A new key is 32 random bytes under an id of its own."""
    one, other = KeyEncryptionKey.generate(NOW), KeyEncryptionKey.generate(NOW)
    assert one.id != other.id
    assert one.material != other.material
    assert len(one.material) == 32
    assert is_key_id(one.id)
    assert one.created_at == NOW


@pytest.mark.parametrize(
    "key_id",
    ["", "kek_", "cred_1", "kek_" + "a" * 65, "kek_a\n", "kek_é", "kek_a b", "kek_a,b", "xkek_a"],
)
def test_an_id_of_another_form_is_refused_and_not_repeated(key_id: str) -> None:
    """Someone who swaps id and key must not read the key in the error."""
    assert not is_key_id(key_id)
    with pytest.raises(ValueError, match="letters or digits") as caught:
        KeyEncryptionKey(key_id, NOW, MATERIAL)
    assert not key_id or key_id == "kek_" or key_id not in str(caught.value)


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_another_length_is_refused(length: int) -> None:
    """AES-256 takes 32 bytes; a shorter key would silently be a weaker cipher."""
    with pytest.raises(ValueError, match="32 bytes"):
        KeyEncryptionKey("kek_a", NOW, bytes(length))


def test_a_time_without_offset_is_refused() -> None:
    """A naive time means another moment on another machine."""
    with pytest.raises(ValueError, match="offset"):
        KeyEncryptionKey("kek_a", datetime(2026, 1, 31), MATERIAL)


def test_a_keyring_finds_current_and_retired_keys_by_id() -> None:
    """Every key that it holds can be found, and one that it lacks is named."""
    current = KeyEncryptionKey("kek_a", NOW, MATERIAL)
    retired = KeyEncryptionKey("kek_b", NOW, MATERIAL[::-1])
    keyring = Keyring(current, (retired,))
    assert keyring.ids == {"kek_a", "kek_b"}
    assert [key.id for key in keyring] == ["kek_a", "kek_b"]
    assert keyring.key("kek_a") is current
    assert keyring.key("kek_b") is retired
    with pytest.raises(KeyMissing) as caught:
        keyring.key("kek_c")
    assert caught.value.key_ids == ("kek_c",)


def test_two_keys_of_one_id_are_refused() -> None:
    """An id that means two keys would open some rows and break others."""
    with pytest.raises(ValueError, match="one id"):
        Keyring(
            KeyEncryptionKey("kek_a", NOW, MATERIAL),
            (KeyEncryptionKey("kek_a", NOW, MATERIAL[::-1]),),
        )
