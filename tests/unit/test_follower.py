"""How a view is followed over streams that break."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from trunkline.catalog.v1 import provider_pb2, watch_pb2
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.view import Follower


class _Call:
    """One stream: what it says, then a clean end or silence."""

    def __init__(self, *messages: watch_pb2.WatchCatalogResponse, ends: bool) -> None:
        self._messages = messages
        self._ends = ends

    async def __aiter__(self) -> AsyncIterator[watch_pb2.WatchCatalogResponse]:
        for message in self._messages:
            yield message
        if not self._ends:
            await asyncio.Event().wait()

    def cancel(self) -> None:
        """Take no notice."""


class _Names:
    """Holds the names of providers."""

    def __init__(self) -> None:
        self.held: list[str] = []
        self._next: list[str] = []

    def add_page(self, page: Any) -> None:
        """Collect a page."""
        self._next.extend(provider.name for provider in page.providers)

    def swap(self) -> None:
        """Let the new view hold."""
        self.held, self._next = self._next, []

    def change(self, kind: str, value: Any) -> None:
        """Take one change."""
        self.held.append(f"{kind}:{value.name}")


def _page(*names: str) -> watch_pb2.WatchCatalogResponse:
    providers = [provider_pb2.Provider(name=name) for name in names]
    return watch_pb2.WatchCatalogResponse(
        revision=7, snapshot_page=watch_pb2.CatalogPage(providers=providers)
    )


async def test_pages_of_a_stream_that_broke_are_no_part_of_the_next_view() -> None:
    """What was deleted between two streams is not in the view that the second one tells."""
    complete = watch_pb2.WatchCatalogResponse(
        revision=7, snapshot_complete=watch_pb2.SnapshotComplete()
    )
    change = watch_pb2.WatchCatalogResponse(revision=9, provider=provider_pb2.Provider(name="c"))
    streams = [
        _Call(_page("a", "deleted"), ends=True),
        _Call(_page("a"), _page("b"), complete, change, ends=False),
    ]
    asked: list[int] = []
    names = _Names()

    def watch(request: int, metadata: Any) -> _Call:
        asked.append(request)
        return streams.pop(0)

    follower = Follower("catalog", watch, lambda revision: revision, names, SystemClock())
    task = asyncio.create_task(follower.run())
    try:
        await follower.wait_ready()
        async with asyncio.timeout(5):
            while len(names.held) < 3:
                await asyncio.sleep(0.001)
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert names.held == ["a", "b", "provider:c"]
    assert asked == [0, 0]
