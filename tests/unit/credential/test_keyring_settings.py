"""Key-encryption keys given in a setting."""

from __future__ import annotations

import base64

import pytest

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring.settings import MAX_KEYS, SettingsSource
from unit.credential.wording import assert_reads_well

ONE = bytes(range(32))
TWO = bytes(range(200, 232))
ONE_TEXT = base64.b64encode(ONE).decode()
TWO_TEXT = base64.b64encode(TWO).decode()


def test_one_bare_key_is_the_current_one() -> None:
    """The output of `openssl rand -base64 32`, line end included, is enough."""
    keyring = SettingsSource(f"{ONE_TEXT}\n").load()
    assert keyring.current.material == ONE
    assert keyring.current.created_at is None
    assert keyring.retired == ()


def test_a_bare_key_has_an_id_that_follows_from_it() -> None:
    """Its id is the same at each start and in each release, and another key has another."""
    expected = "kek_500b2f559852fa18f869498ff74d8b4c"
    assert SettingsSource(ONE_TEXT).load().current.id == expected
    assert SettingsSource(TWO_TEXT).load().current.id != expected


def test_the_first_of_several_keys_is_current() -> None:
    """The others are retired; ids may be given or not, and blanks do not count."""
    keyring = SettingsSource(f" kek_new : {TWO_TEXT} , {ONE_TEXT}").load()
    assert (keyring.current.id, keyring.current.material) == ("kek_new", TWO)
    assert [key.material for key in keyring.retired] == [ONE]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (" \n", "is empty"),
        ("change-me", "entry 1 is not base64 of 32 bytes"),
        (TWO.hex(), "entry 1 is not base64 of 32 bytes"),
        (TWO_TEXT.rstrip("="), "entry 1 is not base64 of 32 bytes"),
        (base64.urlsafe_b64encode(b"\xff" * 32).decode(), "entry 1 is not base64 of 32 bytes"),
        (base64.b64encode(TWO[:16]).decode(), "entry 1 is not base64 of 32 bytes"),
        (base64.b64encode(TWO + b"x").decode(), "entry 1 is not base64 of 32 bytes"),
        (TWO_TEXT.replace("c=", "d="), "entry 1 is not base64 of 32 bytes"),
        (f"{TWO_TEXT},", "entry 2 is not base64 of 32 bytes"),
        (f"{TWO_TEXT} {ONE_TEXT}", "entry 1 is not base64 of 32 bytes"),
        (f"{ONE_TEXT},kek_a:é", "entry 2 is not base64 of 32 bytes"),
        (f"{TWO_TEXT}:kek_a", "entry 1 is not base64 of 32 bytes"),
        (f"{TWO_TEXT}:{ONE_TEXT}", "the id of entry 1 is not"),
        (f":{TWO_TEXT}", "the id of entry 1 is not"),
        (f"{ONE_TEXT},main:{TWO_TEXT}", "the id of entry 2 is not"),
        (f"{TWO_TEXT},{TWO_TEXT}", "gives one key id twice"),
        (f"kek_a:{ONE_TEXT},kek_a:{TWO_TEXT}", "gives one key id twice"),
        (",".join([TWO_TEXT] * (MAX_KEYS + 1)), "has more than 64 entries"),
    ],
)
def test_a_setting_that_is_not_understood_is_refused_without_being_quoted(
    text: str, problem: str
) -> None:
    """The error names the setting, the entry and the form, and never what was given."""
    with pytest.raises(KeySourceRefused) as caught:
        SettingsSource(text).load()
    assert problem in caught.value.message
    assert "TRUNKLINE_MASTER_KEY" in caught.value.message
    assert "openssl rand -base64 32" in caught.value.advice
    assert_reads_well(caught.value, TWO)


def test_no_key_is_made_in_the_settings() -> None:
    """The settings are the operator's; the source says so before and when asked."""
    source = SettingsSource(TWO_TEXT)
    assert not source.writable
    with pytest.raises(KeySourceRefused, match="only read") as caught:
        source.create()
    assert_reads_well(caught.value, TWO)


def test_the_source_does_not_show_its_text() -> None:
    """Neither its repr nor its description holds the key."""
    source = SettingsSource(TWO_TEXT)
    assert source.describe() == "the setting TRUNKLINE_MASTER_KEY"
    assert TWO_TEXT[:8] not in repr(source)
