"""The inference service, put together."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

from trunkline.inference.adapter_table import Adapters
from trunkline.inference.aws_chain import AwsChain
from trunkline.inference.bookkeeping import Bookkeeping
from trunkline.inference.cooling import Cooling
from trunkline.inference.durable_runs import DurableRuns
from trunkline.inference.embedder_table import Embedders
from trunkline.inference.embedding.embeddings import Embeddings
from trunkline.inference.embedding.servicer import EmbeddingMethods
from trunkline.inference.journal.content_keys import ContentKeys
from trunkline.inference.journal.locations import choose_store
from trunkline.inference.keys import Keys
from trunkline.inference.latencies import Latencies
from trunkline.inference.ledger import Ledger
from trunkline.inference.means import Means
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.probe import ProviderServicer
from trunkline.inference.registry import Registry
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.runner import Runner
from trunkline.inference.runs import Runs
from trunkline.inference.servicer import InferenceServicer
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.transport import Transport, parse_proxy
from trunkline.inference.usage_servicer import UsageServicer
from trunkline.inference.usage_sums import UsageSums
from trunkline.inference.v1 import (
    inference_service_pb2_grpc,
    provider_pb2_grpc,
    usage_pb2_grpc,
)
from trunkline.kernel.database import Database, DatabaseSettings, choose_database
from trunkline.kernel.server import Registration
from trunkline.kernel.service import Surroundings, WatchedView
from trunkline.kernel.settings import SettingsError, Source
from trunkline.planning.prices import PriceBook
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView
from trunkline.views.health import HealthView

_TICK_S = 1.0
_MIGRATIONS = Path(__file__).parent / "migrations"


class InferenceService:
    """Carries chats and embeddings to their end.

    Args:
        surroundings: what the process gives.

    Raises:
        SettingsError: a setting has a value that it cannot have.
    """

    name = "inference"

    def __init__(self, surroundings: Surroundings) -> None:
        clock = surroundings.clock
        credential_channel = surroundings.channel("credential")
        self.settings = settings = surroundings.source.load(InferenceSettings)
        adapters = Adapters()
        self._transport = _open_transport(surroundings.source, settings)
        self._catalog = CatalogView(surroundings.channel("catalog"), clock)
        self._credentials = CredentialView(
            credential_channel,
            clock,
            max_staleness_s=surroundings.process.max_security_staleness_s,
        )
        keys = Keys(credential_channel, self._credentials, clock)
        self._health = HealthView(surroundings.channel("health"), clock)
        self._outcomes = Outcomes(surroundings.channel("health"), clock, self._health)
        prices = PriceBook(self._catalog)
        aws_chain = AwsChain() if settings.aws_chain else None
        means = Means(
            settings=settings,
            adapters=adapters,
            transport=self._transport,
            keys=keys,
            cooling=Cooling(surroundings.channel("health"), self._health, clock),
            outcomes=self._outcomes,
            budget=RetryBudget(settings.retry_budget),
            latencies=Latencies(clock),
            prices=prices,
            clock=clock,
            aws_chain=aws_chain,
        )
        runner = Runner(means, self._catalog, self._credentials)
        self._database = choose_database(
            self.name,
            surroundings.process.data_dir,
            surroundings.source.load(DatabaseSettings),
            _MIGRATIONS,
            is_exclusive=False,
        )
        self._ledger = Ledger(self._database)
        self._sums = UsageSums(self._database, clock)
        self.runs = Runs(settings, clock, runner.carry, self._ledger.add)
        self._store = choose_store(settings.journal_url, surroundings.process.data_dir, clock)
        self._durable = DurableRuns(
            self.runs,
            self._store,
            ContentKeys(credential_channel, self._credentials, clock),
            settings,
            clock,
            surroundings.may_run,
            prices,
        )
        self._bookkeeping = Bookkeeping(
            self._ledger, self._store, self._durable.openings.open, clock, prices
        )
        self._durable.ownership.on_ended = lambda run: self._bookkeeping.note_end(
            run.id, run.terms, run.rows.values()
        )
        registry = Registry(self.runs, self._durable)
        self._embeddings = Embeddings(
            means,
            Embedders(),
            self._catalog,
            self._credentials,
            self.runs,
            self._ledger.add,
            max_message_bytes=surroundings.process.max_message_bytes,
        )
        self._servicer = InferenceServicer(
            self.runs,
            registry,
            runner,
            settings,
            EmbeddingMethods(self._embeddings, runner, settings),
        )
        self._provider_servicer = ProviderServicer(
            adapters,
            self._transport,
            self._catalog,
            self._credentials,
            keys,
            clock,
            settings.connect_s,
            aws_chain,
        )

    @property
    def database(self) -> Database | None:
        """Return where the ledger lies."""
        return self._database

    @property
    def views(self) -> tuple[WatchedView, ...]:
        """Return what it watches at other services."""
        return (self._catalog.watched, self._credentials.watched, self._health.watched)

    async def open(self) -> None:
        """Open the ledger, and the journal of durable runs.

        Raises:
            DatabaseError: one of them cannot be used.
        """
        await self._database.open()
        try:
            await self._store.open()
        except BaseException:
            await self._database.close()
            raise

    def registrations(self) -> list[Registration]:
        """Return the servicers."""
        return [
            (self._servicer, inference_service_pb2_grpc.add_InferenceServiceServicer_to_server),
            (
                UsageServicer(self._ledger, self._sums),
                usage_pb2_grpc.add_UsageServiceServicer_to_server,
            ),
            (self._provider_servicer, provider_pb2_grpc.add_ProviderServiceServicer_to_server),
        ]

    def end_runs_of(self, principal: str) -> None:
        """End the runs of a principal that has no valid token left."""
        self.runs.end_runs_of(principal)
        self._embeddings.end_runs_of(principal)

    async def run(self) -> None:
        """Follow views, report outcomes and forget old runs, until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._catalog.follower.run())
            group.create_task(self._credentials.follower.run())
            group.create_task(self._health.follower.run())
            group.create_task(self._outcomes.run())
            group.create_task(self._durable.run())
            group.create_task(self._ledger.run())
            group.create_task(self._bookkeeping.run())
            group.create_task(self._tick())

    async def drain(self, grace: float) -> None:
        """Begin no run, give durable ones free, and wait for the others."""
        self.runs.refuse()
        await self._durable.release()
        await asyncio.gather(self.runs.drain(grace), self._embeddings.drain(grace))
        await self._outcomes.flush()
        await self._ledger.flush()

    async def close(self) -> None:
        """Close the connections to providers, the journal and the ledger."""
        await self._store.close()
        await self._ledger.flush()
        await self._database.close()
        await self._transport.aclose()

    async def _tick(self) -> None:
        """Do what is due each second."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.runs.expire()


def _open_transport(source: Source, settings: InferenceSettings) -> Transport:
    """Return the transport to providers.

    Raises:
        SettingsError: the file of certificate authorities cannot be used.
    """
    proxy = None
    if settings.provider_proxy is not None:
        proxy = parse_proxy(
            settings.provider_proxy.get_secret_value(), settings.provider_proxy_except
        )
    try:
        return Transport(
            connections_per_origin=settings.connections_per_provider,
            extra_ca=settings.provider_ca_file,
            proxy=proxy,
        )
    except OSError as error:
        is_read = isinstance(error, ssl.SSLError)
        wrong = "it holds no certificate" if is_read else f"{error.strerror or error}"
        raise SettingsError(
            f"The setting provider_ca_file ({source.origin('provider_ca_file')}) is wrong:"
            f" {settings.provider_ca_file}: {wrong}.",
            "Name a file of certificates in PEM that this user can read, or leave the setting out.",
        ) from None
