"""Take in outcomes, keep them, and tell the watchers.

Outcomes are noted in memory and answered from there. One task writes: a change of a
status or a key at once, counts of traffic every 2 seconds, and it tells of traffic every
5 seconds for each provider. A process that is killed loses the last moments of its counts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from google.protobuf.message import Message
from sqlalchemy.exc import SQLAlchemyError

from trunkline.health import store
from trunkline.health.board import Batch, Board
from trunkline.health.tables import outbox
from trunkline.health.traffic import first_minute
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import NotFound
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed, paged
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.health")

SAVE_EVERY_S: Final = 2.0
TELL_EVERY_S: Final = 5.0
_TICK_S: Final = 1.0


class Recorder:
    """Keeps how providers fare.

    Args:
        database: of the health service.
        catalog: the view of providers.
        credentials: the view of keys.
        clock: tells the time.

    Attributes:
        feed: of the changes.
    """

    def __init__(
        self,
        database: Database,
        catalog: CatalogView,
        credentials: CredentialView,
        clock: Clock,
    ) -> None:
        self._database = database
        self._catalog = catalog
        self._credentials = credentials
        self._clock = clock
        self._board = Board()
        self._writing = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._saved_at = clock.monotonic()
        self._told_at: dict[str, float] = {}
        self.feed = Feed(
            database, outbox, health_service_pb2.WatchHealthResponse, self._collect_pages
        )
        self._views_changed = False
        catalog.on_change(self._notice_views)
        credentials.on_change(self._notice_views)

    async def load(self) -> None:
        """Read what was kept before a restart."""
        async with self._database.read() as session:
            for state in await store.all_states(session):
                self._board.restore(state)
            for minute, traffic in await store.all_traffic(session):
                self._board.restore_traffic(minute, traffic)

    async def note(self, outcomes: Sequence[health_service_pb2.Outcome]) -> None:
        """Note what attempts came to.

        Raises:
            Unavailable: PEER_UNAVAILABLE: which providers there are was never known.
        """
        await self._know_providers()
        self._follow_views()
        self._board.note(outcomes, self._clock.time_ns(), self._is_key)
        if self._board.urgent:
            self._wanted.set()

    async def get(self, provider: str) -> health_pb2.ProviderHealth:
        """Return how a provider fares.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Unavailable: PEER_UNAVAILABLE: whether there is one is not known.
        """
        if provider not in self._board:
            await self._catalog.follower.wait_ready()
        self._follow_views()
        if provider not in self._board:
            raise NotFound(
                "PROVIDER_NOT_FOUND",
                f"There is no provider {provider}.",
                metadata={"provider": provider},
            )
        return self._board.describe(provider, self._clock.time_ns())

    async def page(self, *, after: str | None, size: int) -> list[health_pb2.ProviderHealth]:
        """Return how providers fare, by name.

        Args:
            after: name of the last one before the page; None: from the first on.
            size: how many at most.

        Raises:
            Unavailable: PEER_UNAVAILABLE: which providers there are was never known.
        """
        await self._know_providers()
        self._follow_views()
        now_ns = self._clock.time_ns()
        names = [name for name in self._board.names() if after is None or name > after]
        return [self._board.describe(name, now_ns) for name in names[:size]]

    async def run(self) -> None:
        """Write and tell what is due, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_TICK_S):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                await self.write_due()
            except SQLAlchemyError as error:
                log.error("health_not_written", error=type(error).__name__)
                await asyncio.sleep(_TICK_S)

    async def write_due(self) -> None:
        """Write and tell once what is due now."""
        self._follow_views()
        board, now = self._board, self._clock.monotonic()
        board.forget_old(self._clock.time_ns())
        due = {
            name
            for name in board.stale
            if now - self._told_at.get(name, -TELL_EVERY_S) >= TELL_EVERY_S
        }
        save = bool(board.unsaved) and now - self._saved_at >= SAVE_EVERY_S
        if board.urgent or board.removed or due or save:
            await self._write(board.urgent | due)

    async def flush(self) -> None:
        """Write everything that is not written yet, before an end that nothing may hold up."""
        board = self._board
        try:
            if board.unsaved or board.unsaved_states or board.removed:
                await self._write(set(board.urgent))
        except SQLAlchemyError as error:
            log.error("health_not_written", error=type(error).__name__)

    async def _write(self, told: set[str]) -> None:
        """Write what changed, and tell of the named providers and of those that are gone."""
        async with self._writing:
            now_ns = self._clock.time_ns()
            batch = self._board.take(told.intersection(self._board.names()), now_ns)
            try:
                async with self._database.write() as session:
                    for name in batch.removed:
                        await store.delete_provider(session, name)
                    for state in batch.states:
                        await store.put_state(session, state)
                    for minute, counted in batch.counts:
                        await store.put_traffic(session, minute, counted)
                    await store.delete_traffic(session, first_minute(now_ns))
                    await outbox.append(session, *_changes(batch))
            except BaseException:
                self._board.put_back(batch)
                raise
            now = self._saved_at = self._clock.monotonic()
            self._told_at.update((state.provider, now) for state in batch.told)
            for name in batch.removed:
                self._told_at.pop(name, None)
        if batch.told or batch.removed:
            self.feed.wake()

    async def _know_providers(self) -> None:
        """Wait for the first view of the catalog, unless an older one is remembered.

        Raises:
            Unavailable: PEER_UNAVAILABLE.
        """
        if not self._board:
            await self._catalog.follower.wait_ready()

    def _notice_views(self) -> None:
        """Have a change of the views followed."""
        self._views_changed = True
        self._wanted.set()

    def _is_key(self, credential_id: str) -> bool:
        """Tell whether there is a credential, as far as that is known."""
        return (
            not self._credentials.follower.is_ready
            or self._credentials.get(credential_id) is not None
        )

    def _follow_views(self) -> None:
        """Take over which providers and keys there are, when that has changed."""
        if not self._views_changed:
            return
        self._views_changed = False
        if self._catalog.follower.is_ready:
            self._board.keep_only(self._catalog.providers.keys())
        if not self._credentials.follower.is_ready:
            return
        for provider in self._board.names():
            gone = {
                key.credential_id for key in self._board.keys(provider) if self._is_other_key(key)
            }
            if gone:
                self._board.drop_keys(provider, gone)

    def _is_other_key(self, key: health_pb2.CredentialHealth) -> bool:
        """Tell whether a credential is gone, or has another secret than the one that was used."""
        credential = self._credentials.get(key.credential_id)
        return (
            credential is None
            or credential.update_time.ToNanoseconds() > key.kind_time.ToNanoseconds()
        )

    async def _collect_pages(self, session: Session) -> list[Message]:
        """Return the state of every provider, in pages of at most 1 MiB.

        From memory, which is never behind the revision that the session reads.
        """
        del session
        now_ns = self._clock.time_ns()
        return paged(
            health_service_pb2.HealthPage,
            "healths",
            [self._board.describe(name, now_ns) for name in self._board.names()],
        )


def _changes(batch: Batch) -> list[health_service_pb2.WatchHealthResponse]:
    """Return what the watchers are told of a batch."""
    return [
        *(health_service_pb2.WatchHealthResponse(deleted_provider=name) for name in batch.removed),
        *(health_service_pb2.WatchHealthResponse(health=state) for state in batch.told),
    ]
