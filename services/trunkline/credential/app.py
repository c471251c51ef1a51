"""The credential service: its wiring, its start and its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

from trunkline.credential import access_store, content_key_store, store
from trunkline.credential.access import Access
from trunkline.credential.content_keys import ContentKeys
from trunkline.credential.faults import CredentialFault
from trunkline.credential.first_token import FILE_NAME, make_first_token
from trunkline.credential.keyring import Keyring, KeySource, key_sources, open_keyring
from trunkline.credential.proof import Prover
from trunkline.credential.safe import Safe
from trunkline.credential.servicer import AccessServicer, CredentialServicer
from trunkline.credential.settings import CredentialSettings
from trunkline.credential.tables import access_outbox, credential_outbox
from trunkline.credential.v1 import (
    access_pb2,
    access_pb2_grpc,
    credential_service_pb2_grpc,
    resolve_pb2,
)
from trunkline.credential.vault import Vault
from trunkline.kernel.database import Database, DatabaseSettings, choose_database
from trunkline.kernel.server import Registration
from trunkline.kernel.service import StartupError, Surroundings, WatchedView
from trunkline.kernel.watch import Feed
from trunkline.views.catalog import CatalogView

_MIGRATIONS = Path(__file__).parent / "migrations"


class CredentialService:
    """Owns every secret of the deployment, and its access tokens.

    Args:
        surroundings: what the process gives.

    Attributes:
        name: `credential`.
        admin_token_path: the file that the first admin token is written to.
        made_admin_token: whether this start wrote it.
    """

    name = "credential"

    def __init__(self, surroundings: Surroundings) -> None:
        process = surroundings.process
        clock = surroundings.clock
        self.admin_token_path = process.config_dir / FILE_NAME
        self.made_admin_token = False
        self._source = surroundings.source
        self._config_dir = process.config_dir
        self._clock = clock
        self._key_source: KeySource | None = None
        self._database = choose_database(
            self.name, process.data_dir, surroundings.source.load(DatabaseSettings), _MIGRATIONS
        )
        credentials = Feed(
            self._database,
            credential_outbox,
            resolve_pb2.WatchCredentialsResponse,
            store.snapshot,
        )
        tokens = Feed(
            self._database, access_outbox, access_pb2.WatchAccessResponse, access_store.snapshot
        )
        self._catalog = CatalogView(surroundings.channel("catalog"), clock)
        prover = Prover(surroundings.channel("inference"))
        self._safe = Safe()
        vault = Vault(self._database, credentials, self._catalog, prover, self._safe, clock)
        content_keys = ContentKeys(self._database, credentials, self._safe, clock)
        self._access = Access(self._database, tokens, clock)
        self._credential_servicer = CredentialServicer(
            vault, content_keys, self._database, credentials
        )
        self._access_servicer = AccessServicer(self._access, tokens)

    @property
    def key_location(self) -> str:
        """Where the key-encryption key is, for people; known once it is open."""
        if self._key_source is None:
            raise RuntimeError("the keyring is not open")
        return self._key_source.describe()

    @property
    def database(self) -> Database | None:
        """Return where it keeps what it knows."""
        return self._database

    @property
    def views(self) -> tuple[WatchedView, ...]:
        """Return what it watches at other services."""
        return (self._catalog.watched,)

    async def open(self) -> None:
        """Open the store and the keyring, and make the first admin token if there never was one.

        Raises:
            SettingsError: a setting has a value that it cannot have.
            DatabaseError: the database cannot be opened.
            StartupError: there is no usable key-encryption key, and none was made; or the
                first admin token cannot be written, and none was stored.
        """
        settings = self._source.load(CredentialSettings)
        await self._database.open()
        try:
            keyring, self._key_source = await self._open_keyring(settings)
            self._safe.unlock(keyring)
            self.made_admin_token = await make_first_token(
                self._database, self.admin_token_path, self._clock
            )
            # A process that was killed may have left deleted secrets in the database's log.
            await self._database.checkpoint()
        except BaseException:
            await self._database.close()
            raise

    def registrations(self) -> list[Registration]:
        """Return the servicers, each with the generated function that registers it."""
        return [
            (
                self._credential_servicer,
                credential_service_pb2_grpc.add_CredentialServiceServicer_to_server,
            ),
            (self._access_servicer, access_pb2_grpc.add_AccessServiceServicer_to_server),
        ]

    async def run(self) -> None:
        """Follow the catalog and end tokens on time, until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._catalog.follower.run())
            tasks.create_task(self._access.expire())

    async def drain(self, grace: float) -> None:
        """Return at once: no work of this service outlives its calls."""

    async def close(self) -> None:
        """Close the store."""
        await self._database.close()

    async def _open_keyring(self, settings: CredentialSettings) -> tuple[Keyring, KeySource]:
        """Open the keyring that holds every key that something is sealed under."""
        async with self._database.read() as session:
            sealed_key_ids = await store.key_ids(session)
            sealed_key_ids |= await content_key_store.key_ids(session)
        master_key = settings.master_key
        sources = key_sources(
            master_key=master_key.get_secret_value() if master_key is not None else None,
            config_directory=self._config_dir,
            os_keyring=settings.os_keyring,
        )
        try:
            return await asyncio.to_thread(open_keyring, sources, sealed_key_ids)
        except CredentialFault as fault:
            raise StartupError(fault.message, fault.advice) from fault
