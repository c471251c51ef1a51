"""Write changes, and tell the watchers what follows from them, in one transaction.

A provider's state and notes follow from its models and keys, the default route from all
of them, a chain's route from the chain. Nothing that follows is stored as such: it is
derived again after every change and compared with what the watchers were last told, and a
difference is a change.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from trunkline.catalog import chain_store, model_store, provider_store
from trunkline.catalog.answers import (
    Standing,
    choose_credential,
    describe_model,
    describe_provider,
    judge_credential,
    recall_standing,
)
from trunkline.catalog.knowledge import Knowledge, Learned
from trunkline.catalog.provider_types import ProviderTypes
from trunkline.catalog.records import (
    Glance,
    ModelCount,
    StoredChain,
    StoredModel,
    StoredProvider,
)
from trunkline.catalog.routes import (
    DEFAULT_TARGET,
    Connected,
    candidates_of,
    chain_target,
    plan_chain,
    plan_default,
)
from trunkline.catalog.tables import outbox
from trunkline.catalog.v1 import provider_pb2, route_pb2, watch_pb2
from trunkline.kernel.database import STORE_FAILURES, Database, Session
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.catalog")

# Providers, the deployment's default model, and glances of the models that matter.
_RouteInputs: TypeAlias = tuple[list[Connected], str, Mapping[str, Glance]]

_RENEWED_AT_ONCE: Final = 200
_RETRY_S: Final = 1.0


class Publication:
    """Writes and tells.

    Args:
        database: of the catalog.
        feed: woken after a change was committed.
        types: of providers.
        credentials: the view of keys; its changes are told from `run`.
        knowledge: of models.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        types: ProviderTypes,
        credentials: CredentialView,
        knowledge: Knowledge,
    ) -> None:
        self._database = database
        self._feed = feed
        self._types = types
        self._credentials = credentials
        self._knowledge = knowledge
        self._credentials_changed = asyncio.Event()
        credentials.on_change(self._credentials_changed.set)

    def wake(self) -> None:
        """Let the watchers see what was committed."""
        self._feed.wake()

    async def save(
        self,
        session: Session,
        *,
        provider: StoredProvider | None = None,
        new_models: Sequence[StoredModel] = (),
        changed_models: Sequence[StoredModel] = (),
        deleted_provider: str = "",
        chain: StoredChain | None = None,
        deleted_chain: str = "",
    ) -> None:
        """Write what changed and what follows from it; call `wake` after the commit.

        Args:
            session: a writing transaction.
            provider: new or changed; None: none is.
            new_models: that are not stored yet.
            changed_models: that are.
            deleted_provider: goes with its models; empty: none does.
            chain: new or changed; None: none is.
            deleted_chain: goes; empty: none does.
        """
        if provider is not None:
            await provider_store.put_provider(session, provider)
        if deleted_provider:
            await model_store.delete_models(session, deleted_provider)
            await provider_store.delete_provider(session, deleted_provider)
        new, changed = _described(new_models), _described(changed_models)
        await model_store.insert_models(session, new)
        await model_store.update_models(session, changed)
        if chain is not None:
            await chain_store.put_chain(session, chain)
        if deleted_chain:
            await chain_store.delete_chain(session, deleted_chain)
        changes, route_inputs = await self._tell_providers(session)
        for _, payload in (*new, *changed):
            change = watch_pb2.WatchCatalogResponse()
            change.model.ParseFromString(payload)
            changes.append(change)
        changes += await _tell_route(session, DEFAULT_TARGET, plan_default(*route_inputs))
        if chain is not None:
            changes += await _tell_route(session, chain_target(chain.name), plan_chain(chain))
        if deleted_chain:
            changes += await _tell_route(session, chain_target(deleted_chain), None)
        if deleted_provider:
            changes.append(watch_pb2.WatchCatalogResponse(deleted_provider=deleted_provider))
        await outbox.append(session, *changes)

    async def run(self) -> None:
        """Tell what changed while nobody looked, then what the credentials change."""
        pending_renewal = True
        while True:
            try:
                if pending_renewal:
                    await self._renew()
                    pending_renewal = False
                await self._credentials_changed.wait()
                self._credentials_changed.clear()
                async with self._database.write() as session:
                    await self.save(session)
                self.wake()
            except STORE_FAILURES as error:
                log.error("catalog_not_written", error=type(error).__name__)
                self._credentials_changed.set()
                await asyncio.sleep(_RETRY_S)

    async def _renew(self) -> None:
        """Tell what a new release says otherwise of what is stored."""
        after = ("", "")
        while True:
            learned = await self._learn_anew(after)
            async with self._database.write() as session:
                models = await model_store.next_models(session, after, _RENEWED_AT_ONCE)
                taught = _described([_teach(stored, learned) for stored, _ in models])
                differing, silent = [], []
                for (stored, published), (renewed, payload) in zip(models, taught, strict=True):
                    if published != payload:
                        differing.append(renewed)
                    elif stored.known_version != renewed.known_version:
                        silent.append((renewed, payload))
                await model_store.update_models(session, silent)
                await self.save(session, changed_models=differing)
            self.wake()
            if len(models) < _RENEWED_AT_ONCE:
                break
            after = (models[-1][0].provider, models[-1][0].id)
        async with self._database.write() as session:
            changes = []
            for chain in await chain_store.all_chains(session):
                changes += await _tell_route(session, chain_target(chain.name), plan_chain(chain))
            await outbox.append(session, *changes)
        self.wake()

    async def _learn_anew(self, after: tuple[str, str]) -> dict[str, Learned]:
        """Look up those of the next models that other data were asked of, by their provider."""
        version = await self._knowledge.read_version()
        async with self._database.read() as session:
            models = await model_store.next_models(session, after, _RENEWED_AT_ONCE)
            providers = await provider_store.all_providers(session)
        types = {stored.name: stored.type for stored, _ in providers}
        stale: dict[str, list[str]] = {}
        for stored, _ in models:
            if stored.known_version != version and stored.provider in types:
                stale.setdefault(stored.provider, []).append(stored.id)
        return {
            provider: await self._knowledge.read(self._types.of_stored(types[provider]), ids)
            for provider, ids in stale.items()
        }

    async def _tell_providers(
        self, session: Session
    ) -> tuple[list[watch_pb2.WatchCatalogResponse], _RouteInputs]:
        """Return which providers differ, now noted as told, and what the route follows from."""
        stored = await provider_store.all_providers(session)
        counts = await model_store.count_models(session)
        default = await model_store.find_default(session)
        default_name = "" if default is None else default.name
        connected = [
            Connected(
                provider,
                self._types.of_stored(provider.type),
                self._standing(provider.name, published),
            )
            for provider, published in stored
        ]
        glances = await model_store.glance_at(session, candidates_of(connected, default_name))
        changes = []
        for entry, (provider, published) in zip(connected, stored, strict=True):
            described = describe_provider(
                provider,
                entry.kind,
                entry.standing,
                counts.get(provider.name, ModelCount()),
                glances.get(f"{provider.name}/{provider.default_model}"),
            )
            payload = described.SerializeToString(deterministic=True)
            if payload != published:
                await provider_store.put_published(session, provider.name, payload)
                changes.append(watch_pb2.WatchCatalogResponse(provider=described))
        return changes, (connected, default_name, glances)

    def _standing(self, name: str, published: bytes) -> Standing:
        """Return a provider's standing: what was last told, until the first view has come."""
        if self._credentials.follower.is_ready:
            return judge_credential(choose_credential(self._credentials.central_keys(name)))
        return recall_standing(provider_pb2.Provider.FromString(published).state)


def _described(models: Sequence[StoredModel]) -> list[tuple[StoredModel, bytes]]:
    """Return models with what their watchers are told."""
    return [
        (stored, describe_model(stored).SerializeToString(deterministic=True)) for stored in models
    ]


async def _tell_route(
    session: Session, target: str, route: route_pb2.Route | None
) -> list[watch_pb2.WatchCatalogResponse]:
    """Return where a target goes, now noted as told, if that differs from what was told.

    Args:
        session: a writing transaction.
        target: of the route.
        route: as it is now; None: the target goes nowhere.
    """
    published = await provider_store.find_route(session, target)
    payload = None if route is None else route.SerializeToString(deterministic=True)
    if payload == published:
        return []
    if payload is None:
        await provider_store.delete_route(session, target)
        return [watch_pb2.WatchCatalogResponse(deleted_route=target)]
    await provider_store.put_route(session, target, payload)
    return [watch_pb2.WatchCatalogResponse(route=route)]


def _teach(stored: StoredModel, learned: Mapping[str, Learned]) -> StoredModel:
    """Return a model with what was looked up of it."""
    found = learned.get(stored.provider)
    return stored if found is None else found.teach(stored)
