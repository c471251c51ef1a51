"""The catalog service: its parts and how they are joined."""

from __future__ import annotations

import asyncio
from pathlib import Path

from trunkline.catalog.chains import Chains
from trunkline.catalog.discovery import Discovery
from trunkline.catalog.explainer import Explainer
from trunkline.catalog.knowledge import Knowledge
from trunkline.catalog.models import Models
from trunkline.catalog.provider_types import load_provider_types
from trunkline.catalog.providers import Providers
from trunkline.catalog.publication import Publication
from trunkline.catalog.servicer import CatalogServicer
from trunkline.catalog.snapshot import collect_pages
from trunkline.catalog.tables import outbox
from trunkline.catalog.v1 import catalog_service_pb2_grpc, watch_pb2
from trunkline.kernel.database import Database, DatabaseSettings, choose_database
from trunkline.kernel.server import Registration
from trunkline.kernel.service import Surroundings, WatchedView
from trunkline.kernel.watch import Feed
from trunkline.views.credentials import CredentialView
from trunkline.views.health import HealthView

_MIGRATIONS = Path(__file__).parent / "migrations"


class CatalogService:
    """Knows what can be asked, and in which order.

    Args:
        surroundings: of the process.

    Attributes:
        name: `catalog`.
    """

    name = "catalog"

    def __init__(self, surroundings: Surroundings) -> None:
        process, clock = surroundings.process, surroundings.clock
        types = load_provider_types()
        self._database = choose_database(
            self.name, process.data_dir, surroundings.source.load(DatabaseSettings), _MIGRATIONS
        )
        self._credentials = CredentialView(
            surroundings.channel("credential"),
            clock,
            max_staleness_s=process.max_security_staleness_s,
        )
        self._health = HealthView(surroundings.channel("health"), clock)
        feed = Feed(self._database, outbox, watch_pb2.WatchCatalogResponse, collect_pages)
        knowledge = Knowledge()
        self._publication = Publication(self._database, feed, types, self._credentials, knowledge)
        self._discovery = Discovery(
            self._database,
            self._publication,
            types,
            self._credentials,
            surroundings.channel("inference"),
            clock,
            knowledge,
        )
        self._servicer = CatalogServicer(
            Providers(
                self._database,
                self._publication,
                types,
                self._credentials,
                self._discovery,
                clock,
                knowledge,
            ),
            Models(self._database, self._publication, types, self._credentials, clock),
            Chains(self._database, self._publication, types, clock),
            self._discovery,
            Explainer(self._database, types, self._credentials, self._health, clock),
            feed,
        )

    @property
    def database(self) -> Database | None:
        """Return where it keeps what it knows."""
        return self._database

    @property
    def views(self) -> tuple[WatchedView, ...]:
        """Return what it watches at other services."""
        return (self._credentials.watched, self._health.watched)

    async def open(self) -> None:
        """Open the store.

        Raises:
            DatabaseError: the database cannot be opened.
        """
        await self._database.open()

    def registrations(self) -> list[Registration]:
        """Return the servicer with what registers it."""
        return [(self._servicer, catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server)]

    async def run(self) -> None:
        """Follow the views, tell what the credentials change, and read lists that are due."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._credentials.follower.run())
            tasks.create_task(self._health.follower.run())
            tasks.create_task(self._publication.run())
            tasks.create_task(self._discovery.run())

    async def drain(self, grace: float) -> None:
        """Return at once: every call ends by itself, and every change is whole."""
        del grace

    async def close(self) -> None:
        """Close the store."""
        await self._database.close()
