"""Chains: make, show, change and remove them."""

from __future__ import annotations

from dataclasses import replace

from trunkline.catalog import chain_store, model_store, provider_store
from trunkline.catalog.answers import describe_chain
from trunkline.catalog.chain_update import apply_update, read_new
from trunkline.catalog.nearest import COMPARED_NAMES, model_not_found
from trunkline.catalog.provider_types import ProviderTypes
from trunkline.catalog.publication import Publication
from trunkline.catalog.records import StoredChain, mint_etag
from trunkline.catalog.refusals import chain_not_found, check_etag
from trunkline.catalog.v1 import chain_pb2
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import AlreadyExists, InvalidArgument, Violation


class Chains:
    """The fallback chains of the catalog.

    Args:
        database: of the catalog.
        publication: writes changes.
        types: of providers.
        clock: tells the time.
    """

    def __init__(
        self, database: Database, publication: Publication, types: ProviderTypes, clock: Clock
    ) -> None:
        self._database = database
        self._publication = publication
        self._types = types
        self._clock = clock

    async def get(self, name: str) -> chain_pb2.Chain:
        """Return a chain.

        Raises:
            NotFound: CHAIN_NOT_FOUND.
        """
        async with self._database.read() as session:
            return describe_chain(await _find(session, name))

    async def page(self, *, after: str | None, size: int) -> list[chain_pb2.Chain]:
        """Return chains by name.

        Args:
            after: name of the last one before the page; None: from the first on.
            size: how many at most.
        """
        async with self._database.read() as session:
            chains = await chain_store.all_chains(session, after=after, size=size)
        return [describe_chain(chain) for chain in chains]

    async def create(self, chain: chain_pb2.Chain) -> chain_pb2.Chain:
        """Make a chain.

        Raises:
            AlreadyExists: NAME_TAKEN.
            NotFound: MODEL_NOT_FOUND, with the nearest names.
            InvalidArgument: INVALID_REQUEST.
        """
        stored = read_new(chain, self._clock.time_ns(), mint_etag())
        async with self._database.write() as session:
            if await chain_store.find_chain(session, stored.name) is not None:
                raise AlreadyExists(
                    "NAME_TAKEN",
                    f"There is a chain {stored.name} already.",
                    metadata={"name": stored.name},
                )
            missing, names = await self._check_models(session, stored)
            if not missing:
                await self._publication.save(session, chain=stored)
        if missing:
            raise await model_not_found(missing, names)
        self._publication.wake()
        return describe_chain(stored)

    async def update(self, request: chain_pb2.UpdateChainRequest) -> chain_pb2.Chain:
        """Change a chain.

        Raises:
            NotFound: CHAIN_NOT_FOUND; MODEL_NOT_FOUND, with the nearest names.
            Aborted: ETAG_MISMATCH.
            InvalidArgument: INVALID_REQUEST.
        """
        given = request.chain
        async with self._database.write() as session:
            stored = await _find(session, given.name, given.etag)
            changed = apply_update(stored, request)
            if changed == stored:
                return describe_chain(stored)
            missing, names = await self._check_models(session, changed)
            if not missing:
                changed = replace(changed, etag=mint_etag(), update_time_ns=self._clock.time_ns())
                await self._publication.save(session, chain=changed)
        if missing:
            raise await model_not_found(missing, names)
        self._publication.wake()
        return describe_chain(changed)

    async def delete(self, name: str, etag: str) -> None:
        """Remove a chain.

        Args:
            name: of the chain.
            etag: the current one; empty: not checked.

        Raises:
            NotFound: CHAIN_NOT_FOUND.
            Aborted: ETAG_MISMATCH.
        """
        async with self._database.write() as session:
            await _find(session, name, etag)
            await self._publication.save(session, deleted_chain=name)
        self._publication.wake()

    async def _check_models(self, session: Session, chain: StoredChain) -> tuple[str, list[str]]:
        """Refuse a chain with a model that is only for trying things out.

        Returns:
            The first model that is not there, with the names of those that are; else an
            empty text.

        Raises:
            InvalidArgument: INVALID_REQUEST naming each such model: where it is reached, it
                would answer with made-up words in place of real ones.
        """
        models = [candidate.model for candidate in chain.candidates]
        known = await model_store.glance_at(session, set(models))
        missing = next((model for model in models if model not in known), "")
        if missing:
            return missing, await model_store.list_names(session, COMPARED_NAMES)
        violations = []
        for index, model in enumerate(models):
            provider = await provider_store.find_provider(session, model.partition("/")[0])
            if provider is not None and not self._types.of_stored(provider.type).default_route:
                violations.append(
                    Violation(
                        f"chain.candidates[{index}].model",
                        f"cannot be a model of the type {provider.type}",
                    )
                )
        if violations:
            raise InvalidArgument.of(*violations)
        return "", []


async def _find(session: Session, name: str, etag: str = "") -> StoredChain:
    """Return a chain's record, which is the one that the caller knows.

    Raises:
        NotFound: CHAIN_NOT_FOUND.
        Aborted: ETAG_MISMATCH.
    """
    stored = await chain_store.find_chain(session, name)
    if stored is None:
        raise chain_not_found(name)
    check_etag(etag, stored.etag)
    return stored
