"""What can go wrong with sealed secrets and the keys that seal them.

    CredentialFault
     ├ SealBroken           a sealed value does not open, and no key would help
     ├ KeyMissing           a key-encryption key is not in the keyring
     ├ KeySourceRefused     a place for keys holds or is what may not be used
     └ KeySourceSilent      a place for keys does not answer

Each says in one sentence what is wrong and in another what to do. None holds key
material, plaintext or the text of another library's error.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum


class CredentialFault(Exception):
    """The root of this module's errors.

    Args:
        message: one sentence: what is wrong.
        advice: one or two sentences: what to do.
    """

    def __init__(self, message: str, advice: str) -> None:
        super().__init__(f"{message} {advice}")
        self.message = message
        self.advice = advice


class SealReason(StrEnum):
    """Why a sealed value does not open."""

    UNKNOWN_VERSION = "unknown-version"
    TRUNCATED = "truncated"
    OVERLONG = "overlong"
    HEADER_DAMAGED = "header-damaged"
    BOUND_ELSEWHERE = "bound-elsewhere"
    WRAP_ALTERED = "wrap-altered"
    PAYLOAD_ALTERED = "payload-altered"


_SEAL_MESSAGES = {
    SealReason.UNKNOWN_VERSION: "The sealed value is of a format version that is not known here.",
    SealReason.TRUNCATED: "The sealed value ends too early.",
    SealReason.OVERLONG: "The sealed value has bytes after its end.",
    SealReason.HEADER_DAMAGED: "The header of the sealed value is damaged.",
    SealReason.BOUND_ELSEWHERE: "The sealed value was sealed for another row or field.",
    SealReason.WRAP_ALTERED: "The wrapped data key of the sealed value was altered.",
    SealReason.PAYLOAD_ALTERED: "The payload of the sealed value was altered.",
}
_RESTORE = "Restore this row from a backup, or delete the credential and connect it again."
_UPGRADE = "Start the release of Trunkline that wrote it, or a later one."


class SealBroken(CredentialFault):
    """A sealed value is damaged, altered, moved or of an unknown format.

    Args:
        reason: why.
    """

    def __init__(self, reason: SealReason) -> None:
        advice = _UPGRADE if reason is SealReason.UNKNOWN_VERSION else _RESTORE
        super().__init__(_SEAL_MESSAGES[reason], advice)
        self.reason = reason


class KeyMissing(CredentialFault):
    """Sealed values exist, and the key-encryption key that opens them is not there.

    Args:
        key_ids: the missing keys, at least one; at most three are told by name.
        looked_in: where was looked, and what was found there, for people. Empty:
            the keyring in use.
    """

    def __init__(self, key_ids: Iterable[str], looked_in: Iterable[str] = ()) -> None:
        self.key_ids = tuple(sorted(key_ids))
        named = ", ".join(self.key_ids[:3])
        more = f" and {len(self.key_ids) - 3} more" if len(self.key_ids) > 3 else ""
        subject = "key-encryption key" if len(self.key_ids) == 1 else "key-encryption keys"
        where = "; ".join(looked_in) or "the keyring in use lacks it"
        super().__init__(
            f"Stored secrets need the {subject} {named}{more}: {where}.",
            "Bring the key back (unlock the OS keyring, restore the file), or give it in"
            " TRUNKLINE_MASTER_KEY as `id:base64`. Without it these secrets are lost, and"
            " what they belong to must be connected again.",
        )

    @property
    def key_id(self) -> str:
        """The first of the missing keys."""
        return self.key_ids[0]


class KeySourceRefused(CredentialFault):
    """A place for key-encryption keys is not safe, not whole or not writable.

    Args:
        place: the place, as `KeySource.describe` gives it.
        problem: what is wrong with it, a verb phrase that follows the place.
        advice: what to do.
    """

    def __init__(self, place: str, problem: str, advice: str) -> None:
        super().__init__(f"{place[:1].upper()}{place[1:]} {problem}.", advice)


class KeySourceSilent(CredentialFault):
    """A place for key-encryption keys does not answer, so nobody knows what it holds.

    Args:
        place: the place, as `KeySource.describe` gives it.
        reason: why, a noun phrase without anything secret.
    """

    def __init__(self, place: str, reason: str) -> None:
        super().__init__(
            f"{place[:1].upper()}{place[1:]} does not answer: {reason}.",
            "Unlock it and start again, or set the option `os_keyring` to `never`.",
        )
        self.reason = reason
