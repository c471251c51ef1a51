"""Key-encryption keys in a file of the config directory."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring.document import (
    MAX_DOCUMENT_BYTES,
    decode_keyring,
    encode_keyring,
)
from trunkline.credential.keyring.keys import KeyEncryptionKey, Keyring
from trunkline.credential.keyring.private_file import create_private, read_private


class FileSource:
    """Keep the keyring in a file of mode 0600.

    Args:
        path: the file, in the config directory, never in the data directory: whoever
            copies the database must not get the key with it.
    """

    name: Final = "file"
    writable: Final = True

    def __init__(self, path: Path) -> None:
        self._path = path

    def describe(self) -> str:
        """Say for people where it is."""
        return f"the file {self._path}"

    def load(self) -> Keyring | None:
        """Return the keyring in the file. None: there is no file.

        Raises:
            KeySourceRefused: the file is not safe, not whole or of another version.
        """
        content = read_private(self._path, MAX_DOCUMENT_BYTES)
        if content is None:
            return None
        return decode_keyring(content.decode("utf-8", errors="replace"), self.describe())

    def create(self) -> Keyring:
        """Make the file with one new key, unless there is one, and return what it holds.

        Raises:
            KeySourceRefused: it cannot be written, or what is there is not usable.
        """
        keyring = Keyring(KeyEncryptionKey.generate(datetime.now(UTC)))
        if create_private(self._path, encode_keyring(keyring).encode() + b"\n"):
            return keyring
        kept = self.load()
        if kept is None:
            raise KeySourceRefused(
                self.describe(), "was made and removed by another process", "Start again."
            )
        return kept
