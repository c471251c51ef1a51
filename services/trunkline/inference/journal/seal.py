"""Seal what a run's journal holds, so that it opens only in the place it was sealed for.

Each run has a random data key, wrapped by a content key of the credential service; it
seals every piece of that run. Both times it is AES-256-GCM (NIST SP 800-38D) with a
random 96-bit nonce and a 128-bit tag. Integers are big-endian.

A wrapped data key, version 1:

    offset  size  what
    ------  ----  ---------------------------------------------------------------
         0     1  format version: 0x01
         1     1  K, the length of the content key's id
         2     K  id of the content key, ASCII: `dek_` and letters, digits
       2+K    12  nonce
      14+K    48  the data key (32 bytes), encrypted, and its tag (16)
                  key: the content key
                  associated data: `trunkline journal v1`, 0x00, `key`, 0x00, the 2+K
                  bytes before the nonce, the run's id
      62+K        end

A sealed piece, version 1:

    offset  size  what
    ------  ----  ---------------------------------------------------------------
         0     1  format version: 0x01
         1    12  nonce
        13     N  the data, encrypted
      13+N    16  its tag
                  key: the run's data key
                  associated data: `trunkline journal v1`, 0x00, `piece`, 0x00, the
                  length of the run's id in UTF-8 (4 bytes), the run's id, epoch, first
                  and last sequence (8 bytes each, signed), the piece's kind in UTF-8
      29+N        end

Every part of the associated data tells its own length, has a fixed one or comes last, so
no two places have the same bytes. A piece that is gone is not noticed here: sequences
without a gap and the journal's end show that. Nor is one of two that were sealed for the
very same place, which only segments without events ever are.

Random nonces allow one key 2**32 pieces (SP 800-38D, 8.3), far more than a run has.
"""

from __future__ import annotations

import os
import re
import struct
from enum import StrEnum

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

FORMAT_VERSION = 1
KEY_BYTES = 32

SEGMENT = "segment"
TERMS = "terms"
STATUS = "status"

_VERSION = bytes([FORMAT_VERSION])
_LABEL = b"trunkline journal v1\0"
_KEY_LABEL = _LABEL + b"key\0"
_PIECE_LABEL = _LABEL + b"piece\0"
_LENGTH = struct.Struct(">I")
_PLACE = struct.Struct(">qqq")
_NONCE_BYTES = 12
_TAG_BYTES = 16
_DATA_BEGIN = 1 + _NONCE_BYTES
# At most 255 bytes of ASCII, because the format gives the length one byte.
_KEY_ID = re.compile(r"dek_[0-9A-Za-z]{1,64}", re.ASCII)


class SealReason(StrEnum):
    """Why something sealed does not open."""

    UNKNOWN_VERSION = "is of a format version that is not known here"
    TRUNCATED = "ends too early"
    DAMAGED = "has a damaged header"
    ALTERED = "was altered, or sealed for another place or under another key"
    KEY_LOST = "was sealed under a content key that is lost"


class SealBroken(Exception):
    """Something sealed was changed, cut or moved, or its key is lost: it never opens.

    Args:
        what: it is; nothing that was sealed.
        reason: why.
    """

    def __init__(self, what: str, reason: SealReason) -> None:
        super().__init__(f"The {what} {reason.value}.")
        self.reason = reason


class RunSeal:
    """Seals and opens the pieces of one run.

    Args:
        run_id: `run_…`.
        data_key: of the run, 32 bytes.
    """

    __slots__ = ("_cipher", "_prefix")

    def __init__(self, run_id: str, data_key: bytes) -> None:
        encoded_id = run_id.encode()
        self._cipher = AESGCM(data_key)
        self._prefix = _PIECE_LABEL + _LENGTH.pack(len(encoded_id)) + encoded_id

    def seal(self, kind: str, epoch: int, first: int, last: int, data: bytes) -> bytes:
        """Encrypt a piece for its place.

        Args:
            kind: `SEGMENT`, `TERMS`, `STATUS` or what `inbox_kind` gives.
            epoch: in which it is written; 0 where the place has none.
            first: sequence of its first event; 0 where the place has none.
            last: sequence of its last event; 0 where the place has none.
            data: may be empty.

        Returns:
            The piece, in the format of this module's docstring; two calls never give the
            same bytes.
        """
        nonce = os.urandom(_NONCE_BYTES)
        associated = self._prefix + _PLACE.pack(epoch, first, last) + kind.encode()
        return _VERSION + nonce + self._cipher.encrypt(nonce, data, associated)

    def open(self, kind: str, epoch: int, first: int, last: int, sealed: bytes) -> bytes:
        """Decrypt a piece that was sealed for this place of this run.

        Args:
            kind, epoch, first, last: of the place where it was found; each must be as it
                was when sealed.
            sealed: what `seal` returned.

        Raises:
            SealBroken: it was changed, cut, moved or is of an unknown version.
        """
        _check_version("sealed piece", sealed, _DATA_BEGIN + _TAG_BYTES)
        nonce = sealed[1:_DATA_BEGIN]
        try:
            associated = self._prefix + _PLACE.pack(epoch, first, last) + kind.encode()
            return self._cipher.decrypt(nonce, sealed[_DATA_BEGIN:], associated)
        except (InvalidTag, struct.error):
            # No place has such a number: a store gave it that was tampered with.
            raise SealBroken("sealed piece", SealReason.ALTERED) from None


