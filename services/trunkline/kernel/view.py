"""Follow another service's view, and know how old it is.

What every chat needs is not fetched on every chat: it is watched, and lies in memory.
Age is the time since the last message that held for it; a heartbeat comes each second.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import AsyncIterable, Callable
from typing import Any, Protocol

import grpc

from trunkline.kernel.channel import outgoing_metadata
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import Unavailable
from trunkline.kernel.log import get_logger

FIRST_VIEW_WAIT_S = 2.0
SILENCE_S = 5.0
_BACKOFF_S = (0.05, 1.0)
_RENEWED = "CHANNEL_RENEWED"


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
        silence_s: how long, in seconds, a stream may say nothing before it counts as lost.
    """

    def __init__(
        self,
        peer: str,
        watch: Any,
        request: Callable[[int], Any],
        holder: Holder,
        clock: Clock,
        *,
        silence_s: float = SILENCE_S,
    ) -> None:
        self.peer = peer
        self._watch = watch
        self._request = request
        self._holder = holder
        self._clock = clock
        self._silence_s = silence_s
        self._revision = 0
        # Streams that broke since the last one that held.
        self._failures = 0
        self._ready = asyncio.Event()
        self._heard = clock.monotonic()
        self._log = get_logger("trunkline.view").bind(peer=peer)

    @property
    def is_ready(self) -> bool:
        """Tell whether a first view has come."""
        return self._ready.is_set()

    def age(self) -> float:
        """Return the seconds since a message last told that the view holds."""
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
        """Follow until cancelled; come back after every break, from where it broke.

        What cannot be taken breaks the stream too, and the view is asked for whole.
        """
        while True:
            error = await self._follow()
            if error != _RENEWED:
                self._failures += 1
                if self._failures == 1:
                    # Once, until a stream holds again: a peer may be away for long.
                    self._log.warning("view_lost", error=error)
            low, high = _BACKOFF_S
            pause = min(high, low * 2 ** min(self._failures, 10))
            await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 - no secret

    async def _follow(self) -> str:
        """Follow one stream to its end; return what it ended with, as a word."""
        call = self._watch(self._request(self._revision), metadata=outgoing_metadata())
        try:
            await self._read(call)
        except grpc.aio.AioRpcError as error:
            return error.code().name
        except TimeoutError:
            return "SILENCE"
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            # Nobody stops us: the channel was closed under the stream, to be opened anew.
            return _RENEWED
        except Exception as error:
            # What is held may be half of a change: only the whole view mends it.
            self._revision = 0
            self._log.error("view_not_taken", exc_info=error)
            return type(error).__name__
        finally:
            call.cancel()
        return "OK"

    async def _read(self, messages: AsyncIterable[Any]) -> None:
        """Take what one stream says, until it breaks or falls silent."""
        stream = messages.__aiter__()
        began = time.monotonic()
        # Of this stream only: what came of a view that broke off may be gone since.
        pages: list[Any] = []
        while True:
            async with asyncio.timeout(self._silence_s):
                message = await anext(stream, None)
            if message is None:
                return
            kind = message.WhichOneof("kind")
            if kind == "snapshot_page":
                # Tells that the peer lives, and nothing of the view that holds meanwhile.
                pages.append(message.snapshot_page)
                continue
            self._take(kind, message, pages)
            self._heard = self._clock.monotonic()
            # Not at the first message: a peer that breaks off after it is no peer yet.
            if self._failures and time.monotonic() - began >= _BACKOFF_S[1]:
                self._failures = 0
                self._log.info("view_followed")

    def _take(self, kind: str | None, message: Any, pages: list[Any]) -> None:
        """Take one message that ends a snapshot, changes the view or says that it holds."""
        if kind == "heartbeat" or kind is None:
            return
        if kind == "snapshot_complete":
            for page in pages:
                self._holder.add_page(page)
            pages.clear()
            self._holder.swap()
            self._ready.set()
        else:
            self._holder.change(kind, getattr(message, kind))
        self._revision = message.revision
