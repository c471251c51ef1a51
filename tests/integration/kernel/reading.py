"""A reader of a feed, as a client is one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from integration.kernel.listening import LIMIT_S
from trunkline.catalog.v1 import watch_pb2
from trunkline.kernel.watch import Feed


class Reader:
    """Reads a feed as a client does: message by message.

    Args:
        feed: what is read.
        after: the revision that the reader has.
    """

    def __init__(self, feed: Feed, after: int = 0) -> None:
        self._messages = feed.follow(after)

    async def read(self) -> watch_pb2.WatchCatalogResponse:
        """Return the next message."""
        async with asyncio.timeout(LIMIT_S):
            message: Any = await anext(self._messages)
        if isinstance(message, bytes):
            return watch_pb2.WatchCatalogResponse.FromString(message)
        return message  # type: ignore[no-any-return] # the feed's type

    async def until(self, *kinds: str) -> list[watch_pb2.WatchCatalogResponse]:
        """Return the messages up to the first one of some kinds."""
        messages = [await self.read()]
        while messages[-1].WhichOneof("kind") not in kinds:
            messages.append(await self.read())
        return messages

    async def close(self) -> None:
        """Leave."""
        await self._messages.aclose()  # type: ignore[attr-defined] # a generator


@contextlib.asynccontextmanager
async def reading(feed: Feed, after: int = 0) -> AsyncIterator[Reader]:
    """Read a feed, and leave at the end."""
    reader = Reader(feed, after)
    try:
        yield reader
    finally:
        await reader.close()


def names(messages: list[watch_pb2.WatchCatalogResponse]) -> list[str]:
    """Return the names in a snapshot's pages."""
    return [provider.name for message in messages for provider in message.snapshot_page.providers]


def kinds(messages: list[watch_pb2.WatchCatalogResponse]) -> list[str | None]:
    """Return what the messages are."""
    return [message.WhichOneof("kind") for message in messages]
