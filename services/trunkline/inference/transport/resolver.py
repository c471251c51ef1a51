"""The addresses of a host."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from typing import Protocol

from trunkline.kernel.reach import parse_ip


class Resolver(Protocol):
    """Turns a host into addresses; a seam, so that a test can answer for DNS."""

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Return the addresses of a host.

        Args:
            host: a name in lower case and ASCII, or an IP address without brackets.
            port: 1 to 65535.
            family: `AF_INET` where an IPv6 address would be of no use, else `AF_UNSPEC`.

        Returns:
            IP addresses as text, the one to try first at the front.

        Raises:
            OSError: there are none, or who would know does not answer.
        """
        ...


async def resolve_by_system(host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
    """Return the addresses of a host as the system knows them; a `Resolver`.

    A literal address is its own answer, whatever the family. The order is the system's (RFC 6724).
    """
    if parse_ip(host) is not None:
        return (host,)
    found = await asyncio.get_running_loop().getaddrinfo(
        host, port, family=family, type=socket.SOCK_STREAM
    )
    # A name in the hosts file may be there several times.
    return tuple(dict.fromkeys(str(address[0]) for *_, address in found))
