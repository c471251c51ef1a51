"""What cools: kept in the database, known in memory, told at once.

A change is decided in one transaction that writes, by what is kept and by the clock of the
database. Such transactions come one after the other over all processes, and so replicas
agree. Each process knows in memory what it has last seen there, and follows what the
others tell.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from typing import Final, TypeAlias, cast

from google.protobuf.message import Message

from trunkline.health.cooldown import Changes, Cooldown
from trunkline.health.cooldown_message import (
    count_out,
    describe,
    route_of,
    tell,
    tell_closed,
)
from trunkline.health.cooldown_store import put_cooldowns, read_cooldowns
from trunkline.health.route import Route
from trunkline.health.shared_clock import SharedClock
from trunkline.health.tables import outbox
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.words import Told, read_told
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import STORE_FAILURES, Database, Session
from trunkline.kernel.session import finish
from trunkline.kernel.watch import Feed, paged

# As many are kept, the latest ones: what is forgotten begins anew with its next failure.
MAX_HELD: Final = 10_000
_TICK_S: Final = 1.0

# Returns what changes, from what is kept, the time, and a generation higher than any before.
Decision: TypeAlias = Callable[[Mapping[Route, Cooldown], int, int], Changes]


class CooldownRegister:
    """Keeps what cools.

    Args:
        database: of the health service.
        clock: tells the time where the database has none of its own.

    Attributes:
        held: what cools, as last seen.
        heard: routes of which another process told.
    """

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = SharedClock(database, clock)
        self._feed = Feed(
            database, outbox, health_service_pb2.WatchHealthResponse, self.collect_pages
        )
        self._on_change: list[Callable[[], None]] = []
        self._on_hear: list[Callable[[], None]] = []
        self._revision = 0
        self.held: dict[Route, Cooldown] = {}
        self.heard: set[Route] = set()

    def on_change(self, listener: Callable[[], None]) -> None:
        """Have a function called when a change was made here."""
        self._on_change.append(listener)

    def on_hear(self, listener: Callable[[], None]) -> None:
        """Have a function called when another process told of a change."""
        self._on_hear.append(listener)

    async def load(self) -> None:
        """Read what was kept before a restart."""
        async with self._database.read() as session:
            await self._clock.read(session)
            self.held = await read_cooldowns(session)
            self._revision = await outbox.revision(session)

    def time_ns(self) -> int:
        """Return the time by the clock of all replicas, in nanoseconds since 1970."""
        return self._clock.time_ns()

    async def change(self, models: Collection[str], decide: Decision) -> list[Cooldown]:
        """Decide by what is kept, write and tell it; return what that closed.

        Args:
            models: of what may change, each `provider/model` or `provider/*`.
            decide: what changes.

        Raises:
            StoreUnavailable: that cannot be done now.
        """
        # A caller that leaves must not part what is kept from what is known.
        return await finish(self._change(models, decide))

    async def take_over_heard(self) -> None:
        """Take over what other processes wrote.

        Raises:
            StoreUnavailable: that cannot be done now.
        """
        heard, self.heard = self.heard, set()
        if not heard:
            return
        try:
            # In the order of all who write: what is read is never older than what is known.
            await self.change({route.model for route in heard}, lambda *_: {})
        except BaseException:
            self.heard |= heard
            raise

    async def sync(self) -> None:
        """Ask the database what time it is, where that is the clock of all.

        Raises:
            StoreUnavailable: it does not answer.
        """
        if self._database.is_shared:
            async with self._database.read() as session:
                await self._clock.read(session)

    def follow(self, after_revision: int) -> AsyncGenerator[Told, None]:
        """Return what cools, then every change of it, whichever process made it.

        Args:
            after_revision: the last one that the reader has; 0: none.
        """
        return self.counted_out(self._follow(after_revision))

    async def counted_out(self, messages: AsyncGenerator[Told, None]) -> AsyncGenerator[Told, None]:
        """Yield messages of the outbox as they are to be sent now."""
        async with contextlib.aclosing(messages):
            async for told in messages:
                message = read_told(told)
                if not message.HasField("cooldown"):
                    yield told
                    continue
                cooldown = count_out(message.cooldown, self.time_ns())
                yield health_service_pb2.WatchHealthResponse(
                    revision=message.revision, cooldown=cooldown
                )

    async def collect_pages(self, session: Session) -> list[Message]:
        """Return what cools as it is kept, in pages of at most 1 MiB."""
        now_ns = await self._clock.read(session)
        kept = await read_cooldowns(session)
        described: list[Message] = [describe(kept[route], now_ns) for route in sorted(kept)]
        return paged(health_service_pb2.HealthPage, "cooldowns", described)

    async def hear(self) -> None:
        """Notice which cooldowns other processes changed, until cancelled."""
        while self._database.is_shared:
            try:
                async with contextlib.aclosing(self._follow(self._revision)) as messages:
                    async for told in messages:
                        self._hear_of(read_told(told))
            except STORE_FAILURES:
                # The log has it from the database itself.
                await asyncio.sleep(_TICK_S)

    async def _change(self, models: Collection[str], decide: Decision) -> list[Cooldown]:
        """Decide, write, take over and tell."""
        async with self._database.write() as session:
            now_ns = await self._clock.read(session)
            kept = await read_cooldowns(session, models)
            # A revision is higher than all before it, those of cooldowns too that are over
            # and forgotten.
            changes = decide(kept, now_ns, await outbox.revision(session) + 1)
            changes |= dict.fromkeys(self._find_surplus(changes))
            known = self.held | kept
            closed = [known[route] for route, each in changes.items() if each is None]
            if changes:
                begun = [each for each in changes.values() if each is not None]
                await put_cooldowns(session, changes)
                await outbox.append(session, *map(tell, begun), *map(tell_closed, closed))
        # In the order of the transactions: nothing is awaited since the end of this one.
        others = {route: each for route, each in self.held.items() if route.model not in models}
        then = others | kept | changes
        self.held = {route: each for route, each in then.items() if each is not None}
        if changes:
            self._feed.wake()
            for listener in self._on_change:
                listener()
        return closed

    async def _follow(self, after_revision: int) -> AsyncGenerator[Told, None]:
        """Yield what the outbox tells of cooldowns, as it lies there."""
        feed = cast(AsyncGenerator[Told, None], self._feed.follow(after_revision))
        async with contextlib.aclosing(feed) as messages:
            async for told in messages:
                message = read_told(told)
                # Of providers others are told.
                if message.WhichOneof("kind") not in ("health", "deleted_provider"):
                    yield message

    def _hear_of(self, told: health_service_pb2.WatchHealthResponse) -> None:
        """Notice one message of the feed."""
        self._revision = max(self._revision, told.revision)
        heard = {route_of(each.route) for each in told.snapshot_page.cooldowns}
        if told.HasField("snapshot_complete"):
            # Too much was missed: what is not among the pages is over.
            heard |= self.held.keys()
        if told.HasField("cooldown") and not self._is_known(told.cooldown):
            heard.add(route_of(told.cooldown.route))
        if heard:
            self.heard |= heard
            for listener in self._on_hear:
                listener()

    def _is_known(self, told: health_pb2.Cooldown) -> bool:
        """Tell whether a change is no news here."""
        held = self.held.get(route_of(told.route))
        if held is None:
            return told.state == health_pb2.COOLDOWN_STATE_CLOSED
        return tell(held).cooldown == told

    def _find_surplus(self, changes: Changes) -> list[Route]:
        """Return what is to be forgotten to make room for what begins: the oldest."""
        begun = sum(each is not None and route not in self.held for route, each in changes.items())
        surplus = len(self.held) + begun - MAX_HELD
        if surplus <= 0:
            return []
        others = (each for route, each in self.held.items() if route not in changes)
        oldest = sorted(others, key=lambda each: each.deadline_ns)
        return [each.route for each in oldest[:surplus]]
