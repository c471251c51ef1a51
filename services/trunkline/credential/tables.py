"""The tables of the credential service. Rows do not leave its stores.

Times are integer nanoseconds since 1970.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary, UniqueConstraint
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from trunkline.kernel.outbox import Outbox


class Tables(SQLModel, registry=registry()):
    """The base of this service's tables, with a metadata of its own."""


class CredentialRow(Tables, table=True):
    """One credential with the sealed secret of its active version.

    Attributes:
        id: `cred_…`.
        provider: its name in the catalog.
        owner: the principal; empty: central.
        on_behalf_of: the owner's user; empty: none.
        label: tells several keys of one provider and owner apart.
        rank: orders them; lower first, equal ones by age.
        kind: number of a CredentialKind.
        state: number of a CredentialState.
        version: counted from 1.
        base_url: replaces the provider's; empty: it does not.
        origin: that the secret is bound to.
        organization: sent with every request; empty: none.
        project: sent with every request; empty: none.
        source: number of a CredentialSource.
        verification: a serialised Verification.
        key_id: the key-encryption key that wraps `sealed`.
        sealed: a serialised ProviderSecret, sealed.
        create_time_ns: when the first version was saved.
        update_time_ns: when this version was saved.
    """

    __tablename__ = "credential"
    __table_args__ = (
        UniqueConstraint("provider", "owner", "on_behalf_of", "label", name="credential_label_key"),
    )

    id: str = Field(primary_key=True)
    provider: str
    owner: str
    on_behalf_of: str
    label: str
    rank: int
    kind: int
    state: int
    version: int = Field(sa_type=BigInteger)
    base_url: str
    origin: str
    organization: str
    project: str
    source: int
    verification: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    key_id: str
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    create_time_ns: int = Field(sa_type=BigInteger)
    update_time_ns: int = Field(sa_type=BigInteger)


class ContentKeyRow(Tables, table=True):
    """One sealed key for another service's content; kept when another is current.

    Attributes:
        id: `dek_…`.
        purpose: what it seals.
        generation: counted from 1 for each purpose; the highest is current.
        key_id: the key-encryption key that wraps `sealed`.
        sealed: the key, sealed.
        create_time_ns: when it was made, by the clock of all who share the database.
    """

    __tablename__ = "content_key"
    __table_args__ = (UniqueConstraint("purpose", "generation", name="content_key_generation_key"),)

    id: str = Field(primary_key=True)
    purpose: str
    generation: int = Field(sa_type=BigInteger)
    key_id: str
    sealed: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    create_time_ns: int = Field(sa_type=BigInteger)


class AccessTokenRow(Tables, table=True):
    """One access token, by its hash; kept when it has ended.

    Attributes:
        id: `tok_…`.
        hash: SHA-256 of the token.
        principal: who calls with it.
        role: number of a CallerRole.
        scope: a serialised AccessScope; None: as far as the role.
        description: what it is for.
        ended: the watchers were told that it holds no more.
        create_time_ns: when it was made.
        expire_time_ns: when it ends; None: never.
        revoke_time_ns: when it was revoked; None: it was not.
    """

    __tablename__ = "access_token"

    id: str = Field(primary_key=True)
    hash: bytes = Field(sa_column=Column(LargeBinary, nullable=False, unique=True))
    principal: str = Field(index=True)
    role: int
    scope: bytes | None = Field(sa_column=Column(LargeBinary, nullable=True))
    description: str
    ended: bool = Field(index=True)
    create_time_ns: int = Field(sa_type=BigInteger)
    expire_time_ns: int | None = Field(sa_type=BigInteger)
    revoke_time_ns: int | None = Field(sa_type=BigInteger)


credential_outbox = Outbox(Tables.metadata, "credential")
access_outbox = Outbox(Tables.metadata, "access")
