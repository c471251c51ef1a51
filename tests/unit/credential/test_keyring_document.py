"""The JSON text that keeps a keyring."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring import KeyEncryptionKey, Keyring
from trunkline.credential.keyring.document import (
    MAX_DOCUMENT_BYTES,
    decode_keyring,
    encode_keyring,
)
from unit.credential.wording import assert_reads_well

SECRET = bytes(range(200, 232))
ENCODED = base64.b64encode(SECRET).decode()
KEY_ENTRY = {"id": "kek_a", "created_at": "2026-01-31T12:00:00+00:00", "material": ENCODED}
WHOLE: dict[str, Any] = {"version": 1, "current": "kek_a", "keys": [KEY_ENTRY]}
KEYS = st.builds(
    KeyEncryptionKey,
    id=st.from_regex(r"kek_[0-9A-Za-z]{1,64}", fullmatch=True),
    created_at=st.none() | st.datetimes(timezones=st.just(UTC)),
    material=st.binary(min_size=32, max_size=32),
)


def changed(**members: Any) -> str:
    """Return a whole document with some members replaced."""
    return json.dumps(WHOLE | members)


def entry(**members: Any) -> str:
    """Return a whole document whose key has some members replaced."""
    return changed(keys=[KEY_ENTRY | members])


@given(st.lists(KEYS, min_size=1, max_size=5, unique_by=lambda key: key.id))
def test_a_keyring_comes_back_from_its_text(keys: list[KeyEncryptionKey]) -> None:
    """Current and retired keys, ids, times and material survive."""
    keyring = Keyring(keys[0], tuple(keys[1:]))
    assert decode_keyring(encode_keyring(keyring), "the test") == keyring


def test_a_text_of_version_1_is_read_for_ever() -> None:
    """This fixed text was written by the first release, and its keys must not be lost."""
    material = bytes(range(32))
    text = (
        '{"version": 1, "current": "kek_b", "keys": ['
        '{"id": "kek_a", "created_at": null,'
        ' "material": "Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA="},'
        '{"id": "kek_b", "created_at": "2026-01-31T12:00:00+00:00",'
        ' "material": "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}]}'
    )
    assert decode_keyring(text, "the test") == Keyring(
        KeyEncryptionKey("kek_b", datetime(2026, 1, 31, 12, tzinfo=UTC), material),
        (KeyEncryptionKey("kek_a", None, material[::-1]),),
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        "{}",
        json.dumps(WHOLE)[:-1],
        "[" * 20_000,
        changed(version=None),
        changed(version=True),
        changed(version="1"),
        changed(more=1),
        changed(current="kek_b"),
        changed(current=None),
        changed(keys=[]),
        changed(keys=ENCODED),
        changed(keys=[ENCODED]),
        changed(keys=[KEY_ENTRY, KEY_ENTRY]),
        changed(keys=[KEY_ENTRY, KEY_ENTRY | {"id": "kek_b", "material": ""}]),
        changed(
            keys=[KEY_ENTRY, KEY_ENTRY | {"id": "kek_b"}, KEY_ENTRY | {"id": "kek_b"}],
        ),
        entry(id=ENCODED),
        entry(id=1),
        entry(material=ENCODED[:-4]),
        entry(material=ENCODED + "AAAA"),
        entry(material=f" {ENCODED}"),
        entry(material=SECRET.hex()),
        entry(material=list(SECRET)),
        entry(created_at="2026-01-31T12:00:00"),
        entry(created_at=ENCODED),
        entry(created_at=12),
        entry(note=""),
        json.dumps(WHOLE) + " " * MAX_DOCUMENT_BYTES,
    ],
)
def test_a_text_that_is_not_whole_is_refused_without_being_quoted(text: str) -> None:
    """Damage is told with its place, and neither it nor what it came from holds a key."""
    with pytest.raises(KeySourceRefused) as caught:
        decode_keyring(text, "the place")
    assert caught.value.message == "The place holds no whole keyring."
    assert_reads_well(caught.value, SECRET)


@pytest.mark.parametrize("version", [0, 2, 99])
def test_another_version_is_refused_as_such(version: int) -> None:
    """A text of a later release says so, and is not called damaged."""
    with pytest.raises(KeySourceRefused, match=f"is of version {version}") as caught:
        decode_keyring(changed(version=version, keys="of another shape"), "the place")
    assert "release" in caught.value.advice
    assert_reads_well(caught.value, SECRET)
