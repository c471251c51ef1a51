"""Seal secrets so that they open only in the row and field they were sealed for.

Each value is encrypted under a data key of its own, and that data key is wrapped
by a key-encryption key (envelope encryption). Both times it is AES-256-GCM
(NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag.

The sealed format, version 1; integers are unsigned and big-endian:

    offset  size  what
    ------  ----  ---------------------------------------------------------------
         0     1  format version: 0x01
         1     1  K, the length of the key id
         2     K  id of the key-encryption key, ASCII: `kek_` and letters, digits
       2+K     4  CRC-32 (as in zlib) of all bytes before it
       6+K    32  SHA-256 of the binding's associated data (`Binding`)
      38+K    12  nonce of the wrap
      50+K    48  the data key (32 bytes), encrypted, and its tag (16)
                  key: the key-encryption key
                  associated data: `trunkline.wrap`, 0x00, the format version (one
                  byte), the 32 bytes of the binding's SHA-256
    ------  ----  what follows is the payload, which `rewrap` never changes
      98+K     4  N, the length of the plaintext, up to 1 MiB
     102+K    12  nonce of the payload
     114+K     N  the plaintext, encrypted
   114+K+N    16  its tag
                  key: the data key
                  associated data: `trunkline.payload`, 0x00, the format version
                  (one byte), the binding's associated data
   130+K+N        end

The CRC guards nothing against an attacker. It tells a damaged key id from the id
of a key that the keyring lacks, because the two send an operator different ways.
The key id is not part of any associated data, because rotation changes it; another
id cannot be put in its place, because another key does not open the wrap. The
binding's hash stands in the clear, so that `rewrap` needs no row; the wrap's tag
vouches for it.

Random nonces allow one key-encryption key 2**32 wraps (SP 800-38D, 8.3). A data
key encrypts exactly one payload.
"""

from __future__ import annotations

import hashlib
import secrets
import struct
import zlib
from dataclasses import dataclass
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.credential.faults import SealBroken, SealReason
from trunkline.credential.keyring import KeyEncryptionKey, Keyring, is_key_id

FORMAT_VERSION = 1
MAX_PLAINTEXT_BYTES = 1 << 20

_BINDING_LABEL = b"trunkline.binding\0\x01"
_WRAP_LABEL = b"trunkline.wrap\0" + bytes([FORMAT_VERSION])
_PAYLOAD_LABEL = b"trunkline.payload\0" + bytes([FORMAT_VERSION])
_CRC = struct.Struct(">I")
_LENGTH = struct.Struct(">I")
_NUMBER = struct.Struct(">Q")
_DIGEST_BYTES = 32
_DATA_KEY_BYTES = 32
_NONCE_BYTES = 12
_TAG_BYTES = 16
_WRAPPED_BYTES = _DATA_KEY_BYTES + _TAG_BYTES


