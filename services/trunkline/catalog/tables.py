"""The tables of the catalog. Rows do not leave its stores.

Times are integer nanoseconds since 1970. Beside what was set, a row holds what its
watchers were last told: that is what is answered, and what a change is compared with.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary, text
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from trunkline.kernel.outbox import Outbox


class Tables(SQLModel, registry=registry()):
    """The base of this service's tables, with a metadata of its own."""


class ProviderRow(Tables, table=True):
    """One provider, as it was given: what is empty falls to its type.

    Attributes:
        name: its slug.
        type: name of its type.
        display_name: empty: the type's.
        base_url: empty: the type's.
        format: empty: the type's.
        headers: a JSON object.
        streaming: None: as if it were true.
        default_model: as the provider calls it; empty: none.
        enabled: it may be asked.
        etag: of this version.
        create_time_ns: when it was made.
        update_time_ns: when somebody last changed it.
        refresh_time_ns: when its list was last read; None: never.
        list_trouble: why the list could not be read, in one sentence; empty: it could.
        list_key: what the list was last read with; see `discovery`.
        published: a serialised Provider.
    """

    __tablename__ = "provider"

    name: str = Field(primary_key=True)
    type: str = Field(index=True)
    display_name: str
    base_url: str
    format: str
    headers: str
    streaming: bool | None
    default_model: str
    enabled: bool
    etag: str
    create_time_ns: int = Field(sa_type=BigInteger)
    update_time_ns: int = Field(sa_type=BigInteger)
    refresh_time_ns: int | None = Field(sa_type=BigInteger)
    list_trouble: str
    list_key: str
    published: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ModelRow(Tables, table=True):
    """One model: what was set by hand beside what its provider and our data say.

    Attributes:
        provider: its provider's name.
        id: as the provider calls it.
        manual: a serialised Model with what was set here.
        reported: a serialised Model with what the provider says.
        known: a serialised Model with what packaged data say.
        known_version: of those data; empty: they were not asked.
        enabled: it may be asked.
        deployment_default: it is the deployment's default.
        listed: the provider's list had it when it was last read.
        etag: of this version.
        create_time_ns: when it was made.
        update_time_ns: when it last changed.
        published: a serialised Model.
    """

    __tablename__ = "model"
    __table_args__ = (
        # There is one default at most, whatever the code believes.
        Index(
            "model_one_default",
            "deployment_default",
            unique=True,
            sqlite_where=text("deployment_default"),
            postgresql_where=text("deployment_default"),
        ),
    )

    provider: str = Field(primary_key=True)
    id: str = Field(primary_key=True)
    manual: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    reported: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    known: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    known_version: str
    enabled: bool
    deployment_default: bool
    listed: bool
    etag: str
    create_time_ns: int = Field(sa_type=BigInteger)
    update_time_ns: int = Field(sa_type=BigInteger)
    published: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class ChainRow(Tables, table=True):
    """One fallback chain, as it was given.

    Attributes:
        name: its slug.
        candidates: a serialised Chain that holds them and nothing else.
        balance: its number in the contract.
        fall_back_on_credential_failure: also when a central key is refused or used up.
        description: what it is for; empty: not said.
        etag: of this version.
        update_time_ns: when it was last changed.
    """

    __tablename__ = "chain"

    name: str = Field(primary_key=True)
    candidates: bytes = Field(sa_column=Column(LargeBinary, nullable=False))
    balance: int
    fall_back_on_credential_failure: bool
    description: str
    etag: str
    update_time_ns: int = Field(sa_type=BigInteger)


class RouteRow(Tables, table=True):
    """One route as the watchers know it; it follows from providers and models, or a chain.

    Attributes:
        target: `default` or `chain/{name}`.
        published: a serialised Route.
    """

    __tablename__ = "route"

    target: str = Field(primary_key=True)
    published: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


outbox = Outbox(Tables.metadata)
