"""Choose where the key-encryption keys live, and open the keyring at start."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from trunkline.credential.faults import KeyMissing, KeySourceRefused, KeySourceSilent
from trunkline.credential.keyring.file import FileSource
from trunkline.credential.keyring.keys import Keyring
from trunkline.credential.keyring.os_keyring import OsKeyringSource
from trunkline.credential.keyring.settings import SettingsSource
from trunkline.credential.keyring.source import KeySource

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

KEY_FILE_NAME = "key-encryption-keys.json"
LOCK_FILE_NAME = "os-keyring.lock"


class OsKeyringUse(StrEnum):
    """Whether the OS keyring is asked at all."""

    AUTO = "auto"
    NEVER = "never"


def key_sources(
    *,
    master_key: str | None,
    config_directory: Path,
    os_keyring: OsKeyringUse = OsKeyringUse.AUTO,
    backend: KeyringBackend | None = None,
) -> tuple[KeySource, ...]:
    """Return the places to look for key-encryption keys, first one first.

    A master key in the settings is an order, so it stands alone: were another place
    to fill in for it, a wrong key would not be noticed.

    Args:
        master_key: value of TRUNKLINE_MASTER_KEY. None: not set.
        config_directory: where the key file is or will be; made when needed.
        os_keyring: whether to ask the OS keyring.
        backend: the OS keyring to ask. None: the one that the `keyring` library finds.
    """
    if master_key is not None:
        return (SettingsSource(master_key),)
    file = FileSource(config_directory / KEY_FILE_NAME)
    match os_keyring:
        case OsKeyringUse.AUTO:
            lock_path = config_directory / LOCK_FILE_NAME
            return (OsKeyringSource(lock_path, backend=backend), file)
        case OsKeyringUse.NEVER:
            return (file,)


def open_keyring(
    sources: Sequence[KeySource], sealed_key_ids: frozenset[str]
) -> tuple[Keyring, KeySource]:
    """Return the keyring to work with and the place that keeps it.

    The first source that holds every key in `sealed_key_ids` is taken, so a key that
    exists further down wins over a place further up that has none. A new key is made,
    in the first source that can, only when no source holds one and nothing is sealed.

    Blocks for up to some ten seconds while the OS keyring does not answer: call it
    before the event loop starts, or in a thread.

    Args:
        sources: where to look, first one first.
        sealed_key_ids: ids of the keys that wrap stored values. Empty: none is stored.

    Raises:
        KeyMissing: stored values need a key that no source holds. Nothing was made.
        KeySourceRefused: a source is not safe or not whole, or none can take a key.
    """
    missing = sealed_key_ids
    found: list[str] = []
    vacant: list[KeySource] = []
    for source in sources:
        try:
            keyring = source.load()
        except KeySourceSilent as fault:
            found.append(f"{source.describe()} does not answer ({fault.reason})")
            continue
        if keyring is None:
            found.append(f"{source.describe()} holds no key")
            vacant.append(source)
            continue
        if sealed_key_ids <= keyring.ids:
            return keyring, source
        found.append(f"{source.describe()} does not hold it")
        missing = min(missing, sealed_key_ids - keyring.ids, key=len)
    if sealed_key_ids:
        raise KeyMissing(missing, found)
    for source in vacant:
        if not source.writable:
            continue
        try:
            return source.create(), source
        except KeySourceSilent:
            continue
    raise KeySourceRefused(
        "no place for key-encryption keys",
        "could take a new one",
        "Unlock the OS keyring, or give a key in TRUNKLINE_MASTER_KEY.",
    )
