"""The addresses of a name."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol


class Resolver(Protocol):
    """Turns a name into addresses; a seam, so that a test can answer for DNS."""

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Return the addresses of a name.

        Args:
            host: a name in lower case and ASCII, never an address.
            port: 1 to 65535.
            family: `AF_INET` where an IPv6 address would be of no use, else `AF_UNSPEC`.

        Returns:
            IP addresses as text, the one to try first at the front.

        Raises:
            OSError: there are none, or who would know does not answer.
        """
        ...


async def resolve_by_system(host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
    """Return the addresses of a name as the system knows them, in its order (RFC 6724)."""
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM
    )
    # A name in the hosts file may be there several times.
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