def inbox_kind(item_id: str) -> str:
    """Return the kind of an item of a run's inbox."""
    return f"inbox:{item_id}"


def make_run_key(content_key_id: str, content_key: bytes, run_id: str) -> tuple[bytes, RunSeal]:
    """Make the data key of a run.

    Args:
        content_key_id: `dek_…`; stands in the clear.
        content_key: 32 bytes.
        run_id: whose.

    Returns:
        The data key, wrapped, to be stored beside the run; and what seals with it.

    Raises:
        ValueError: the id is not of its form.
    """
    if _KEY_ID.fullmatch(content_key_id) is None:
        raise ValueError("a content key's id is `dek_` and 1 to 64 letters or digits")
    data_key = os.urandom(KEY_BYTES)
    encoded_id = content_key_id.encode("ascii")
    header = _VERSION + bytes([len(encoded_id)]) + encoded_id
    nonce = os.urandom(_NONCE_BYTES)
    associated = _KEY_LABEL + header + run_id.encode()
    encrypted = AESGCM(content_key).encrypt(nonce, data_key, associated)
    return header + nonce + encrypted, RunSeal(run_id, data_key)


def open_run_key(wrapped: bytes, run_id: str, content_key: bytes) -> RunSeal:
    """Unwrap the data key of a run.

    Args:
        wrapped: what `make_run_key` returned.
        run_id: with which run it was found.
        content_key: of the id that `key_id_of` gives, 32 bytes.

    Raises:
        SealBroken: it was changed, cut, is another run's or of an unknown version, or the
            content key is another one.
    """
    header, _ = _split(wrapped)
    nonce_end = len(header) + _NONCE_BYTES
    associated = _KEY_LABEL + header + run_id.encode()
    try:
        data_key = AESGCM(content_key).decrypt(
            wrapped[len(header) : nonce_end], wrapped[nonce_end:], associated
        )
    except InvalidTag:
        raise SealBroken("run's data key", SealReason.ALTERED) from None
    return RunSeal(run_id, data_key)


def key_id_of(wrapped: bytes) -> str:
    """Return the id of the content key that wraps a data key.

    Raises:
        SealBroken: it was cut, or its header is damaged or of an unknown version.
    """
    _, key_id = _split(wrapped)
    return key_id


def _split(wrapped: bytes) -> tuple[bytes, str]:
    """Return the header of a wrapped data key, and the id in it; raise SealBroken."""
    what = "run's data key"
    _check_version(what, wrapped, 2)
    header = wrapped[: 2 + wrapped[1]]
    if len(wrapped) < len(header) + _NONCE_BYTES + KEY_BYTES + _TAG_BYTES:
        raise SealBroken(what, SealReason.TRUNCATED)
    # Latin-1 decodes any byte; what is no key id is then refused by its form.
    key_id = header[2:].decode("latin-1")
    if _KEY_ID.fullmatch(key_id) is None:
        raise SealBroken(what, SealReason.DAMAGED)
    return header, key_id


def _check_version(what: str, sealed: bytes, least_bytes: int) -> None:
    """Refuse what is of another format version, or too short; raise SealBroken."""
    if sealed and sealed[0] != FORMAT_VERSION:
        raise SealBroken(what, SealReason.UNKNOWN_VERSION)
    if len(sealed) < least_bytes:
        raise SealBroken(what, SealReason.TRUNCATED)
