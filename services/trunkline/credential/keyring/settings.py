"""Key-encryption keys given in a setting, and only read.

`TRUNKLINE_MASTER_KEY` holds one or more entries separated by commas; the first is
the current key, the others are retired ones. An entry is the standard base64 of 32
bytes (`openssl rand -base64 32`), alone or after an id and a colon:

    <base64>
    kek_2026:<base64>,kek_2025:<base64>

An entry without an id gets one that follows from the key: the same key has the same
id at each start, and another key has another. Blanks around entries do not count.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring.document import decode_material
from trunkline.credential.keyring.keys import KeyEncryptionKey, Keyring, is_key_id

SETTING = "TRUNKLINE_MASTER_KEY"
MAX_KEYS = 64

_ADVICE = (
    "Give entries of the form `base64` or `id:base64`, separated by commas, the current"
    " key first; `openssl rand -base64 32` makes a key."
)
_FINGERPRINT_LABEL = b"trunkline key-encryption key id"


class SettingsSource:
    """Read the keyring from the text of a setting.

    Args:
        text: the setting's value, as in this module's docstring.
    """

    name: Final = "settings"
    writable: Final = False

    def __init__(self, text: str) -> None:
        self._text = text

    def describe(self) -> str:
        """Say for people where it is."""
        return f"the setting {SETTING}"

    def load(self) -> Keyring:
        """Return the keyring that the text gives.

        Raises:
            KeySourceRefused: the text is empty or not understood.
        """
        if not self._text.strip():
            # Set but empty is most often a variable that failed to expand. Taken as
            # unset it would make a key in a place that nobody chose.
            raise KeySourceRefused(
                self.describe(), "is empty", f"Remove the setting, or fill it. {_ADVICE}"
            )
        entries = self._text.split(",")
        if len(entries) > MAX_KEYS:
            raise self._refused(f"has more than {MAX_KEYS} entries")
        keys = [self._key(number, entry) for number, entry in enumerate(entries, start=1)]
        if len({key.id for key in keys}) != len(keys):
            raise self._refused("gives one key id twice")
        return Keyring(keys[0], tuple(keys[1:]))

    def create(self) -> Keyring:
        """Refuse: settings are only read.

        Raises:
            KeySourceRefused: always.
        """
        raise KeySourceRefused(
            self.describe(),
            "is only read, so no key can be made there",
            "Put a new key before the others in the setting, and start again.",
        )

    def _key(self, number: int, entry: str) -> KeyEncryptionKey:
        named, colon, encoded = entry.strip().rpartition(":")
        material = decode_material(encoded.strip())
        if material is None:
            raise self._refused(f"is not understood: entry {number} is not base64 of 32 bytes")
        key_id = named.strip() if colon else _fingerprint(material)
        if not is_key_id(key_id):
            raise self._refused(
                f"is not understood: the id of entry {number} is not `kek_` and 1 to 64"
                " letters or digits"
            )
        return KeyEncryptionKey(key_id, None, material)

    def _refused(self, problem: str) -> KeySourceRefused:
        return KeySourceRefused(self.describe(), problem, _ADVICE)


def _fingerprint(material: bytes) -> str:
    """Return an id that follows from a key and tells nothing about it.

    HMAC-SHA-256 under the key is a pseudo-random function of its message (RFC 2104),
    so 128 bits of it can stand in the clear.
    """
    tag = hmac.new(material, _FINGERPRINT_LABEL, hashlib.sha256).digest()
    return f"kek_{tag[:16].hex()}"
