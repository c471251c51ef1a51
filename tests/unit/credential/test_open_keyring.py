"""Which place is chosen at start, and when a key is made."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

from trunkline.credential.faults import (
    KeyMissing,
    KeySourceRefused,
    KeySourceSilent,
)
from trunkline.credential.keyring import (
    KeyEncryptionKey,
    Keyring,
    OsKeyringUse,
    key_sources,
    open_keyring,
)
from unit.credential.wording import assert_reads_well

NONE_SEALED: frozenset[str] = frozenset()
A = KeyEncryptionKey("kek_a", None, b"A" * 32)
B = KeyEncryptionKey("kek_b", None, b"B" * 32)
NEW = KeyEncryptionKey("kek_new", None, b"N" * 32)


class Shelf:
    """A place that holds what it is told to, and records what was asked of it."""

    def __init__(
        self,
        name: str,
        held: Keyring | None = None,
        *,
        writable: bool = True,
        answers: bool = True,
        takes: bool = True,
    ) -> None:
        self.name = name
        self.writable = writable
        self.asked: list[str] = []
        self._held = held
        self._answers = answers
        self._takes = takes

    def describe(self) -> str:
        """Return its name as a place."""
        return f"the {self.name} shelf"

    def load(self) -> Keyring | None:
        """Return what it holds, or do not answer."""
        self.asked.append("load")
        if not self._answers:
            raise KeySourceSilent(self.describe(), "it is locked")
        return self._held

    def create(self) -> Keyring:
        """Take a new key, or do not answer."""
        self.asked.append("create")
        if not self._takes:
            raise KeySourceSilent(self.describe(), "it is locked")
        self._held = Keyring(NEW)
        return self._held


def test_the_first_place_that_holds_a_keyring_is_taken() -> None:
    """Places are asked in order, and none after the one that has it."""
    upper, lower = Shelf("upper", Keyring(A)), Shelf("lower", Keyring(B))
    assert open_keyring((upper, lower), NONE_SEALED) == (Keyring(A), upper)
    assert lower.asked == []


def test_a_key_further_down_wins_over_a_place_that_has_none() -> None:
    """A place that appears later does not hide the key there is, and gets none."""
    upper, lower = Shelf("upper"), Shelf("lower", Keyring(B))
    assert open_keyring((upper, lower), NONE_SEALED) == (Keyring(B), lower)
    assert upper.asked == ["load"]


def test_the_place_that_opens_what_is_sealed_wins() -> None:
    """A keyring of another database further up does not hide the right one."""
    upper, lower = Shelf("upper", Keyring(A)), Shelf("lower", Keyring(NEW, (B,)))
    keyring, source = open_keyring((upper, lower), frozenset({"kek_b"}))
    assert (keyring.current, source) == (NEW, lower)


def test_a_key_is_made_in_the_first_place_that_can_when_nothing_is_sealed() -> None:
    """Places that are only read, or do not answer, are passed over."""
    read_only, silent = Shelf("read-only", writable=False), Shelf("silent", answers=False)
    stubborn, free = Shelf("stubborn", takes=False), Shelf("free")
    keyring, source = open_keyring((read_only, silent, stubborn, free), NONE_SEALED)
    assert (keyring, source) == (Keyring(NEW), free)
    asked = [place.asked for place in (read_only, silent, stubborn, free)]
    assert asked == [["load"], ["load"], ["load", "create"], ["load", "create"]]


def test_no_place_for_a_key_is_no_start() -> None:
    """Without any place that could take a key the start is refused."""
    with pytest.raises(KeySourceRefused, match="No place") as caught:
        open_keyring((Shelf("silent", answers=False),), NONE_SEALED)
    assert_reads_well(caught.value, A.material)


def test_no_key_is_made_when_something_is_sealed() -> None:
    """A new key could open nothing, so the missing one is named with every place."""
    empty, silent = Shelf("empty"), Shelf("silent", answers=False)
    with pytest.raises(KeyMissing) as caught:
        open_keyring((empty, silent), frozenset({"kek_a"}))
    assert caught.value.key_ids == ("kek_a",)
    assert caught.value.message == (
        "Stored secrets need the key-encryption key kek_a: the empty shelf holds no key;"
        " the silent shelf does not answer (it is locked)."
    )
    assert "TRUNKLINE_MASTER_KEY" in caught.value.advice
    assert (empty.asked, silent.asked) == (["load"], ["load"])
    assert_reads_well(caught.value, A.material)


def test_only_the_keys_that_are_missing_are_named() -> None:
    """Of several keys that are needed, those that the best place lacks are told."""
    shelf = Shelf("only", Keyring(A))
    with pytest.raises(KeyMissing) as caught:
        open_keyring((Shelf("empty"), shelf), frozenset({"kek_a", "kek_b"}))
    assert caught.value.key_ids == ("kek_b",)
    assert "the only shelf does not hold it" in caught.value.message
    assert shelf.asked == ["load"]
    assert_reads_well(caught.value, A.material)


def test_a_master_key_in_the_settings_stands_alone(tmp_path: Path) -> None:
    """No other place is looked at, and none is written."""
    encoded = base64.b64encode(A.material).decode()
    sources = key_sources(master_key=f"kek_a:{encoded}", config_directory=tmp_path / "config")
    keyring, source = open_keyring(sources, frozenset({"kek_a"}))
    assert (keyring, source.name) == (Keyring(A), "settings")
    assert not (tmp_path / "config").exists()


def test_a_wrong_master_key_is_not_made_good_by_a_file(tmp_path: Path) -> None:
    """An operator who set the wrong key learns it, though the file holds the right one."""
    in_file = key_sources(master_key=None, config_directory=tmp_path, os_keyring=OsKeyringUse.NEVER)
    keyring, _ = open_keyring(in_file, NONE_SEALED)
    encoded = base64.b64encode(A.material).decode()
    wrong = key_sources(master_key=encoded, config_directory=tmp_path)
    with pytest.raises(KeyMissing) as caught:
        open_keyring(wrong, keyring.ids)
    assert caught.value.key_id == keyring.current.id
    assert "the setting TRUNKLINE_MASTER_KEY does not hold it" in caught.value.message
    assert_reads_well(caught.value, A.material)


def test_an_empty_master_key_makes_no_key_elsewhere(tmp_path: Path) -> None:
    """A variable that failed to expand stops the start."""
    sources = key_sources(master_key="", config_directory=tmp_path / "config")
    with pytest.raises(KeySourceRefused, match="is empty"):
        open_keyring(sources, NONE_SEALED)
    assert not (tmp_path / "config").exists()


def test_without_the_os_keyring_the_file_is_used(tmp_path: Path) -> None:
    """Servers and tests say `never`, and nothing but the file is made."""
    sources = key_sources(
        master_key=None, config_directory=tmp_path / "config", os_keyring=OsKeyringUse.NEVER
    )
    assert [source.name for source in sources] == ["file"]
    keyring, source = open_keyring(sources, NONE_SEALED)
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["key-encryption-keys.json"]
    assert str(tmp_path / "config") in source.describe()
    assert open_keyring(sources, keyring.ids)[0] == keyring


def test_a_lost_file_is_not_replaced_when_something_is_sealed(tmp_path: Path) -> None:
    """Whoever removed the key file gets a sentence, and no new file."""
    sources = key_sources(master_key=None, config_directory=tmp_path, os_keyring=OsKeyringUse.NEVER)
    keyring, _ = open_keyring(sources, NONE_SEALED)
    (tmp_path / "key-encryption-keys.json").unlink()
    with pytest.raises(KeyMissing, match=keyring.current.id):
        open_keyring(sources, keyring.ids)
    assert list(tmp_path.iterdir()) == []
