"""Credentials from the moment they are brought in to the moment they are released.

A secret is proven before it is sealed, sealed before it is stored, and released only
for the origin that it was proven and sealed for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from trunkline.credential import envelope, store
from trunkline.credential.proof import Prover, Trial, judge
from trunkline.credential.providers import find_provider, parse_address
from trunkline.credential.safe import Safe
from trunkline.credential.store import SealedCredential
from trunkline.credential.v1 import credential_pb2, resolve_pb2
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.database import Database, Session
from trunkline.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, Violation
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.watch import Feed
from trunkline.views.catalog import CatalogView

log = get_logger("trunkline.credential")

DEFAULT_LABEL: Final = "default"
MAX_KEYS: Final = 16
_FIELD = "secret"
# The wire format whose requests are signed.
_SIGNED_FORMAT: Final = "bedrock"


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
        label: which of the provider's keys it replaces.
        rank: its place among them; lower first.
    """

    provider: str
    kind: credential_pb2.CredentialKind.ValueType
    secret: provider_pb2.ProviderSecret = field(repr=False)
    base_url: str
    purpose: provider_pb2.ProbePurpose.ValueType
    allow_unverified: bool
    label: str = DEFAULT_LABEL
    rank: int = 0


class Vault:
    """Saves, releases and removes credentials.

    Args:
        database: where they lie.
        feed: whose readers are told.
        catalog: which providers there are.
        prover: proves a secret.
        safe: seals and opens.
        clock: tells the time.
    """

    def __init__(
        self,
        database: Database,
        feed: Feed,
        catalog: CatalogView,
        prover: Prover,
        safe: Safe,
        clock: Clock,
    ) -> None:
        self._database = database
        self._feed = feed
        self._catalog = catalog
        self._prover = prover
        self._safe = safe
        self._clock = clock

    async def save(self, draft: Draft) -> credential_pb2.Credential:
        """Prove a secret, then save it as the new version of the credential of its label.

        Nothing is written before it is proven: an earlier version stays active.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            InvalidArgument: ADDRESS_REFUSED; WRONG_SECRET_KIND: its format does not sign;
                INVALID_REQUEST: the provider has as many other keys as it can have, or the
                token has ended.
            FailedPrecondition: VERIFICATION_FAILED.
            Unavailable: VERIFICATION_IMPOSSIBLE, PEER_UNAVAILABLE.
        """
        _check_lasts(draft.secret, self._clock.time_ns())
        provider = await find_provider(self._catalog, draft.provider)
        _check_kind(draft, provider.endpoint.format)
        own = parse_address(draft.base_url) if draft.base_url.strip() else None
        address = own or parse_address(provider.endpoint.base_url)
        async with self._database.read() as session:
            # Nobody's provider is asked about a key that could not be kept.
            await _find_place(session, draft.provider, draft.label)
        trial = Trial(draft.provider, address, draft.secret, draft.purpose)
        verification = await self._prover.prove(trial)
        state = judge(trial, verification, allow_unverified=draft.allow_unverified)
        if not verification.HasField("time"):
            verification.time.CopyFrom(timestamp(self._clock.time_ns()))
        credential = credential_pb2.Credential(
            provider=draft.provider,
            scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
            label=draft.label,
            rank=draft.rank,
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
            credential_id: which; empty: the first of the provider's central ones.
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
                sealed = await store.find_first(session, provider)
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
                if secret.WhichOneof("kind") or secret.headers
                else resolve_pb2.RESOLUTION_REASON_NO_KEY_NEEDED
            ),
        )

    async def _write(
        self, credential: credential_pb2.Credential, secret: provider_pb2.ProviderSecret
    ) -> bool:
        """Number, seal and store a credential; tell whether it replaces a version."""
        now = timestamp(self._clock.time_ns())
        async with self._database.write() as session:
            earlier = await _find_place(session, credential.provider, credential.label)
            credential.id = new_id("cred") if earlier is None else earlier.id
            credential.version = 1 if earlier is None else earlier.version + 1
            credential.create_time.CopyFrom(now if earlier is None else earlier.create_time)
            credential.update_time.CopyFrom(now)
            sealed = await self._seal(credential, secret)
            await store.put(session, sealed)
        self._feed.wake()
        return earlier is not None

    async def _seal(
        self, credential: credential_pb2.Credential, secret: provider_pb2.ProviderSecret
    ) -> SealedCredential:
        plaintext = secret.SerializeToString()
        return SealedCredential(credential, *await self._safe.seal(plaintext, binding(credential)))

    async def _open(self, sealed: SealedCredential) -> provider_pb2.ProviderSecret:
        place = binding(sealed.credential)
        plaintext = await self._safe.open(sealed.sealed, place, sealed.key_id)
        return provider_pb2.ProviderSecret.FromString(plaintext)

    async def _destroy_remains(self) -> None:
        """Destroy what the database's log still holds of a secret that is gone.

        The secret is out of use before; this can wait for the next time.
        """
        if not await self._database.checkpoint():
            log.warning("sealed_remains_kept", database=self._database.service)


def _check_lasts(secret: provider_pb2.ProviderSecret, now_ns: int) -> None:
    """Refuse a token that has ended.

    Raises:
        InvalidArgument: INVALID_REQUEST.
    """
    token = secret.bearer_token
    if token.HasField("expire_time") and token.expire_time.ToNanoseconds() <= now_ns:
        raise InvalidArgument.of(
            Violation("bearer_token.expire_time", "has passed; bring a token that lasts")
        )


def _check_kind(draft: Draft, wire_format: str) -> None:
    """Refuse keys that sign where nothing is signed: nothing would authenticate there.

    Raises:
        InvalidArgument: WRONG_SECRET_KIND.
    """
    if draft.secret.HasField("aws_keys") and wire_format != _SIGNED_FORMAT:
        raise InvalidArgument(
            "WRONG_SECRET_KIND",
            f"{draft.provider} takes no AWS keys: its format is {wire_format}.",
            metadata={"provider": draft.provider, "expected": "api_key"},
        )


async def _find_place(
    session: Session, provider: str, label: str
) -> credential_pb2.Credential | None:
    """Return the credential that a key of a label replaces; None: it has room beside others.

    Raises:
        InvalidArgument: INVALID_REQUEST: it has none.
    """
    earlier = await store.find_labelled(session, provider, label)
    if earlier is None and await store.count_central(session, provider) >= MAX_KEYS:
        raise InvalidArgument.of(
            Violation(
                "label",
                f"{provider} has {MAX_KEYS} keys, which is as many as it can have, and none"
                f" is labelled {label}; replace or delete one",
            )
        )
    return earlier


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
