"""Follow another service's view, and know how old it is.

What every chat needs is not fetched on every chat: it is watched, and lies in memory.
Age is the time since the last message; a heartbeat comes each second.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterable, Callable
from typing import Any, Protocol

import grpc

from trunkline.kernel.channel import outgoing_metadata
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.view")

FIRST_VIEW_WAIT_S = 2.0
_SILENCE_S = 5.0
_BACKOFF_S = (0.05, 1.0)


class Holder(Protocol):
    """Holds what a view tells; swaps whole."""

    def add_page(self, page: Any) -> None:
        """Collect a page of a new view beside the one that holds; `swap` follows the last."""

    def swap(self) -> None:
        """Let the new view hold: all its pages have come."""

    def change(self, kind: str, value: Any) -> None:
        """Take one change to the view that holds."""


class Follower:
    """Keeps one view up to date for as long as it runs.

    Args:
        peer: the service that owns what is watched.
        watch: a stub's `Watch…` method.
        request: makes its request, from the last revision received.
        holder: what is told.
        clock: measures age.
    """

    def __init__(
        self,
        peer: str,
        watch: Any,
        request: Callable[[int], Any],
        holder: Holder,
        clock: Clock,
    ) -> None:
        self.peer = peer
        self._watch = watch
        self._request = request
        self._holder = holder
        self._clock = clock
        self._revision = 0
        self._failures = 0
        self._ready = asyncio.Event()
        self._heard = clock.monotonic()

    @property
    def is_ready(self) -> bool:
        """Tell whether a first view has come."""
        return self._ready.is_set()

    def age(self) -> float:
        """Return the seconds since the last message."""
        return self._clock.monotonic() - self._heard

    async def wait_ready(self, timeout: float = FIRST_VIEW_WAIT_S) -> None:
        """Wait for the first view.

        Raises:
            Unavailable: PEER_UNAVAILABLE: it did not come in time.
        """
        if self._ready.is_set():
            return
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            raise Unavailable(
                "PEER_UNAVAILABLE",
                f"The {self.peer} service has not told what is needed for this yet.",
                metadata={"peer": self.peer},
            ) from None

    async def run(self) -> None:
        """Follow until cancelled; come back after every break, from where it broke."""
        while True:
            try:
                call = self._watch(self._request(self._revision), metadata=outgoing_metadata())
                try:
                    await self._read(call)
                finally:
                    call.cancel()
            except (grpc.aio.AioRpcError, TimeoutError) as error:
                self._failures += 1
                if self._failures == 1 and self._ready.is_set():
                    log.warning("view_lost", peer=self.peer, error=type(error).__name__)
            low, high = _BACKOFF_S
            pause = min(high, low * 2 ** min(self._failures, 10))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _read(self, messages: AsyncIterable[Any]) -> None:
        """Take what one stream says, until it breaks or falls silent."""
        stream = messages.__aiter__()
        # Of this stream only: what came of a view that broke off may be gone since.
        pages: list[Any] = []
        while True:
            async with asyncio.timeout(_SILENCE_S):
                message = await anext(stream, None)
            if message is None:
                return
            self._heard = self._clock.monotonic()
            self._failures = 0
            kind = message.WhichOneof("kind")
            if kind == "heartbeat" or kind is None:
                continue
            if kind == "snapshot_page":
                pages.append(message.snapshot_page)
                continue
            if kind == "snapshot_complete":
                for page in pages:
                    self._holder.add_page(page)
                pages.clear()
                self._holder.swap()
                self._ready.set()
            else:
                self._holder.change(kind, getattr(message, kind))
            self._revision = message.revision
