"""The tables of the health service. Rows do not leave its store.

Times are integer nanoseconds since 1970, minutes integer minutes since 1970.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, LargeBinary
from sqlalchemy.orm import registry
from sqlmodel import Field, SQLModel

from trunkline.kernel.lease import declare_leases
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


class SnapshotRow(Tables, table=True):
    """What one probe found.

    Attributes:
        time_ns: when it was made.
        provider: of the provider.
        status: of its address, as in the contract.
        snapshot: a serialised Snapshot.
    """

    __tablename__ = "snapshot"
    # By time for a list of all, and by provider for its own and for its uptime.
    __table_args__ = (Index("ix_snapshot_provider", "provider", "time_ns", "status"),)

    time_ns: int = Field(sa_type=BigInteger, primary_key=True)
    provider: str = Field(primary_key=True)
    status: int
    snapshot: bytes = Field(sa_column=Column(LargeBinary, nullable=False))


outbox = Outbox(Tables.metadata)
leases = declare_leases(Tables.metadata)
