"""Serve a view of what a service owns: whole once, then every change.

The shape is the same for every `Watch…` of the contract: pages of a snapshot,
`snapshot_complete`, changes, and a heartbeat each second, all under a revision.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from google.protobuf.message import Message

from trunkline.kernel.database import Database, Session
from trunkline.kernel.outbox import Outbox
from trunkline.kernel.page_token import MAX_PAGE_BYTES

HEARTBEAT_S = 1.0
# Where this process has the database for itself, whatever changes there is told by `wake`. A
# look in between makes up for one that was not told, since its teller was cancelled. Where
# others write too, notices of theirs can be lost, and a look comes before each heartbeat.
HEARTBEATS_PER_LOOK = 10

# Collects the pages of the view as it is, in one reading transaction.
Pages = Callable[[Session], Awaitable[list[Message]]]


class Feed:
    """Sends one service's view to any number of readers.

    Args:
        database: where the changes are.
        outbox: of the same service.
        response: the `Watch…Response` that is sent.
        pages: collects the snapshot's pages, each at most 1 MiB.
        heartbeat_s: how long, in seconds, nothing may be said; then it is said that
            nothing changed.
    """

    def __init__(
        self,
        database: Database,
        outbox: Outbox,
        response: type[Message],
        pages: Pages,
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._database = database
        self._outbox = outbox
        self._response: Any = response
        self._pages = pages
        self._heartbeat_s = heartbeat_s
        self._changed = asyncio.Event()
        self._heartbeats_per_look = 1 if database.is_shared else HEARTBEATS_PER_LOOK
        database.subscribe(outbox.subject, self.wake)

    def wake(self) -> None:
        """Tell the readers that a change was committed."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def follow(self, after_revision: int) -> AsyncIterator[Message | bytes]:
        """Yield the view from a revision on, for ever.

        Args:
            after_revision: the last one that the reader has; 0, or one that is not
                known any more: the view comes whole.
        """
        revision = after_revision or None
        while True:
            changed = self._changed
            # Nothing is yielded inside: a reader may be slow, and a transaction must not wait.
            async with self._database.read() as session:
                known = None
                if revision is not None:
                    known = await self._outbox.after(session, revision)
                snapshot = await self._snapshot(session) if known is None else []
            for message in snapshot:
                revision = message.revision
                yield message
            for number, payload in known or ():
                revision = number
                yield payload
            if known is not None and not known:
                quiet = 0
                while quiet < self._heartbeats_per_look and not changed.is_set():
                    yield self._response(revision=revision, heartbeat={})
                    await _wait(changed, self._heartbeat_s)
                    quiet += 1

    async def _snapshot(self, session: Session) -> list[Any]:
        """Return the messages that tell the view whole."""
        revision = await self._outbox.revision(session)
        messages = [
            self._response(revision=revision, snapshot_page=page)
            for page in await self._pages(session)
        ]
        return [*messages, self._response(revision=revision, snapshot_complete={})]


async def _wait(changed: asyncio.Event, seconds: float) -> None:
    """Wait for a change, at most so long."""
    try:
        async with asyncio.timeout(seconds):
            await changed.wait()
    except TimeoutError:
        return


def paged(page: type[Message], field: str, items: list[Message]) -> list[Message]:
    """Put items into pages of at most 1 MiB each.

    Args:
        page: the page's type.
        field: the repeated field that holds such items.
        items: in order.
    """
    pages: list[Any] = [page()]
    size = 0
    for item in items:
        needed = item.ByteSize() + 8
        if size + needed > MAX_PAGE_BYTES and size:
            pages.append(page())
            size = 0
        getattr(pages[-1], field).append(item)
        size += needed
    return pages
