"""The JSON text as which a keyring is kept in a file or in the OS keyring.

    {"version": 1,
     "current": "kek_…",
     "keys": [{"id": "kek_…", "created_at": "2026-01-31T12:00:00+00:00", "material": "…"}]}

`keys` holds the current key and all retired ones; `created_at` is RFC 3339 or null;
`material` is the standard base64 of 32 bytes. There are no other members: a build
that needs one raises the version, and older builds then refuse the text instead of
dropping what they do not know.
"""

from __future__ import annotations

import base64
import json
from datetime import datetime

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring.keys import KeyEncryptionKey, Keyring

DOCUMENT_VERSION = 1
MAX_DOCUMENT_BYTES = 64 * 1024


def encode_keyring(keyring: Keyring) -> str:
    """Return the text that keeps a keyring. It holds the keys in the clear."""
    keys = [
        {
            "id": key.id,
            "created_at": None if key.created_at is None else key.created_at.isoformat(),
            "material": base64.b64encode(key.material).decode("ascii"),
        }
        for key in keyring
    ]
    return json.dumps({"version": DOCUMENT_VERSION, "current": keyring.current.id, "keys": keys})


def decode_keyring(text: str, place: str) -> Keyring:
    """Return the keyring that a text keeps.

    Args:
        text: as `encode_keyring` wrote it.
        place: where it was found, for the error, as a noun phrase.

    Raises:
        KeySourceRefused: the text is of another version, or not whole.
    """
    document = _parse(text) if len(text) <= MAX_DOCUMENT_BYTES else None
    version = document.get("version") if isinstance(document, dict) else None
    # `True == 1` in Python, so the type is asked for as well.
    if type(version) is int and version != DOCUMENT_VERSION:
        raise KeySourceRefused(
            place,
            f"is of version {version} and this build reads version {DOCUMENT_VERSION}",
            "Start the release of Trunkline that wrote it, or a later one.",
        )
    keyring = _keyring(document) if type(version) is int else None
    if keyring is None:
        raise KeySourceRefused(
            place,
            "holds no whole keyring",
            "Restore it from a backup; remove it only if nothing that it sealed is still needed.",
        )
    return keyring


def decode_material(text: object) -> bytes | None:
    """Return the 32 bytes that a standard base64 text stands for. None: it is none."""
    if not isinstance(text, str):
        return None
    try:
        material = base64.b64decode(text, validate=True)
    except ValueError:
        return None
    # Base64 leaves two bits of the last letter unused; only one letter is right.
    canonical = base64.b64encode(material).decode("ascii")
    return material if len(material) == 32 and canonical == text else None


def _parse(text: str) -> object:
    # `JSONDecodeError` carries the whole text, keys included. It ends here, and
    # what is raised for it is raised outside of its handler, so as not to chain it.
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _keyring(document: object) -> Keyring | None:
    if not isinstance(document, dict) or document.keys() != {"version", "current", "keys"}:
        return None
    entries = document["keys"]
    if not isinstance(entries, list):
        return None
    keys = [_key(entry) for entry in entries]
    whole = [key for key in keys if key is not None]
    current = [key for key in whole if key.id == document["current"]]
    if len(whole) != len(keys) or len(current) != 1:
        return None
    try:
        return Keyring(current[0], tuple(key for key in whole if key is not current[0]))
    except ValueError:
        return None


def _key(entry: object) -> KeyEncryptionKey | None:
    if not isinstance(entry, dict) or entry.keys() != {"id", "created_at", "material"}:
        return None
    created_at, material = entry["created_at"], decode_material(entry["material"])
    if not isinstance(entry["id"], str) or material is None:
        return None
    if created_at is not None and not isinstance(created_at, str):
        return None
    try:
        moment = None if created_at is None else datetime.fromisoformat(created_at)
        return KeyEncryptionKey(entry["id"], moment, material)
    except ValueError:
        return None