class Purpose(StrEnum):
    """What a sealed value is for; a value sealed for one never opens for another."""

    CREDENTIAL = "credential"
    """A provider's secret. `field` names it, such as `api_key`."""

    CONTENT_KEY = "content-key"
    """A 32-byte key for another service's content. `credential_id` holds its own id
    (`dek_…`), `field` what it seals, such as `journal`; owner, user, provider and
    origin are empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """Say where a sealed value belongs; it opens nowhere else.

    Text is taken as it is: no case folding, no Unicode normalisation.

    Attributes:
        service: the service whose database holds the row.
        owner: the principal whose secret it is. Empty: the deployment's.
        on_behalf_of: the owner's user. Empty: the owner itself.
        provider: the provider's name.
        credential_id: the row's id.
        version: the secret's version in that row, 0 to 2**63 - 1.
        origin: scheme, host and port that it may be sent to.
        field: which of the row's sealed fields.
        purpose: what it is for.

    Raises:
        ValueError: the version is out of range, or a text is not valid Unicode.
    """

    service: str
    owner: str
    on_behalf_of: str
    provider: str
    credential_id: str
    version: int
    origin: str
    field: str
    purpose: Purpose = Purpose.CREDENTIAL

    def __post_init__(self) -> None:
        if not 0 <= self.version < 1 << 63:
            raise ValueError("a binding's version is between 0 and 2**63 - 1")
        self.associated_data()

    def associated_data(self) -> bytes:
        """Return the bytes that stand for this binding and for no other.

        A label (`trunkline.binding`, 0x00, 0x01), then the texts in the order purpose,
        service, owner, on_behalf_of, provider, credential_id, origin, field, each as
        its length in UTF-8 bytes (4 bytes, big-endian) and its UTF-8 bytes, then the
        version (8 bytes, big-endian). Every part tells its own length or has a fixed
        one, so no two bindings have the same bytes.
        """
        texts = (
            self.purpose.value,
            self.service,
            self.owner,
            self.on_behalf_of,
            self.provider,
            self.credential_id,
            self.origin,
            self.field,
        )
        parts = [_BINDING_LABEL]
        for text in texts:
            encoded = text.encode()
            parts += (_LENGTH.pack(len(encoded)), encoded)
        parts.append(_NUMBER.pack(self.version))
        return b"".join(parts)


@dataclass(frozen=True, slots=True)
class _Sealed:
    """The parts of a sealed value; `payload` runs from its length to its tag."""

    key_id: str
    digest: bytes
    wrap_nonce: bytes
    wrapped: bytes
    payload: bytes


# Plaintext and data keys are `bytes` and stay in memory until Python reuses it:
# they cannot be wiped, since `bytes` are immutable and the interpreter and OpenSSL
# copy them. What we do is hold them briefly and never store, log or print them.


def seal(plaintext: bytes, binding: Binding, keyring: Keyring) -> bytes:
    """Encrypt a secret under a new data key, wrapped by the keyring's current key.

    Args:
        plaintext: the secret, up to `MAX_PLAINTEXT_BYTES`; may be empty.
        binding: where it belongs.
        keyring: whose current key wraps.

    Returns:
        The sealed value, in the format of this module's docstring; two calls never
        give the same bytes.

    Raises:
        ValueError: the plaintext is too long.
    """
    if len(plaintext) > MAX_PLAINTEXT_BYTES:
        raise ValueError(f"a plaintext is at most {MAX_PLAINTEXT_BYTES} bytes long")
    associated = binding.associated_data()
    data_key = secrets.token_bytes(_DATA_KEY_BYTES)
    nonce = secrets.token_bytes(_NONCE_BYTES)
    encrypted = AESGCM(data_key).encrypt(nonce, plaintext, _PAYLOAD_LABEL + associated)
    payload = _LENGTH.pack(len(plaintext)) + nonce + encrypted
    digest = hashlib.sha256(associated).digest()
    return _wrap(data_key, digest, keyring.current) + payload


def open(sealed: bytes, binding: Binding, keyring: Keyring) -> bytes:
    """Decrypt a secret that was sealed for this binding.

    Args:
        sealed: what `seal` or `rewrap` returned.
        binding: where it was found; every part must be as it was when sealed.
        keyring: holds the key that wraps it, as current or retired.

    Returns:
        The plaintext.

    Raises:
        SealBroken: it is damaged, altered, of an unknown version or sealed for
            another binding.
        KeyMissing: the keyring lacks the key that wraps it.
    """
    parts = _parse(sealed)
    associated = binding.associated_data()
    if hashlib.sha256(associated).digest() != parts.digest:
        raise SealBroken(SealReason.BOUND_ELSEWHERE)
    data_key = _unwrap(parts, keyring)
    nonce = parts.payload[_LENGTH.size : _LENGTH.size + _NONCE_BYTES]
    encrypted = parts.payload[_LENGTH.size + _NONCE_BYTES :]
    try:
        return AESGCM(data_key).decrypt(nonce, encrypted, _PAYLOAD_LABEL + associated)
    except InvalidTag:
        raise SealBroken(SealReason.PAYLOAD_ALTERED) from None


def rewrap(sealed: bytes, keyring: Keyring) -> bytes:
    """Move a sealed value to the keyring's current key without opening its payload.

    The payload's bytes are not read, checked or changed: damage there is found when
    it is opened. The binding holds on, because the new wrap is bound to the same hash.

    Args:
        sealed: what `seal` or `rewrap` returned.
        keyring: holds the key that wraps it and the one to move to.

    Returns:
        The value under the current key; the same bytes when it is under it already.

    Raises:
        SealBroken: the header or the wrap is damaged, altered or of an unknown
            version, or the length is wrong.
        KeyMissing: the keyring lacks the key that wraps it.
    """
    parts = _parse(sealed)
    if parts.key_id == keyring.current.id:
        return sealed
    return _wrap(_unwrap(parts, keyring), parts.digest, keyring.current) + parts.payload


def key_id(sealed: bytes) -> str:
    """Return the id of the key-encryption key that wraps a sealed value.

    Raises:
        SealBroken: the header is damaged or of an unknown version, or the length is
            wrong.
    """
    return _parse(sealed).key_id


def _wrap(data_key: bytes, digest: bytes, key: KeyEncryptionKey) -> bytes:
    """Return everything before the payload."""
    encoded_id = key.id.encode("ascii")
    header = bytes([FORMAT_VERSION, len(encoded_id)]) + encoded_id
    nonce = secrets.token_bytes(_NONCE_BYTES)
    wrapped = AESGCM(key.material).encrypt(nonce, data_key, _WRAP_LABEL + digest)
    return b"".join((header, _CRC.pack(zlib.crc32(header)), digest, nonce, wrapped))


def _unwrap(parts: _Sealed, keyring: Keyring) -> bytes:
    """Return the data key; raise KeyMissing or SealBroken."""
    key = keyring.key(parts.key_id)
    try:
        return AESGCM(key.material).decrypt(
            parts.wrap_nonce, parts.wrapped, _WRAP_LABEL + parts.digest
        )
    except InvalidTag:
        raise SealBroken(SealReason.WRAP_ALTERED) from None


def _parse(sealed: bytes) -> _Sealed:
    """Cut a sealed value into its parts; raise SealBroken where it does not fit."""
    if sealed and sealed[0] != FORMAT_VERSION:
        raise SealBroken(SealReason.UNKNOWN_VERSION)
    cursor = _Cursor(sealed)
    cursor.take(1)
    encoded_id = cursor.take(cursor.take(1)[0])
    header = sealed[: cursor.position]
    if cursor.take(_CRC.size) != _CRC.pack(zlib.crc32(header)):
        raise SealBroken(SealReason.HEADER_DAMAGED)
    # Latin-1 decodes any byte; what is no key id is then refused by its form.
    name = encoded_id.decode("latin-1")
    if not is_key_id(name):
        raise SealBroken(SealReason.HEADER_DAMAGED)
    digest = cursor.take(_DIGEST_BYTES)
    wrap_nonce = cursor.take(_NONCE_BYTES)
    wrapped = cursor.take(_WRAPPED_BYTES)
    payload = sealed[cursor.position :]
    (length,) = _LENGTH.unpack(cursor.take(_LENGTH.size))
    cursor.take(_NONCE_BYTES + length + _TAG_BYTES)
    if cursor.position != len(sealed):
        raise SealBroken(SealReason.OVERLONG)
    return _Sealed(name, digest, wrap_nonce, wrapped, payload)


class _Cursor:
    """Walk through bytes and refuse to walk past their end."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.position = 0

    def take(self, count: int) -> bytes:
        """Return the next `count` bytes; raise SealBroken when there are fewer."""
        taken = self._data[self.position : self.position + count]
        if len(taken) < count:
            raise SealBroken(SealReason.TRUNCATED)
        self.position += count
        return taken
