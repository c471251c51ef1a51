"""The sealed format, byte by byte, as the docstring of `envelope` draws it."""

from __future__ import annotations

import hashlib
import zlib

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from trunkline.credential.envelope import Binding, key_id, open, rewrap, seal
from trunkline.credential.faults import SealBroken, SealReason
from trunkline.credential.keyring import KeyEncryptionKey, Keyring

KEY = KeyEncryptionKey("kek_golden", None, bytes(range(32)))
KEYRING = Keyring(KEY)
ROW = Binding(
    service="credential",
    owner="alice",
    on_behalf_of="user-7",
    provider="openai",
    credential_id="cred_1",
    version=3,
    origin="https://api.openai.com:443",
    field="api_key",
)
ASSOCIATED_DATA = bytes.fromhex(
    "7472756e6b6c696e652e62696e64696e6700010000000a63726564656e7469616c0000000a637265"
    "64656e7469616c00000005616c69636500000006757365722d37000000066f70656e616900000006"
    "637265645f310000001a68747470733a2f2f6170692e6f70656e61692e636f6d3a34343300000007"
    "6170695f6b65790000000000000003"
)
PLAINTEXT = b"sk-golden-1"
# Written once by the first release. If a change makes this fail, the change is wrong:
# rows like it lie in databases.
GOLDEN = bytes.fromhex(
    "010a6b656b5f676f6c64656ee70debdfcf39c20bf7f0bcd2cff8070e8405ef03084dc61d59db52aa"
    "104992e03faaa3024c9de38e1ff9c6aee10f946f9d149f5cc47a77a96d2c2aa754235b5780bf71cf"
    "a91d4d9933eb09ce0b9ba28e43fe2868af908b2bd6930912dba77f980000000be6157ef29558fe80"
    "67bdcfedc2014bd9fba905d55dc8543d4db2fe0a398bf1f297170988855de0"
)


def test_the_golden_value_opens() -> None:
    """A value of format version 1 opens for ever."""
    assert open(GOLDEN, ROW, KEYRING) == PLAINTEXT
    assert key_id(GOLDEN) == "kek_golden"


def test_the_golden_value_is_rewrapped() -> None:
    """A value of format version 1 can be rotated for ever, and its payload stays."""
    new = KeyEncryptionKey("kek_next", None, bytes(32))
    moved = rewrap(GOLDEN, Keyring(new, (KEY,)))
    assert open(moved, ROW, Keyring(new)) == PLAINTEXT
    assert moved[98 + len("kek_next") :] == GOLDEN[98 + len("kek_golden") :]


def test_the_golden_binding_has_its_bytes() -> None:
    """What is bound is fixed as well; a hash of it stands in every row."""
    assert ROW.associated_data() == ASSOCIATED_DATA
    assert hashlib.sha256(ASSOCIATED_DATA).digest() == GOLDEN[16:48]


def test_the_drawing_is_enough_to_write_a_sealed_value() -> None:
    """What another program writes by the drawing alone opens here."""
    data_key, wrap_nonce, nonce = bytes(range(50, 82)), b"w" * 12, b"p" * 12
    header = b"\x01" + bytes([len(KEY.id)]) + KEY.id.encode()
    digest = hashlib.sha256(ASSOCIATED_DATA).digest()
    wrapped = AESGCM(KEY.material).encrypt(wrap_nonce, data_key, b"trunkline.wrap\x00\x01" + digest)
    encrypted = AESGCM(data_key).encrypt(
        nonce, PLAINTEXT, b"trunkline.payload\x00\x01" + ASSOCIATED_DATA
    )
    check = zlib.crc32(header).to_bytes(4, "big")
    length = len(PLAINTEXT).to_bytes(4, "big")
    sealed = header + check + digest + wrap_nonce + wrapped + length + nonce + encrypted
    assert open(sealed, ROW, KEYRING) == PLAINTEXT


def test_the_drawing_is_enough_to_read_a_sealed_value() -> None:
    """What is sealed here can be opened by another program by the drawing alone."""
    sealed = seal(PLAINTEXT, ROW, KEYRING)
    k = sealed[1]
    assert sealed[0] == 1
    assert sealed[2 : 2 + k] == b"kek_golden"
    assert sealed[2 + k : 6 + k] == zlib.crc32(sealed[: 2 + k]).to_bytes(4, "big")
    digest = sealed[6 + k : 38 + k]
    assert digest == hashlib.sha256(ASSOCIATED_DATA).digest()
    data_key = AESGCM(KEY.material).decrypt(
        sealed[38 + k : 50 + k], sealed[50 + k : 98 + k], b"trunkline.wrap\x00\x01" + digest
    )
    n = int.from_bytes(sealed[98 + k : 102 + k], "big")
    assert len(sealed) == 130 + k + n
    nonce, encrypted = sealed[102 + k : 114 + k], sealed[114 + k :]
    associated = b"trunkline.payload\x00\x01" + ASSOCIATED_DATA
    assert AESGCM(data_key).decrypt(nonce, encrypted, associated) == PLAINTEXT


def test_every_bit_counts() -> None:
    """Each single bit of the golden value, flipped, breaks it; none is without meaning."""
    for bit in range(len(GOLDEN) * 8):
        flipped = bytearray(GOLDEN)
        flipped[bit // 8] ^= 1 << bit % 8
        with pytest.raises(SealBroken):
            open(bytes(flipped), ROW, KEYRING)


@pytest.mark.parametrize("written", [b"", b"kek_", b"kek_\xe9", b"cred_1", b"kek_a\n", b"x" * 255])
def test_a_key_id_of_another_form_is_damage(written: bytes) -> None:
    """Whoever writes such an id with a fitting check does not get it into an error."""
    header = bytes([1, len(written)]) + written
    sealed = header + zlib.crc32(header).to_bytes(4, "big") + GOLDEN[16:]
    with pytest.raises(SealBroken) as caught:
        key_id(sealed)
    assert caught.value.reason is SealReason.HEADER_DAMAGED
