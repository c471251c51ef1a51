"""Seal and open what the service stores, under the keyring that it was started with."""

from __future__ import annotations

import asyncio

from trunkline.credential import envelope
from trunkline.credential.faults import KeyMissing, SealBroken
from trunkline.credential.keyring import Keyring
from trunkline.kernel.errors import DataLoss
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.credential")


class Safe:
    """Holds the keyring; off the loop it seals and opens."""

    def __init__(self) -> None:
        self._keyring: Keyring | None = None

    def unlock(self, keyring: Keyring) -> None:
        """Give the keys to seal and open with."""
        self._keyring = keyring

    async def seal(self, plaintext: bytes, binding: envelope.Binding) -> tuple[bytes, str]:
        """Seal a secret where it belongs.

        Returns:
            The sealed value, and the id of the key-encryption key that wraps it.
        """
        keyring = self._unlocked()
        sealed = await asyncio.to_thread(envelope.seal, plaintext, binding, keyring)
        return sealed, keyring.current.id

    async def open(self, sealed: bytes, binding: envelope.Binding, key_id: str) -> bytes:
        """Open a secret where it was found.

        Args:
            sealed: the sealed value.
            binding: where it was found.
            key_id: the key-encryption key that wraps it, as its row says.

        Raises:
            DataLoss: SEAL_BROKEN: it does not open.
        """
        try:
            return await asyncio.to_thread(envelope.open, sealed, binding, self._unlocked())
        except (SealBroken, KeyMissing) as fault:
            row = {"credential_id": binding.credential_id, "key_id": key_id}
            log.error("seal_broken", fault=fault.message, **row)
            raise DataLoss("SEAL_BROKEN", str(fault), metadata=row) from None

    def _unlocked(self) -> Keyring:
        if self._keyring is None:
            raise RuntimeError("the safe has no keyring yet")
        return self._keyring
