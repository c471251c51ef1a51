"""Providers: make, show, change and remove them."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from google.protobuf.message import Message

from trunkline.catalog import chain_store, model_store, provider_store
from trunkline.catalog.answers import describe_types
from trunkline.catalog.discovery import Discovery
from trunkline.catalog.endpoint import address_refused
from trunkline.catalog.knowledge import Knowledge
from trunkline.catalog.listing import is_model_id, merge_list
from trunkline.catalog.nearest import COMPARED_NAMES, model_not_found
from trunkline.catalog.provider_types import ModelList, ProviderTypes
from trunkline.catalog.provider_update import Given, apply_update, read_new
from trunkline.catalog.publication import Publication
from trunkline.catalog.records import StoredProvider, mint_etag
from trunkline.catalog.refusals import (
    check_etag,
    check_verified,
    provider_not_found,
    still_referred_to,
)
from trunkline.catalog.v1 import provider_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.channel import PeerRefused
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import AlreadyExists, InvalidArgument, Violation
from trunkline.kernel.status import error_info, read_status
from trunkline.views.credentials import CredentialView

# There is a list, and it is shown to who has a good key.
_BEHIND_KEY: Final = frozenset(
    {
        inference_pb2.VERDICT_REVOKED,
        inference_pb2.VERDICT_WRONG_SCOPE,
        inference_pb2.VERDICT_BILLING,
        inference_pb2.VERDICT_RATE_LIMITED,
    }
)


class Providers:
    """The providers of the catalog.

    Args:
        database: of the catalog.
        publication: writes changes.
        types: that there are.
        credentials: the view of keys.
        discovery: reads lists of models.
        clock: tells the time.
        knowledge: of models.
    """

    def __init__(
        self,
        database: Database,
        publication: Publication,
        types: ProviderTypes,
        credentials: CredentialView,
        discovery: Discovery,
        clock: Clock,
        knowledge: Knowledge,
    ) -> None:
        self._database = database
        self._publication = publication
        self._types = types
        self._credentials = credentials
        self._discovery = discovery
        self._clock = clock
        self._knowledge = knowledge

    async def list_types(self) -> list[provider_pb2.ProviderType]:
        """Return every type by name, with its providers."""
        async with self._database.read() as session:
            providers = await provider_store.page_providers(session)
        return describe_types(self._types, providers)

    async def get(self, name: str) -> provider_pb2.Provider:
        """Return a provider.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
        """
        async with self._database.read() as session:
            provider = await provider_store.get_published(session, name)
        if provider is None:
            raise provider_not_found(name)
        return provider

    async def page(self, *, kind: str, after: str | None, size: int) -> list[provider_pb2.Provider]:
        """Return providers by name.

        Args:
            kind: only of this type; empty: of all.
            after: name of the last one before the page; None: from the first on.
            size: how many at most.
        """
        async with self._database.read() as session:
            return await provider_store.page_providers(session, kind=kind, after=after, size=size)

    async def create(
        self, provider: provider_pb2.Provider, models: list[str]
    ) -> provider_pb2.Provider:
        """Make a provider with its models, or nothing.

        Args:
            provider: as asked for.
            models: as the provider calls them; empty: the type's, or those of its list.

        Raises:
            AlreadyExists: NAME_TAKEN.
            NotFound: TYPE_NOT_FOUND.
            InvalidArgument: ADDRESS_REFUSED; NO_MODEL_PICKED; INVALID_REQUEST.
            Unavailable: PEER_UNAVAILABLE: nobody can read the list.
        """
        _check_models(models)
        given = read_new(provider, self._types)
        async with self._database.read() as session:
            await self._check_free(session, given.name)
        listed = [
            inference_pb2.DiscoveredModel(id=model) for model in models or given.kind.known_models
        ]
        if not listed and given.kind.model_list is ModelList.NEVER:
            raise _no_model_picked("Its type has no list to take them from.")
        was_read = not listed and given.kind.model_list is ModelList.UNKNOWN
        if was_read:
            listed = await self._read_draft(given)
        learned = await self._knowledge.read(given.kind, [model.id for model in listed])
        now_ns = self._clock.time_ns()
        stored = given.stored(now_ns, mint_etag())
        merged = merge_list(
            given.name, {}, listed, now_ns=now_ns, mint_etag=mint_etag, learned=learned
        )
        if was_read and listed:
            stored = replace(stored, refresh_time_ns=now_ns)
        async with self._database.write() as session:
            await self._check_free(session, given.name)
            await self._publication.save(
                session,
                provider=stored,
                new_models=[
                    replace(entry.after, listed=entry.after.listed and was_read) for entry in merged
                ],
            )
        self._publication.wake()
        return await self.get(given.name)

    async def update(self, request: provider_pb2.UpdateProviderRequest) -> provider_pb2.Provider:
        """Change a provider.

        Raises:
            NotFound: PROVIDER_NOT_FOUND; MODEL_NOT_FOUND: the default is none of its models.
            Aborted: ETAG_MISMATCH.
            InvalidArgument: ADDRESS_REFUSED; INVALID_REQUEST.
            FailedPrecondition: NOT_VERIFIED: a default needs a verified credential (K14).
            Unavailable: PEER_UNAVAILABLE: whether there is one is not known.
        """
        given = request.provider
        if given.default_model:
            await self._credentials.follower.wait_ready()
        async with self._database.write() as session:
            stored = await self._find(session, given.name, given.etag)
            shown = await provider_store.get_published(session, stored.name)
            assert shown is not None  # written with the row
            kind = self._types.of_stored(stored.type)
            changed = apply_update(stored, shown, request, kind)
            if changed == stored:
                return shown
            names = await self._check_default(session, stored, changed)
            if names is None:
                changed = replace(changed, etag=mint_etag(), update_time_ns=self._clock.time_ns())
                await self._publication.save(session, provider=changed)
        if names is not None:
            raise await model_not_found(f"{stored.name}/{changed.default_model}", names)
        self._publication.wake()
        self._discovery.wake()
        return await self.get(stored.name)

    async def delete(self, name: str, etag: str) -> None:
        """Remove a provider and its models.

        Args:
            name: of the provider.
            etag: the current one; empty: not checked.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Aborted: ETAG_MISMATCH.
            FailedPrecondition: STILL_REFERRED_TO.
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE: whether it has a credential
                is not known.
        """
        await self.get(name)
        await self._credentials.follower.wait_ready()
        async with self._database.write() as session:
            await self._find(session, name, etag)
            self._credentials.check_fresh()
            referrers = sorted(
                f"credentials/{entry.id}" for entry in self._credentials.of_provider(name)
            )
            chains = await chain_store.list_naming(session, name)
            referrers += [f"chains/{chain}" for chain in chains]
            default = await model_store.find_default(session)
            if default is not None and default.provider == name:
                referrers.append("default")
            if referrers:
                raise still_referred_to(name, referrers)
            await self._publication.save(session, deleted_provider=name)
        self._publication.wake()

    async def _check_default(
        self, session: Session, stored: StoredProvider, changed: StoredProvider
    ) -> list[str] | None:
        """Refuse a new default model before a credential is verified.

        Returns:
            None when the default can be so; else names of models, since there is no such one.

        Raises:
            FailedPrecondition: NOT_VERIFIED.
        """
        if changed.default_model in ("", stored.default_model):
            return None
        check_verified(self._credentials, stored.name)
        if await model_store.find_model(session, stored.name, changed.default_model) is not None:
            return None
        return await model_store.list_names(session, COMPARED_NAMES)

    async def _read_draft(self, given: Given) -> list[inference_pb2.DiscoveredModel]:
        """Read the list of a provider that is not saved yet and has no key.

        Returns:
            Its models; none when the list is there but wants a key.

        Raises:
            InvalidArgument: NO_MODEL_PICKED: there is no list either; ADDRESS_REFUSED.
            Unavailable: PEER_UNAVAILABLE.
        """
        endpoint = inference_pb2.Endpoint(
            format=given.format or given.kind.format,
            base_url=given.base_url or given.kind.base_url,
            headers=given.headers,
            streaming=given.streaming,
        )
        try:
            response = await self._discovery.probe(
                inference_pb2.ProbeProviderRequest(endpoint=endpoint)
            )
        except PeerRefused as refused:
            if refused.reason == "ADDRESS_REFUSED":
                status = read_status(refused.error)
                info = None if status is None else error_info(status)
                rule = "" if info is None else info.metadata["rule"]
                raise address_refused(
                    rule, refused.message, "Use the address of the model provider."
                ) from None
            raise
        verification = response.verification
        if response.models or verification.verdict in _BEHIND_KEY:
            return list(response.models)
        why = verification.message or "It has no list of models."
        raise _no_model_picked(f"The address has no list to take them from. {why}", verification)

    async def _check_free(self, session: Session, name: str) -> None:
        """Refuse a name that is taken.

        Raises:
            AlreadyExists: NAME_TAKEN.
        """
        if await provider_store.find_provider(session, name) is not None:
            raise AlreadyExists(
                "NAME_TAKEN", f"There is a provider {name} already.", metadata={"name": name}
            )

    async def _find(self, session: Session, name: str, etag: str) -> StoredProvider:
        """Return a provider's record, which is the one that the caller knows.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Aborted: ETAG_MISMATCH.
        """
        stored = await provider_store.find_provider(session, name)
        if stored is None:
            raise provider_not_found(name)
        check_etag(etag, stored.etag)
        return stored


def _check_models(models: list[str]) -> None:
    """Refuse what is no model's id.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each of them.
    """
    wrong = [index for index, model in enumerate(models) if not is_model_id(model)]
    if wrong:
        raise InvalidArgument.of(
            *(
                Violation(f"models[{index}]", "must have 1 to 256 characters and no spaces")
                for index in wrong
            )
        )


def _no_model_picked(why: str, *details: Message) -> InvalidArgument:
    """Return the error for a provider whose models nobody names.

    Args:
        why: they cannot be read either, in one sentence or two.
        details: of the status.
    """
    return InvalidArgument(
        "NO_MODEL_PICKED",
        f"Name at least one model. {why}",
        violations=(Violation("models", "must name at least one model"),),
        details=details,
    )
