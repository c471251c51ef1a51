"""Key-encryption keys, and the keyring that holds them."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from trunkline.credential.faults import KeyMissing
from trunkline.kernel.identifiers import new_id

KEY_BYTES = 32

# At most 255 bytes of ASCII, because the sealed format gives the length one byte.
_KEY_ID = re.compile(r"kek_[0-9A-Za-z]{1,64}", re.ASCII)


def is_key_id(text: str) -> bool:
    """Tell whether a text has the form of a key-encryption key's id.

    The form is `kek_` and 1 to 64 ASCII letters or digits.
    """
    return _KEY_ID.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class KeyEncryptionKey:
    """A key that wraps data keys.

    A key for any other use is derived from it, or sealed like a secret.

    Attributes:
        id: `kek_…`; says which key wraps a sealed value, and is no secret.
        created_at: when it was made, with its offset from UTC. None: its place does
            not tell.
        material: the key, 32 bytes; not shown by `repr`.

    Raises:
        ValueError: the id, the material's length or the time is not of that form.
    """

    id: str
    created_at: datetime | None
    material: bytes = field(repr=False)

    def __post_init__(self) -> None:
        # No value is told: key material given in the wrong place must not come out.
        if not is_key_id(self.id):
            raise ValueError("a key-encryption key's id is `kek_` and 1 to 64 letters or digits")
        if len(self.material) != KEY_BYTES:
            raise ValueError(f"a key-encryption key is {KEY_BYTES} bytes long")
        if self.created_at is not None and self.created_at.utcoffset() is None:
            raise ValueError("a key-encryption key's time has an offset from UTC")

    @classmethod
    def generate(cls, created_at: datetime) -> KeyEncryptionKey:
        """Return a new random key with a new id.

        Args:
            created_at: now, with its offset from UTC.
        """
        return cls(new_id("kek"), created_at, secrets.token_bytes(KEY_BYTES))


@dataclass(frozen=True, slots=True)
class Keyring:
    """The key that seals now, and the keys that only open what they sealed before.

    Attributes:
        current: wraps everything that is sealed from now on.
        retired: in no order.

    Raises:
        ValueError: two keys have one id.
    """

    current: KeyEncryptionKey
    retired: tuple[KeyEncryptionKey, ...] = ()

    def __post_init__(self) -> None:
        if len(self.ids) != 1 + len(self.retired):
            raise ValueError("a keyring holds no two keys of one id")

    def __iter__(self) -> Iterator[KeyEncryptionKey]:
        """Yield the current key, then the retired ones."""
        yield self.current
        yield from self.retired

    @property
    def ids(self) -> frozenset[str]:
        """The ids of all keys."""
        return frozenset(key.id for key in self)

    def key(self, key_id: str) -> KeyEncryptionKey:
        """Return the key with this id.

        Raises:
            KeyMissing: the keyring has no such key.
        """
        for key in self:
            if key.id == key_id:
                return key
        raise KeyMissing([key_id])
