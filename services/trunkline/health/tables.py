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


class CooldownRow(Tables, table=True):
    """A route that cools.

    Attributes:
        model: `provider/model` or `provider/*`.
        credential_id: `cred_…`; empty: all.
        kind: what failed last, as in the contract.
        failures: in a row.
        generation: of the cooldown; each is a revision of the outbox.
        deadline_ns: until when it is not asked.
        given_until_ns: until when the provider asked not to be asked; 0: it did not.
        trial_id: of the trial; empty: none.
        trial_end_ns: when the trial ends by itself.
        key_version: of the key, when the route began to cool.
        key_proof_ns: when the key had last been proven then, by its service's clock.
        list_ns: when the list of models had last been read then, by its service's clock.
    """

    __tablename__ = "cooldown"

    model: str = Field(primary_key=True)
    credential_id: str = Field(primary_key=True)
    kind: int
    failures: int
    generation: int = Field(sa_type=BigInteger)
    deadline_ns: int = Field(sa_type=BigInteger)
    given_until_ns: int = Field(sa_type=BigInteger)
    trial_id: str
    trial_end_ns: int = Field(sa_type=BigInteger)
    key_version: int = Field(sa_type=BigInteger)
    key_proof_ns: int = Field(sa_type=BigInteger)
    list_ns: int = Field(sa_type=BigInteger)


outbox = Outbox(Tables.metadata)
leases = declare_leases(Tables.metadata)
