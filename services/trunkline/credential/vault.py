"""Credentials from the moment they are brought in to the moment they are released.

A secret is proven before it is sealed, sealed before it is stored, and released only
for the origin that it was proven and sealed for.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from trunkline.credential import envelope, store
from trunkline.credential.faults import KeyMissing, SealBroken
from trunkline.credential.keyring import Keyring
from trunkline.credential.proof import Prover, Trial, judge
from trunkline.credential.providers import find_provider, parse_address
from trunkline.credential.store import SealedCredential
from trunkline.credential.v1 import credential_pb2, resolve_pb2
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.database import Database
from trunkline.kernel.errors import DataLoss, FailedPrecondition, NotFound
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed
from trunkline.views.catalog import CatalogView

log = get_logger("trunkline.credential")

_FIELD = "secret"


@dataclass(frozen=True, slots=True)
class Draft:
    """A secret or an address that somebody brings in.

    Attributes:
        provider: its name in the catalog.
        kind: of the credential to be.
        secret: what authenticates; nothing set: the provider takes none.
        base_url: replaces the provider's, as it was given; empty: it does not.
        purpose: the request that proves it.
        allow_unverified: save it also when the provider cannot be reached or cannot tell.
    """

    provider: str
    kind: credential_pb2.CredentialKind.ValueType
    secret: provider_pb2.ProviderSecret = field(repr=False)
    base_url: str
    purpose: provider_pb2.ProbePurpose.ValueType
    allow_unverified: bool


class Vault:
    """Saves, releases and removes credentials.

    Args:
        database: where they lie.
        feed: whose readers are told.
        catalog: which providers there are.
        prover: proves a secret.
        clock: tells the time.
    """

    def __init__(
        self, database: Database, feed: Feed, catalog: CatalogView, prover: Prover, clock: Clock
    ) -> None:
        self._database = database
        self._feed = feed
        self._catalog = catalog
        self._prover = prover
        self._clock = clock
        self._keyring: Keyring | None = None

    def unlock(self, keyring: Keyring) -> None:
        """Give the keys to seal and open with."""
        self._keyring = keyring

    async def save(self, draft: Draft) -> credential_pb2.Credential:
        """Prove a secret, then save it as the new version of its provider's credential.

        Nothing is written before it is proven: an earlier version stays active.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            InvalidArgument: ADDRESS_REFUSED.
            FailedPrecondition: VERIFICATION_FAILED.
            Unavailable: VERIFICATION_IMPOSSIBLE, PEER_UNAVAILABLE.
        """
        provider = await find_provider(self._catalog, draft.provider)
        own = parse_address(draft.base_url) if draft.base_url.strip() else None
        address = own or parse_address(provider.endpoint.base_url)
        trial = Trial(draft.provider, address, draft.secret, draft.purpose)
        verification = await self._prover.prove(trial)
        state = judge(trial, verification, allow_unverified=draft.allow_unverified)
        if not verification.HasField("time"):
            verification.time.CopyFrom(timestamp(self._clock.time_ns()))
        credential = credential_pb2.Credential(
            provider=draft.provider,
            scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
            kind=draft.kind,
            state=state,
            base_url=own.url if own is not None else "",
            organization=draft.secret.organization,
            project=draft.secret.project,
            source=credential_pb2.CREDENTIAL_SOURCE_ENTERED,
            verification=verification,
            origins=[address.origin],
        )
        replaces = await self._write(credential, draft.secret)
        log.info(
            "credential_saved",
            provider=credential.provider,
            credential_id=credential.id,
            version=credential.version,
            state=credential_pb2.CredentialState.Name(state),
        )
        if replaces:
            await self._destroy_remains()
        return credential

    async def delete(self, credential_id: str) -> None:
        """Remove a credential and destroy its data key.

        Raises:
            NotFound: CREDENTIAL_NOT_FOUND.
        """
        async with self._database.write() as session:
            if not await store.delete(session, credential_id):
                raise not_found(credential_id)
        self._feed.wake()
        log.info("credential_deleted", credential_id=credential_id)
        await self._destroy_remains()

    async def resolve(
        self, *, provider: str, credential_id: str, origin: str
    ) -> resolve_pb2.ResolveCredentialResponse:
        """Release a secret.

        Args:
            provider: whose credential.
            credential_id: which; empty: the provider's central one.
            origin: where it will be sent.

        Raises:
            NotFound: CREDENTIAL_NOT_FOUND.
            FailedPrecondition: ORIGIN_CHANGED: it was not saved for that origin.
            DataLoss: SEAL_BROKEN: what is stored does not open.
        """
        async with self._database.read() as session:
            if credential_id:
                sealed = await store.find(session, credential_id)
            else:
                sealed = await store.find_central(session, provider)
        if sealed is None or sealed.credential.provider != provider:
            if credential_id:
                raise not_found(credential_id)
            raise NotFound(
                "CREDENTIAL_NOT_FOUND",
                f"{provider} has no credential; connect it first.",
                metadata={"provider": provider},
            )
        credential = sealed.credential
        if origin not in credential.origins:
            raise FailedPrecondition(
                "ORIGIN_CHANGED",
                f"The credential of {provider} was saved for another address;"
                " save it again for this one.",
                metadata={"credential_id": credential.id, "origin": origin},
            )
        secret = await self._open(sealed)
        return resolve_pb2.ResolveCredentialResponse(
            secret=secret,
            credential=credential,
            reason=(
                resolve_pb2.RESOLUTION_REASON_CENTRAL
                if secret.HasField("api_key") or secret.headers
                else resolve_pb2.RESOLUTION_REASON_NO_KEY_NEEDED
            ),
        )

    async def _write(
        self, credential: credential_pb2.Credential, secret: provider_pb2.ProviderSecret
    ) -> bool:
        """Number, seal and store a credential; tell whether it replaces a version."""
        now = timestamp(self._clock.time_ns())
        async with self._database.write() as session:
            earlier = await store.find_central(session, credential.provider)
            credential.id = new_id("cred") if earlier is None else earlier.credential.id
            credential.version = 1 if earlier is None else earlier.credential.version + 1
            credential.create_time.CopyFrom(
                now if earlier is None else earlier.credential.create_time
            )
            credential.update_time.CopyFrom(now)
            sealed = await self._seal(credential, secret)
            await store.put(session, sealed)
        self._feed.wake()
        return earlier is not None

    async def _seal(
        self, credential: credential_pb2.Credential, secret: provider_pb2.ProviderSecret
    ) -> SealedCredential:
        keyring = self._unlocked()
        sealed = await asyncio.to_thread(
            envelope.seal, secret.SerializeToString(), binding(credential), keyring
        )
        return SealedCredential(credential, sealed, keyring.current.id)

    async def _open(self, sealed: SealedCredential) -> provider_pb2.ProviderSecret:
        credential = sealed.credential
        try:
            plaintext = await asyncio.to_thread(
                envelope.open, sealed.sealed, binding(credential), self._unlocked()
            )
        except (SealBroken, KeyMissing) as fault:
            log.error(
                "seal_broken",
                credential_id=credential.id,
                key_id=sealed.key_id,
                fault=fault.message,
            )
            raise DataLoss(
                "SEAL_BROKEN",
                str(fault),
                metadata={"credential_id": credential.id, "key_id": sealed.key_id},
            ) from None
        return provider_pb2.ProviderSecret.FromString(plaintext)

    def _unlocked(self) -> Keyring:
        if self._keyring is None:
            raise RuntimeError("the vault has no keyring yet")
        return self._keyring

    async def _destroy_remains(self) -> None:
        """Destroy what the database's log still holds of a secret that is gone.

        The secret is out of use before; this can wait for the next time.
        """
        if not await self._database.checkpoint():
            log.warning("sealed_remains_kept", database=self._database.service)


def binding(credential: credential_pb2.Credential) -> envelope.Binding:
    """Return where the sealed secret of a credential's version belongs."""
    (origin,) = credential.origins
    return envelope.Binding(
        service="credential",
        owner=credential.owner,
        on_behalf_of=credential.on_behalf_of,
        provider=credential.provider,
        credential_id=credential.id,
        version=credential.version,
        origin=origin,
        field=_FIELD,
    )


def not_found(credential_id: str) -> NotFound:
    """Return the error for a credential that does not exist."""
    return NotFound(
        "CREDENTIAL_NOT_FOUND",
        f"There is no credential {credential_id}.",
        metadata={"credential_id": credential_id},
    )
