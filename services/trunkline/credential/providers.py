"""What the catalog tells of a provider: that it exists, and where it is."""

from __future__ import annotations

import asyncio
import time

from trunkline.catalog.v1 import provider_pb2
from trunkline.kernel.address import AddressRefused, BaseUrl
from trunkline.kernel.base_url import clean_base_url
from trunkline.kernel.errors import InvalidArgument, NotFound
from trunkline.views.catalog import CatalogView

# A provider that was made a moment ago reaches the views of the other services a moment
# later, and who made it may be faster with its key.
VIEW_LAG_S = 0.5
VIEW_LOOK_S = 0.02


async def find_provider(catalog: CatalogView, name: str) -> provider_pb2.Provider:
    """Return a provider of the catalog.

    Raises:
        Unavailable: PEER_UNAVAILABLE: no view of the catalog came within 2 s.
        NotFound: PROVIDER_NOT_FOUND: the catalog does not have it, and it did not come
            within half a second either.
    """
    await catalog.follower.wait_ready()
    deadline = time.monotonic() + VIEW_LAG_S
    while (provider := catalog.providers.get(name)) is None:
        if time.monotonic() >= deadline:
            raise provider_not_found(name)
        await asyncio.sleep(VIEW_LOOK_S)
    return provider


def provider_not_found(name: str) -> NotFound:
    """Return the error for a provider that the catalog does not have."""
    return NotFound(
        "PROVIDER_NOT_FOUND",
        f"The catalog has no provider {name}.",
        metadata={"provider": name},
    )


def parse_address(text: str) -> BaseUrl:
    """Read a base address as an administrator gave it.

    Args:
        text: as a person pastes it; the path of a request is cut from its end.

    Raises:
        InvalidArgument: ADDRESS_REFUSED, with the rule that it broke.
    """
    try:
        return clean_base_url(text).base_url
    except AddressRefused as refusal:
        raise address_refused(refusal.rule, str(refusal)) from None


def address_refused(rule: str, sentence: str) -> InvalidArgument:
    """Return the error for an address that may not be used.

    Args:
        rule: the rule that it broke, as the contract names it.
        sentence: what is wrong, without the address, which may hold a password.
    """
    return InvalidArgument("ADDRESS_REFUSED", sentence, metadata={"rule": rule})
