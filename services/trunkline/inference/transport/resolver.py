"""The addresses of a name."""

from __future__ import annotations

import asyncio
import contextvars
import socket
from collections.abc import Sequence
from typing import Final, Protocol, TypeAlias

_LIMIT_S: Final = 30.0
"""How long a lookup may take that nobody may be waiting for any more."""

_Asked: TypeAlias = tuple[str, int, socket.AddressFamily]


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


class SharedResolver:
    """Lets all who ask for the same name at the same time share one lookup.

    An answer is shared by those who wait for it and kept for nobody. A lookup goes on when all have
    left: the system's cannot be called back, and each holds one of few threads, which a name server
    that does not answer would otherwise take from all other names.

    Args:
        resolve: looks up.
    """

    def __init__(self, resolve: Resolver) -> None:
        self._resolve = resolve
        self._asking: dict[_Asked, asyncio.Task[Sequence[str]]] = {}

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Return the addresses of a name; see `Resolver`."""
        asked = (host, port, family)
        task = self._asking.get(asked)
        if task is None:
            # A context of its own: nothing of the first to ask is the others'.
            task = asyncio.get_running_loop().create_task(
                self._ask(asked), context=contextvars.Context()
            )
            self._asking[asked] = task
            task.add_done_callback(lambda done: self._forget(asked, done))
        try:
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            waiting = asyncio.current_task()
            if not task.cancelled() or waiting is None or waiting.cancelling():
                raise
            # Who waits was not cancelled; it is the lookup that was ended.
            raise socket.gaierror(socket.EAI_AGAIN, "no more names are looked up") from None

    async def _ask(self, asked: _Asked) -> Sequence[str]:
        async with asyncio.timeout(_LIMIT_S):
            return await self._resolve(*asked)

    def _forget(self, asked: _Asked, task: asyncio.Task[Sequence[str]]) -> None:
        del self._asking[asked]
        # Looked at here, since nobody may wait any more: asyncio would complain of that.
        if not task.cancelled():
            task.exception()

    def close(self) -> None:
        """End all lookups; who waits for one is told that there is no such name."""
        for task in self._asking.values():
            task.cancel()
