"""Wait for a condition, with a limit."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

_POLL_S = 0.02


async def eventually(condition: Callable[[], Awaitable[bool]], limit: float = 10.0) -> None:
    """Return when a condition holds.

    Raises:
        TimeoutError: it did not within `limit` seconds.
    """
    async with asyncio.timeout(limit):
        while not await condition():
            await asyncio.sleep(_POLL_S)
