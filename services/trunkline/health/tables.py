"""The tables of the health service. Rows do not leave its store.

Times are integer nanoseconds since 1970, minutes integer minutes since 1970.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, LargeBinary
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from trunkline.kernel.outbox import Outbox


class Tables(SQLModel, registry=registry()):
    """The base of this service's tables, with a metadata of its own."""


class ProviderRow(Tables, table=True):
    """One provider that the catalog knows.

    Attributes:
        name: of the provider.
        state: a serialised ProviderHealth without its traffic.
    """

    __tablename__ = "provider"

    name: str = Field(primary_key=True)
    state: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


class TrafficRow(Tables, table=True):
    """The traffic of one model in one minute.

    Attributes:
        model: `provider/model`.
        minute: since 1970.
        tally: a serialised TrafficHealth.
    """

    __tablename__ = "traffic"

    model: str = Field(primary_key=True)
    minute: int = Field(sa_type=BigInteger, primary_key=True, index=True)
    tally: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


outbox = Outbox(Tables.metadata)
