"""The keyring of key-encryption keys, and the places that keep it.

keys          the values: one current key, any number of retired ones
source        the seam behind which a keyring is kept
settings      TRUNKLINE_MASTER_KEY, only read
os_keyring    the keyring of the operating system
file          a file of mode 0600 in the config directory
document      the JSON text that the last two keep
private_file  how such a file is written and read
opening       which place is chosen at start
"""

from trunkline.credential.keyring.keys import KeyEncryptionKey, Keyring, is_key_id
from trunkline.credential.keyring.opening import OsKeyringUse, key_sources, open_keyring
from trunkline.credential.keyring.source import KeySource

__all__ = [
    "KeyEncryptionKey",
    "KeySource",
    "Keyring",
    "OsKeyringUse",
    "is_key_id",
    "key_sources",
    "open_keyring",
]
