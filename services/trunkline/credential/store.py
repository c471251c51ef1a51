"""Credentials at rest. What a row holds of the secret is sealed before it comes here."""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.message import Message
from sqlmodel import col, func, select
from sqlmodel.sql.expression import SelectOfScalar

from trunkline.credential import content_key_store
from trunkline.credential.tables import CredentialRow, credential_outbox
from trunkline.credential.v1 import credential_pb2, resolve_pb2
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.database import Session
from trunkline.kernel.watch import paged


@dataclass(frozen=True, slots=True)
class SealedCredential:
    """A credential with its sealed secret.

    Attributes:
        credential: the entry, as it is seen from outside.
        sealed: the secret of its version, sealed.
        key_id: the key-encryption key that wraps it.
    """

    credential: credential_pb2.Credential
    sealed: bytes = field(repr=False)
    key_id: str


async def key_ids(session: Session) -> frozenset[str]:
    """Return the ids of the key-encryption keys that wrap what is stored."""
    found = await session.exec(select(CredentialRow.key_id).distinct())
    return frozenset(found.all())


async def find(session: Session, credential_id: str) -> SealedCredential | None:
    """Return a credential by id; None: there is none."""
    row = await session.get(CredentialRow, credential_id)
    return None if row is None else _sealed(row)


async def find_first(session: Session, provider: str) -> SealedCredential | None:
    """Return the first of a provider's central credentials; None: it has none."""
    first = _central(provider).order_by(
        col(CredentialRow.rank), col(CredentialRow.create_time_ns), col(CredentialRow.id)
    )
    row = (await session.exec(first.limit(1))).one_or_none()
    return None if row is None else _sealed(row)


async def find_labelled(
    session: Session, provider: str, label: str
) -> credential_pb2.Credential | None:
    """Return a provider's central credential of a label; None: it has none."""
    labelled = _central(provider).where(CredentialRow.label == label)
    row = (await session.exec(labelled)).one_or_none()
    return None if row is None else _credential(row)


async def count_central(session: Session, provider: str) -> int:
    """Return how many central credentials a provider has."""
    counted = select(func.count()).select_from(_central(provider).subquery())
    return (await session.exec(counted)).one()


async def page(
    session: Session, *, provider: str, after: str | None, size: int
) -> list[credential_pb2.Credential]:
    """Return credentials by provider, then id.

    Args:
        session: a transaction.
        provider: only of this one; empty: of all.
        after: `sort_key` of the last one before the page; None: from the first on.
        size: how many at most.
    """
    query = select(CredentialRow).order_by(col(CredentialRow.provider), col(CredentialRow.id))
    if provider:
        query = query.where(CredentialRow.provider == provider)
    if after is not None:
        last_provider, _, last_id = after.partition("/")
        query = query.where(
            (col(CredentialRow.provider) > last_provider)
            | ((col(CredentialRow.provider) == last_provider) & (col(CredentialRow.id) > last_id))
        )
    rows = await session.exec(query.limit(size))
    return [_credential(row) for row in rows]


def sort_key(credential: credential_pb2.Credential) -> str:
    """Return what a list of credentials is sorted by, as text."""
    return f"{credential.provider}/{credential.id}"


async def put(session: Session, sealed: SealedCredential) -> None:
    """Save a credential in the place of its earlier version, and tell the watchers.

    Nothing is kept of the earlier version.
    """
    await session.merge(_row(sealed))
    await credential_outbox.append(
        session, resolve_pb2.WatchCredentialsResponse(credential=sealed.credential)
    )


async def delete(session: Session, credential_id: str) -> bool:
    """Remove a credential with its sealed secret, and tell the watchers.

    Returns:
        Whether there was one.
    """
    row = await session.get(CredentialRow, credential_id)
    if row is None:
        return False
    await session.delete(row)
    await credential_outbox.append(
        session, resolve_pb2.WatchCredentialsResponse(deleted_credential_id=credential_id)
    )
    return True


async def snapshot(session: Session) -> list[Message]:
    """Return the view as it is, in pages."""
    rows = await session.exec(select(CredentialRow).order_by(col(CredentialRow.id)))
    pages = paged(resolve_pb2.CredentialPage, "credentials", [_credential(row) for row in rows])
    content_key_id = await content_key_store.watched_id(session)
    if content_key_id:
        pages.append(resolve_pb2.CredentialPage(content_key_id=content_key_id))
    return pages


def _central(provider: str) -> SelectOfScalar[CredentialRow]:
    """Return the query for a provider's central credentials."""
    return select(CredentialRow).where(
        CredentialRow.provider == provider,
        CredentialRow.owner == "",
        CredentialRow.on_behalf_of == "",
    )


def _sealed(row: CredentialRow) -> SealedCredential:
    return SealedCredential(_credential(row), row.sealed, row.key_id)


def _credential(row: CredentialRow) -> credential_pb2.Credential:
    return credential_pb2.Credential(
        id=row.id,
        provider=row.provider,
        scope=(
            failure_pb2.CREDENTIAL_SCOPE_PERSONAL
            if row.owner
            else failure_pb2.CREDENTIAL_SCOPE_CENTRAL
        ),
        owner=row.owner,
        on_behalf_of=row.on_behalf_of,
        label=row.label,
        rank=row.rank,
        kind=credential_pb2.CredentialKind.ValueType(row.kind),
        state=credential_pb2.CredentialState.ValueType(row.state),
        version=row.version,
        base_url=row.base_url,
        organization=row.organization,
        project=row.project,
        source=credential_pb2.CredentialSource.ValueType(row.source),
        verification=provider_pb2.Verification.FromString(row.verification),
        origins=[row.origin],
        create_time=timestamp(row.create_time_ns),
        update_time=timestamp(row.update_time_ns),
    )


def _row(sealed: SealedCredential) -> CredentialRow:
    credential = sealed.credential
    (origin,) = credential.origins
    return CredentialRow(
        id=credential.id,
        provider=credential.provider,
        owner=credential.owner,
        on_behalf_of=credential.on_behalf_of,
        label=credential.label,
        rank=credential.rank,
        kind=credential.kind,
        state=credential.state,
        version=credential.version,
        base_url=credential.base_url,
        origin=origin,
        organization=credential.organization,
        project=credential.project,
        source=credential.source,
        verification=credential.verification.SerializeToString(),
        key_id=sealed.key_id,
        sealed=sealed.sealed,
        create_time_ns=credential.create_time.ToNanoseconds(),
        update_time_ns=credential.update_time.ToNanoseconds(),
    )
