"""What is kept of the board, read and written in whole transactions, with what is told of it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Collection, Iterable
from dataclasses import dataclass
from typing import cast

from google.protobuf.message import Message

from trunkline.health import store
from trunkline.health.board import Batch, Board, Kept
from trunkline.health.cooldown_register import CooldownRegister
from trunkline.health.history import DAY_NS
from trunkline.health.tables import outbox
from trunkline.health.traffic import first_minute
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.words import Told
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session
from trunkline.kernel.watch import Feed, paged


@dataclass(frozen=True, slots=True)
class Contents:
    """Everything that is kept.

    Attributes:
        kept: of each provider.
        revision: that holds.
    """

    kept: list[Kept]
    revision: int


class Archive:
    """Keeps states and traffic, and tells of them.

    Args:
        database: of the health service.
        register: what cools, which is told with the rest.
        clock: tells the time.
    """

    def __init__(self, database: Database, register: CooldownRegister, clock: Clock) -> None:
        self._database = database
        self._register = register
        self._clock = clock
        self._feed = Feed(
            database, outbox, health_service_pb2.WatchHealthResponse, self._collect_pages
        )
        self._own: set[int] = set()
        register.on_change(self._feed.wake)

    async def load(self) -> Contents:
        """Return everything that is kept."""
        async with self._database.read() as session:
            kept = await store.read_kept(session, self._first_minute())
            return Contents(kept, await outbox.revision(session))

    async def read(self, names: Collection[str]) -> list[Kept]:
        """Return what is kept of some providers, at least."""
        async with self._database.read() as session:
            return await store.read_kept(session, self._first_minute(), names)

    async def write(self, batch: Batch, board: Board) -> list[Kept]:
        """Save a batch and tell of it, in one transaction.

        Args:
            batch: taken from the board.
            board: knows the traffic of those that are told of.

        Returns:
            What is kept now of the providers that were saved, also by other processes.
        """
        now_ns = self._clock.time_ns()
        async with self._database.write() as session:
            for name in batch.removed:
                await store.delete_provider(session, name)
            kept = await self._put(session, batch, now_ns)
            await store.delete_traffic(session, first_minute(now_ns))
            states = {each.state.provider: each.state for each in kept}
            told = [
                board.describe(name, now_ns, states.get(name))
                for name in batch.told
                if name in board
            ]
            changes = list(_changes(batch.removed, told))
            await outbox.append(session, *changes)
            revisions = {change.revision for change in changes}
            # Before the commit: whoever follows the feed may hear of it before we go on.
            self._own |= revisions
        if changes:
            self._feed.wake()
        return kept

    def follow(self, after_revision: int) -> AsyncGenerator[Told, None]:
        """Yield how everything fares, then every change, whichever process made it.

        Args:
            after_revision: the last one that the reader has; 0: none.
        """
        return cast(AsyncGenerator[Told, None], self._feed.follow(after_revision))

    def is_own(self, revision: int) -> bool:
        """Tell whether a change was written by this process; to be asked once, in their order."""
        is_own = revision in self._own
        self._own = {each for each in self._own if each > revision}
        return is_own

    async def _put(self, session: Session, batch: Batch, now_ns: int) -> list[Kept]:
        """Save snapshots, states and counts; return what is kept of their providers then."""
        uptimes: dict[str, float] = {}
        if batch.snapshots:
            await store.put_snapshots(session, batch.snapshots)
            probed = {snapshot.provider for snapshot in batch.snapshots}
            uptimes = await store.read_uptimes(session, probed, now_ns - DAY_NS)
        states = await store.put_states(session, batch.changes, uptimes)
        kept = {name: Kept(state) for name, state in states.items()}
        if batch.counts:
            for minute, sum_ in await store.add_traffic(session, batch.counts):
                provider = sum_.model.partition("/")[0]
                if provider in kept:
                    kept[provider].traffic.append((minute, sum_))
        return list(kept.values())

    async def _collect_pages(self, session: Session) -> list[Message]:
        """Return every provider's state and what cools, as kept, in pages of at most 1 MiB.

        As it is kept, and not as it is known here: what other processes told until the
        revision that the session reads is among it.
        """
        now_ns = self._clock.time_ns()
        board = Board()
        for kept in await store.read_kept(session, first_minute(now_ns)):
            board.restore(kept)
        described: list[Message] = [board.describe(name, now_ns) for name in board.names()]
        pages = paged(health_service_pb2.HealthPage, "healths", described)
        return [*pages, *await self._register.collect_pages(session)]

    def _first_minute(self) -> int:
        """Return the first minute of the window of traffic."""
        return first_minute(self._clock.time_ns())


def _changes(
    removed: Iterable[str], told: Iterable[health_pb2.ProviderHealth]
) -> Iterable[health_service_pb2.WatchHealthResponse]:
    """Yield what the watchers are told."""
    for name in removed:
        yield health_service_pb2.WatchHealthResponse(deleted_provider=name)
    for state in told:
        yield health_service_pb2.WatchHealthResponse(health=state)
