"""Read providers' lists of models: on demand, and by itself when there is something new.

A list is due when a provider's key is verified and the list was last read with another
key, or at another address or with other headers: what it was read with is kept beside
the provider, as one hash. So nothing is read twice, and nothing is forgotten by a restart.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from weakref import WeakValueDictionary

import grpc

from trunkline.catalog import model_store, provider_store
from trunkline.catalog.answers import Standing, choose_credential, judge_credential
from trunkline.catalog.knowledge import Knowledge
from trunkline.catalog.listing import describe_change, merge_list
from trunkline.catalog.provider_types import ModelList, ProviderType, ProviderTypes
from trunkline.catalog.publication import Publication
from trunkline.catalog.records import StoredProvider, mint_etag
from trunkline.catalog.refusals import provider_not_found
from trunkline.catalog.v1 import model_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.inference.v1 import provider_pb2_grpc as inference_grpc
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.clock import Clock
from trunkline.kernel.database import STORE_FAILURES, Database
from trunkline.kernel.errors import TrunklineError, Unavailable
from trunkline.kernel.log import get_logger
from trunkline.views.credentials import CredentialView

log = get_logger("trunkline.catalog")

# A little longer than inference itself waits for the provider.
_PROBE_TIMEOUT_S: Final = 15.0
# D20: a local server that is just starting has an empty list for a moment.
_EMPTY_LIST_WAIT_S: Final = 0.5
# Between attempts in the background; after the last one it waits for something new.
_PAUSES_S: Final = (0.25, 1.0, 4.0, 16.0, 60.0, 240.0)
_PEER_PAUSE_S: Final = 15.0
_READ_AT_ONCE: Final = 4
_RETRY_S: Final = 1.0
_MAX_SENTENCE: Final = 512

_ACCEPTED: Final = frozenset(
    {
        inference_pb2.VERDICT_VALID,
        inference_pb2.VERDICT_BILLING_NOT_CHECKED,
        inference_pb2.VERDICT_UNVERIFIABLE,
    }
)


class Discovery:
    """Reads lists of models and merges them into the catalog.

    Args:
        database: of the catalog.
        publication: writes what was found.
        types: of providers.
        credentials: the view of keys.
        inference: a channel to the service that asks providers.
        clock: tells the time.
        knowledge: of models.
    """

    def __init__(
        self,
        database: Database,
        publication: Publication,
        types: ProviderTypes,
        credentials: CredentialView,
        inference: grpc.aio.Channel,
        clock: Clock,
        knowledge: Knowledge,
    ) -> None:
        self._database = database
        self._publication = publication
        self._types = types
        self._credentials = credentials
        self._stub = inference_grpc.ProviderServiceStub(inference)
        self._clock = clock
        self._knowledge = knowledge
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._slots = asyncio.Semaphore(_READ_AT_ONCE)
        self._wanted = asyncio.Event()
        credentials.on_change(self.wake)

    def wake(self) -> None:
        """Look for lists that are due."""
        self._wanted.set()

    async def probe(
        self, request: inference_pb2.ProbeProviderRequest
    ) -> inference_pb2.ProbeProviderResponse:
        """Ask a provider for its models; an empty list is asked for twice.

        Raises:
            Unavailable: PEER_UNAVAILABLE.
            PeerRefused: inference cannot ask this provider.
        """
        request.include_models = True
        request.purpose = inference_pb2.PROBE_PURPOSE_LIST_MODELS
        response = await self._ask(request)
        if not response.models and response.verification.verdict in _ACCEPTED:
            await asyncio.sleep(_EMPTY_LIST_WAIT_S)
            response = await self._ask(request)
        return response

    async def refresh(self, name: str, *, dry_run: bool = False) -> list[model_pb2.ModelChange]:
        """Read a provider's list and merge it into what is known.

        Args:
            name: of the provider.
            dry_run: only tell what would change.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Unavailable: LIST_UNAVAILABLE; PEER_UNAVAILABLE.
        """
        await self._credentials.follower.wait_ready()
        await self._find(name)
        lock = self._locks.setdefault(name, asyncio.Lock())
        async with lock:
            stored = await self._find(name)
            credential = choose_credential(self._credentials.central_keys(name))
            kind = self._types.of_stored(stored.type)
            if kind.model_list is ModelList.NEVER:
                raise _unavailable(
                    stored.name,
                    inference_pb2.Verification(
                        message=f"Providers of the type {kind.name} have no list of what can be"
                        " asked."
                    ),
                )
            try:
                listed = await self._read(stored, kind, credential)
            except Unavailable as error:
                if error.reason == "LIST_UNAVAILABLE" and not dry_run:
                    await self._note_trouble(name, error.message[:_MAX_SENTENCE])
                raise
            return await self._merge(
                stored, listed, list_key(stored, kind, credential), dry_run=dry_run
            )

    async def run(self) -> None:
        """Read what is due, until cancelled."""
        # By provider: with what its list is being read, or was given up.
        begun: dict[str, str] = {}
        async with asyncio.TaskGroup() as tasks:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                try:
                    due = await self._list_due()
                except STORE_FAILURES as error:
                    log.error("catalog_not_read", error=type(error).__name__)
                    self._wanted.set()
                    await asyncio.sleep(_RETRY_S)
                    continue
                for name, key in due.items():
                    if begun.get(name) != key:
                        tasks.create_task(self._read_in_background(name, key))
                begun = due

    async def _list_due(self) -> dict[str, str]:
        """Return the providers whose list is due, each with what it is to be read with."""
        if not self._credentials.follower.is_ready:
            return {}
        async with self._database.read() as session:
            providers = await provider_store.all_providers(session)
        due = {}
        for stored, _ in providers:
            credential = choose_credential(self._credentials.central_keys(stored.name))
            kind = self._types.of_stored(stored.type)
            key = list_key(stored, kind, credential)
            if (
                stored.enabled
                and kind.model_list is not ModelList.NEVER
                and judge_credential(credential) is Standing.VERIFIED
                and key != stored.list_key
            ):
                due[stored.name] = key
        return due

    async def _read_in_background(self, name: str, key: str) -> None:
        """Read one list, again while that fails and it is still due, but not for ever."""
        pauses = iter(_PAUSES_S)
        pause = 0.0
        while True:
            await asyncio.sleep(pause)
            try:
                async with self._slots:
                    if (await self._list_due()).get(name) != key:
                        return
                    changes = await self.refresh(name)
            except TrunklineError as error:
                if error.reason == "PEER_UNAVAILABLE":
                    # Nobody was asked, and that does not count.
                    pause = min(max(2 * pause, _RETRY_S), _PEER_PAUSE_S)
                    continue
                log.warning("list_not_read", provider=name, reason=error.reason)
                pause = next(pauses, -1.0)
            except Exception as error:  # one list must not end the reading of all others
                log.error("list_failed_unexpectedly", provider=name, exc_info=error)
                return
            else:
                log.info("list_read", provider=name, changes=len(changes))
                return
            if pause < 0:
                log.warning("list_given_up", provider=name)
                return

    async def _read(
        self,
        stored: StoredProvider,
        kind: ProviderType,
        credential: credential_pb2.Credential | None,
    ) -> Sequence[inference_pb2.DiscoveredModel]:
        """Return a provider's list, which is not empty.

        Raises:
            Unavailable: LIST_UNAVAILABLE; PEER_UNAVAILABLE.
        """
        request = inference_pb2.ProbeProviderRequest(
            name=stored.name,
            # Said outright: inference may not have heard of a new address yet.
            base_url=stored.base_url or kind.base_url,
        )
        if credential is not None:
            request.credential_id = credential.id
            request.base_url = credential.base_url or request.base_url
        try:
            response = await self.probe(request)
        except PeerRefused as refused:
            raise _unavailable(
                stored.name, inference_pb2.Verification(message=refused.message)
            ) from None
        if response.models:
            return response.models
        verification = response.verification
        if verification.verdict in _ACCEPTED:
            verification.message = "The list is empty."
        raise _unavailable(stored.name, verification)

    async def _merge(
        self,
        before: StoredProvider,
        listed: Sequence[inference_pb2.DiscoveredModel],
        key: str,
        *,
        dry_run: bool,
    ) -> list[model_pb2.ModelChange]:
        """Merge a list into what is known, unless the provider has changed since it was asked.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            Unavailable: LIST_UNAVAILABLE: the address or the key has changed.
        """
        learned = await self._knowledge.read(
            self._types.of_stored(before.type), [model.id for model in listed]
        )
        now_ns = self._clock.time_ns()
        transaction = self._database.read() if dry_run else self._database.write()
        async with transaction as session:
            stored = await provider_store.find_provider(session, before.name)
            if stored is None:
                raise provider_not_found(before.name)
            credential = choose_credential(self._credentials.central_keys(stored.name))
            if list_key(stored, self._types.of_stored(stored.type), credential) != key:
                raise _unavailable(
                    stored.name,
                    inference_pb2.Verification(
                        message="The provider was changed while its list was read; try again."
                    ),
                )
            known = await model_store.models_of(session, stored.name)
            merged = merge_list(
                stored.name,
                known,
                listed,
                now_ns=now_ns,
                mint_etag=mint_etag,
                learned=learned,
            )
            if not dry_run:
                await self._publication.save(
                    session,
                    provider=replace(stored, refresh_time_ns=now_ns, list_trouble="", list_key=key),
                    new_models=[entry.after for entry in merged if entry.before is None],
                    changed_models=[entry.after for entry in merged if entry.before is not None],
                )
        if not dry_run:
            self._publication.wake()
        changes = (describe_change(entry) for entry in merged)
        return [change for change in changes if change is not None]

    async def _note_trouble(self, name: str, sentence: str) -> None:
        """Note at a provider that its list could not be read."""
        async with self._database.write() as session:
            stored = await provider_store.find_provider(session, name)
            if stored is None or stored.list_trouble == sentence:
                return
            await self._publication.save(session, provider=replace(stored, list_trouble=sentence))
        self._publication.wake()

    async def _find(self, name: str) -> StoredProvider:
        """Return a provider's record.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
        """
        async with self._database.read() as session:
            stored = await provider_store.find_provider(session, name)
        if stored is None:
            raise provider_not_found(name)
        return stored

    async def _ask(
        self, request: inference_pb2.ProbeProviderRequest
    ) -> inference_pb2.ProbeProviderResponse:
        response: inference_pb2.ProbeProviderResponse = await ask(
            "inference", self._stub.ProbeProvider, request, timeout=_PROBE_TIMEOUT_S
        )
        return response


def list_key(
    stored: StoredProvider, kind: ProviderType, credential: credential_pb2.Credential | None
) -> str:
    """Return the hash of what a provider's list is read with."""
    used: list[object] = [
        stored.base_url or kind.base_url,
        stored.format or kind.format,
        sorted(stored.headers.items()),
    ]
    if credential is not None:
        used += [credential.id, credential.version, credential.base_url]
    return hashlib.sha256(json.dumps(used).encode()).hexdigest()[:32]


def _unavailable(name: str, verification: inference_pb2.Verification) -> Unavailable:
    """Return the error for a list that cannot be read."""
    verdict = inference_pb2.Verdict.Name(verification.verdict).removeprefix("VERDICT_")
    return Unavailable(
        "LIST_UNAVAILABLE",
        verification.message or "The provider gave no list.",
        metadata={"provider": name, "verdict": verdict},
        details=(verification,),
    )
