"""Settings of the credential service."""

from __future__ import annotations

from pydantic import Field, SecretStr

from trunkline.credential.keyring import OsKeyringUse
from trunkline.kernel.settings import Settings


class CredentialSettings(Settings):
    """Where the key-encryption key is."""

    master_key: SecretStr | None = Field(
        default=None,
        description="The key-encryption key: base64 of 32 bytes, or several as `id:base64`,"
        " separated by commas, the current one first. Unset: the OS keyring or a file keeps it.",
    )
    os_keyring: OsKeyringUse = Field(
        default=OsKeyringUse.AUTO,
        description="`auto`: the OS keyring is asked for the key-encryption key; `never`: it is"
        " not.",
    )
