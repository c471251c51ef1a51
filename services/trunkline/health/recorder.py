"""Take in outcomes and probes, keep them, and tell the watchers.

What comes is noted in memory and answered from there. One task writes: a change of a
status, a key or a verdict at once, counts of traffic and figures of probes every 2
seconds. It tells of traffic every 5 seconds for each provider, and of a probe that changed
figures only once a minute. A process that is killed loses its last moments.

Where several processes share the database, each follows what the others tell.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Final

from trunkline.health.archive import Archive
from trunkline.health.board import Board, Kept
from trunkline.health.cooldown_register import CooldownRegister
from trunkline.health.roster import Roster
from trunkline.health.state import Finding
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.words import Told, read_told
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import STORE_FAILURES, Database
from trunkline.kernel.errors import NotFound
from trunkline.kernel.log import get_logger
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.health")

SAVE_EVERY_S: Final = 2.0
TELL_EVERY_S: Final = 5.0
# Shorter than the minute between two probes, whose turns vary a little.
TELL_FIGURES_EVERY_S: Final = 50.0
_TICK_S: Final = 1.0


class Recorder:
    """Keeps how providers fare.

    Args:
        database: of the health service.
        register: what cools, which is told with the rest.
        catalog: the view of providers.
        credentials: the view of keys.
        clock: tells the time.
    """

    def __init__(
        self,
        database: Database,
        register: CooldownRegister,
        catalog: CatalogView,
        credentials: CredentialView,
        clock: Clock,
    ) -> None:
        self._is_shared = database.is_shared
        self._archive = Archive(database, register, clock)
        self._clock = clock
        self._board = Board()
        self._writing = asyncio.Lock()
        self._wanted = asyncio.Event()
        self._roster = Roster(catalog, credentials, self._board, self._wanted.set)
        self._saved_at = clock.monotonic()
        self._told_at: dict[str, float] = {}
        self._revision = 0
        # Providers of which another process told.
        self._heard: set[str] = set()

    async def load(self) -> None:
        """Read what was kept before a restart."""
        contents = await self._archive.load()
        self._revision = contents.revision
        for kept in contents.kept:
            self._board.restore(kept)

    async def wait_known(self) -> None:
        """Wait until it is known which providers there are.

        Raises:
            Unavailable: PEER_UNAVAILABLE: it never was.
        """
        await self._roster.wait_known()

    async def note(self, outcomes: Sequence[health_service_pb2.Outcome]) -> None:
        """Note what attempts came to.

        Raises:
            Unavailable: PEER_UNAVAILABLE: which providers there are was never known.
        """
        await self._roster.wait_known()
        self._board.note(outcomes, self._clock.time_ns(), self._roster.is_key)
        if self._board.urgent:
            self._wanted.set()

    def note_probe(self, finding: Finding) -> None:
        """Note what a probe found that has just ended."""
        self._roster.follow()
        has_key = bool(finding.credential_id) and self._roster.is_key(finding.credential_id)
        self._board.note_probe(finding, self._clock.time_ns(), has_key=has_key)
        if self._board.urgent:
            self._wanted.set()

    def state(self, provider: str) -> health_pb2.ProviderHealth | None:
        """Return a provider's state without traffic, not to be changed; None: there is none."""
        self._roster.follow()
        return self._board.state(provider)

    async def get(self, provider: str) -> health_pb2.ProviderHealth:
        """Return how a provider fares.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Unavailable: PEER_UNAVAILABLE: whether there is one is not known.
        """
        await self._roster.wait_known(provider)
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
        await self._roster.wait_known()
        now_ns = self._clock.time_ns()
        names = [name for name in self._board.names() if after is None or name > after]
        return [self._board.describe(name, now_ns) for name in names[:size]]

    async def follow(self, after_revision: int) -> AsyncGenerator[Told, None]:
        """Yield how everything fares, then every change.

        Args:
            after_revision: the last one that the reader has; 0: none.
        """
        # What comes whole is what is kept.
        await self.flush()
        async with contextlib.aclosing(self._archive.follow(after_revision)) as messages:
            async for message in messages:
                yield message

    async def run(self) -> None:
        """Write and tell what is due, and hear of what others wrote, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._run_writer())
            if self._is_shared:
                tasks.create_task(self._hear())

    async def write_due(self) -> None:
        """Write and tell once what is due now."""
        await self._take_over_heard()
        self._roster.follow()
        board = self._board
        board.forget_old(self._clock.time_ns())
        due = self._list_due(board.stale, TELL_EVERY_S)
        due |= self._list_due(board.probed, TELL_FIGURES_EVERY_S)
        save = not board.is_saved and self._clock.monotonic() - self._saved_at >= SAVE_EVERY_S
        if board.urgent or board.removed or due or save:
            await self._write(board.urgent | due)

    async def flush(self) -> None:
        """Write everything that is not written yet, as far as that can be done."""
        async with self._writing:
            pass  # what is being written now counts as saved already
        try:
            if not self._board.is_saved:
                await self._write(set(self._board.urgent))
        except STORE_FAILURES as error:
            log.error("health_not_written", error=type(error).__name__)

    async def _run_writer(self) -> None:
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
            except STORE_FAILURES as error:
                log.error("health_not_written", error=type(error).__name__)
                await asyncio.sleep(_TICK_S)

    async def _hear(self) -> None:
        """Notice of which providers other processes told, until cancelled."""
        while True:
            try:
                async with contextlib.aclosing(self._archive.follow(self._revision)) as told:
                    async for message in told:
                        self._hear_of(message)
            except STORE_FAILURES:
                # The log has it from the database itself.
                await asyncio.sleep(_TICK_S)

    def _hear_of(self, message: Told) -> None:
        """Notice one message of the feed."""
        told = read_told(message)
        self._revision = max(self._revision, told.revision)
        kind = told.WhichOneof("kind")
        if kind in ("heartbeat", "cooldown") or self._archive.is_own(told.revision):
            return
        # A snapshot comes when too much was missed. What is deleted the catalog tells of.
        self._heard.update(state.provider for state in told.snapshot_page.healths)
        if kind == "health":
            self._heard.add(told.health.provider)
        self._wanted.set()

    async def _take_over_heard(self) -> None:
        """Take over what other processes wrote."""
        if not self._heard:
            return
        async with self._writing:
            heard, self._heard = self._heard, set()
            try:
                kept = await self._archive.read(heard)
            except BaseException:
                self._heard |= heard
                raise
            self._adopt(kept)

    async def _write(self, told: set[str]) -> None:
        """Write what changed, and tell of the named providers and of those that are gone."""
        async with self._writing:
            batch = self._board.take(told)
            try:
                kept = await self._archive.write(batch, self._board)
            except BaseException:
                self._board.put_back(batch)
                raise
            now = self._saved_at = self._clock.monotonic()
            self._told_at.update(dict.fromkeys(batch.told, now))
            for name in batch.removed:
                self._told_at.pop(name, None)
            self._adopt(kept)

    def _adopt(self, kept: Sequence[Kept]) -> None:
        """Take over what is kept of providers now."""
        for each in kept:
            self._board.adopt(each)
            # Another process may not have heard yet that a key is gone.
            self._roster.drop_keys(each.state.provider)

    def _list_due(self, names: set[str], every_s: float) -> set[str]:
        """Return those of some providers that were not told of for so many seconds."""
        now = self._clock.monotonic()
        return {name for name in names if now - self._told_at.get(name, now - every_s) >= every_s}
