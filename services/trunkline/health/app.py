"""The health service: its parts and how they are joined."""

from __future__ import annotations

import asyncio
from pathlib import Path

from trunkline.health.cooldown_register import CooldownRegister
from trunkline.health.cooldowns import Cooldowns
from trunkline.health.history import History
from trunkline.health.prober import LEASE_S, Prober
from trunkline.health.recorder import Recorder
from trunkline.health.servicer import HealthServicer
from trunkline.health.v1 import health_service_pb2_grpc
from trunkline.kernel.database import Database, DatabaseSettings, choose_database
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.lease import Lease
from trunkline.kernel.server import Registration
from trunkline.kernel.service import Surroundings, WatchedView
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

_MIGRATIONS = Path(__file__).parent / "migrations"


class HealthService:
    """Knows how providers fare.

    Args:
        surroundings: of the process.

    Attributes:
        name: `health`.
    """

    name = "health"

    def __init__(self, surroundings: Surroundings) -> None:
        process, clock = surroundings.process, surroundings.clock
        self._database = choose_database(
            self.name, process.data_dir, surroundings.source.load(DatabaseSettings), _MIGRATIONS
        )
        self._catalog = CatalogView(surroundings.channel("catalog"), clock)
        self._credentials = CredentialView(
            surroundings.channel("credential"),
            clock,
            max_staleness_s=process.max_security_staleness_s,
        )
        self._register = CooldownRegister(self._database, clock)
        self._cooldowns = Cooldowns(self._register, self._catalog, self._credentials)
        self._recorder = Recorder(
            self._database, self._register, self._catalog, self._credentials, clock
        )
        self._history = History(self._database, clock)
        self._prober = Prober(
            surroundings.channel("inference"),
            self._catalog,
            self._credentials,
            self._recorder,
            self._cooldowns,
            Lease(self._database, "probes", new_id("holder"), LEASE_S, clock),
            clock,
        )
        self._servicer = HealthServicer(
            self._recorder, self._register, self._cooldowns, self._history, self._prober
        )

    @property
    def database(self) -> Database | None:
        """Return where it keeps what it knows."""
        return self._database

    @property
    def views(self) -> tuple[WatchedView, ...]:
        """Return what it watches at other services."""
        return (self._catalog.watched, self._credentials.watched)

    async def open(self) -> None:
        """Open the store and read what is kept in it.

        Raises:
            DatabaseError: the database cannot be opened.
        """
        await self._database.open()
        try:
            await self._recorder.load()
            await self._register.load()
        except BaseException:
            await self._database.close()
            raise

    def registrations(self) -> list[Registration]:
        """Return the servicer with what registers it."""
        return [(self._servicer, health_service_pb2_grpc.add_HealthServiceServicer_to_server)]

    async def run(self) -> None:
        """Follow the catalog and the credentials, probe, write and tell, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._catalog.follower.run())
            tasks.create_task(self._credentials.follower.run())
            tasks.create_task(self._recorder.run())
            tasks.create_task(self._cooldowns.run())
            tasks.create_task(self._prober.run())
            tasks.create_task(self._history.run())

    async def drain(self, grace: float) -> None:
        """Leave the probing to others, and write what is not written yet."""
        del grace
        await self._prober.stop()
        await self._recorder.flush()

    async def close(self) -> None:
        """Write what came since, and close the store."""
        await self._prober.stop()
        await self._recorder.flush()
        await self._database.close()
