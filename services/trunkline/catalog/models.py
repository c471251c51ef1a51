"""Models: show and change them."""

from __future__ import annotations

from dataclasses import replace

from trunkline.catalog import model_store, provider_store
from trunkline.catalog.model_update import apply_update
from trunkline.catalog.nearest import COMPARED_NAMES, model_not_found
from trunkline.catalog.provider_types import ProviderTypes
from trunkline.catalog.publication import Publication
from trunkline.catalog.records import StoredModel, mint_etag
from trunkline.catalog.refusals import check_etag, check_verified
from trunkline.catalog.v1 import model_pb2
from trunkline.kernel.clock import Clock, to_datetime
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import InvalidArgument, Violation
from trunkline.planning.options import Option, options_of
from trunkline.views.credentials import CredentialView


class Models:
    """The models of the catalog.

    Args:
        database: of the catalog.
        publication: writes changes.
        types: of providers.
        credentials: the view of keys.
        clock: tells the time.
    """

    def __init__(
        self,
        database: Database,
        publication: Publication,
        types: ProviderTypes,
        credentials: CredentialView,
        clock: Clock,
    ) -> None:
        self._database = database
        self._publication = publication
        self._types = types
        self._credentials = credentials
        self._clock = clock

    async def get(self, name: str) -> model_pb2.Model:
        """Return a model.

        Args:
            name: `provider/model`, split at the first slash.

        Raises:
            NotFound: MODEL_NOT_FOUND, with the nearest names.
        """
        provider, _, model_id = name.partition("/")
        async with self._database.read() as session:
            model = await model_store.get_published(session, provider, model_id)
            if model is not None:
                return model
            names = await model_store.list_names(session, COMPARED_NAMES)
        raise await model_not_found(name, names)

    async def page(
        self, *, provider: str, include_disabled: bool, after: tuple[str, str] | None, size: int
    ) -> list[model_pb2.Model]:
        """Return models by provider and id.

        Args:
            provider: only of this one; empty: of all.
            include_disabled: also those that are off.
            after: provider and id of the last one before the page; None: from the first on.
            size: how many at most.
        """
        async with self._database.read() as session:
            return await model_store.page_models(
                session,
                provider=provider,
                include_disabled=include_disabled,
                after=after,
                size=size,
            )

    async def update(self, request: model_pb2.UpdateModelRequest) -> model_pb2.Model:
        """Change a model.

        Raises:
            NotFound: MODEL_NOT_FOUND, with the nearest names.
            Aborted: ETAG_MISMATCH.
            InvalidArgument: INVALID_REQUEST.
            FailedPrecondition: NOT_VERIFIED: the default needs a verified credential (K14).
            Unavailable: PEER_UNAVAILABLE: whether there is one is not known.
        """
        given = request.model
        provider, _, model_id = given.name.partition("/")
        if given.deployment_default:
            await self._credentials.follower.wait_ready()
        names = None
        async with self._database.write() as session:
            stored = await model_store.find_model(session, provider, model_id)
            shown = await model_store.get_published(session, provider, model_id)
            if stored is None or shown is None:
                names = await model_store.list_names(session, COMPARED_NAMES)
            else:
                check_etag(given.etag, stored.etag)
                options = await self._options(session, provider)
                changed = apply_update(stored, shown, request, options)
                if changed == stored:
                    return shown
                await self._save(session, stored, changed)
        if names is not None:
            raise await model_not_found(given.name, names)
        self._publication.wake()
        return await self.get(given.name)

    async def _options(self, session: Session, provider: str) -> tuple[Option, ...]:
        """Return the options that the models of a provider take."""
        stored = await provider_store.find_provider(session, provider)
        if stored is None:
            return ()
        kind = self._types.of_stored(stored.type)
        return options_of(stored.type, stored.format or kind.format)

    async def _save(self, session: Session, stored: StoredModel, changed: StoredModel) -> None:
        """Write a changed model, and the one whose place as the default it takes."""
        now_ns = self._clock.time_ns()
        for price in changed.manual.prices:
            # What costs were computed with can be found again by it.
            price.version = price.version or f"manual {to_datetime(now_ns):%Y-%m-%dT%H:%M:%SZ}"
        touched = [changed]
        if changed.deployment_default and not stored.deployment_default:
            await self._check_can_be_default(session, changed.provider)
            former = await model_store.find_default(session)
            if former is not None:
                # First, so that there are never two.
                touched.insert(0, replace(former, deployment_default=False))
        await self._publication.save(
            session,
            changed_models=[
                replace(model, etag=mint_etag(), update_time_ns=now_ns) for model in touched
            ],
        )

    async def _check_can_be_default(self, session: Session, provider: str) -> None:
        """Refuse a provider whose models cannot be the deployment's default.

        Raises:
            InvalidArgument: INVALID_REQUEST: it only serves for trying things out.
            FailedPrecondition: NOT_VERIFIED.
        """
        stored = await provider_store.find_provider(session, provider)
        if stored is not None and not self._types.of_stored(stored.type).default_route:
            raise InvalidArgument.of(
                Violation(
                    "model.deployment_default", f"cannot be a model of the type {stored.type}"
                )
            )
        check_verified(self._credentials, provider)
