"""The keys of providers, told apart by their labels and in the order of their use."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from trunkline.cli.client import Client
    from trunkline.credential.v1.credential_pb2 import Credential

DEFAULT_LABEL: Final = "default"


def list_keys(client: Client, provider: str = "") -> list[Credential]:
    """Return the credentials of a provider, or of all, each provider's in their order."""
    from trunkline.credential.v1 import save_pb2

    keys = client.list_all(
        client.credentials.ListCredentials,
        save_pb2.ListCredentialsRequest(provider=provider),
        lambda page: page.credentials,
    )
    return sorted(
        keys,
        key=lambda each: (each.provider, each.rank, each.create_time.ToNanoseconds(), each.id),
    )


def label_of(key: Credential) -> str:
    """Return a key's label."""
    return key.label or DEFAULT_LABEL


def name_place(key: Credential) -> str:
    """Return which of several keys one is, and when it is tried."""
    return f"{label_of(key)} (rank {key.rank})"


def find_labelled(keys: Sequence[Credential], label: str) -> Credential | None:
    """Return the central key of a label; None: there is none."""
    for key in keys:
        if not key.owner and label_of(key) == label:
            return key
    return None


def is_leading(key: Credential, keys: Sequence[Credential]) -> bool:
    """Tell whether the catalog reads a provider's models with a key.

    Args:
        key: verified.
        keys: all of the provider, in their order.
    """
    from trunkline.credential.v1 import credential_pb2

    for each in keys:
        if not each.owner and each.state == credential_pb2.CREDENTIAL_STATE_VERIFIED:
            return each.id == key.id
    return True
