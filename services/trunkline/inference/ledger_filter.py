"""Which rows of the ledger somebody asks for, as far as they may be seen."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeVar

from sqlmodel import col
from sqlmodel.sql.expression import Select, SelectOfScalar

from trunkline.inference.ledger_tables import AttemptRow, Tables
from trunkline.inference.terms import own
from trunkline.inference.v1 import usage_pb2
from trunkline.kernel.bounds import read_time
from trunkline.kernel.call import Caller

LATEST_NS: Final = 2**63 - 1

_TABLE: Final = Tables.metadata.tables["attempt"]

S = TypeVar("S", Select, SelectOfScalar)  # type: ignore[type-arg] # of any columns


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries are meant; all that is set must hold.

    Attributes:
        principal: whose runs; empty: anybody's.
        on_behalf_of: of this user of it; None: of itself and all its users.
        start_ns: only those that began at or after this, in nanoseconds since 1970.
        end_ns: only those that began before this.
        provider, model, role, agent, run_id: empty: any.
    """

    principal: str = ""
    on_behalf_of: str | None = None
    start_ns: int = 0
    end_ns: int = LATEST_NS
    provider: str = ""
    model: str = ""
    role: str = ""
    agent: str = ""
    run_id: str = ""

    def narrow(self, found: S) -> S:
        """Return a query of attempts, narrowed to those that are meant."""
        for name in ("principal", "provider", "model", "role", "agent", "run_id"):
            if value := getattr(self, name):
                found = found.where(_TABLE.c[name] == storable(value))
        if self.on_behalf_of is not None:
            found = found.where(_TABLE.c.on_behalf_of == storable(self.on_behalf_of))
        if self.start_ns > 0:
            found = found.where(col(AttemptRow.start_ns) >= self.start_ns)
        if self.end_ns < LATEST_NS:
            found = found.where(col(AttemptRow.start_ns) < self.end_ns)
        return found


def read_filter(
    wanted: usage_pb2.UsageFilter, on_behalf_of: str, caller: Caller
) -> EntryFilter | None:
    """Return what is asked for, as far as the caller may see it; None: that is nothing.

    A DEVELOPER sees its own rows, and an ADMIN all; who names a user that one's.

    Args:
        wanted: of the request.
        on_behalf_of: the user that the request names; empty: none.
        caller: who asks.

    Raises:
        InvalidArgument: INVALID_REQUEST naming the time that is none.
        PermissionDenied: OUT_OF_SCOPE: the token may not name users.
    """
    owner = own(caller, on_behalf_of)
    principal = wanted.principal
    if on_behalf_of or not caller.is_admin:
        if principal not in ("", owner.principal):
            return None
        principal = owner.principal
    start_ns, end_ns = 0, LATEST_NS
    if wanted.HasField("start_time"):
        start_ns = min(read_time(wanted.start_time, "filter.start_time"), LATEST_NS)
    if wanted.HasField("end_time"):
        end_ns = max(0, read_time(wanted.end_time, "filter.end_time"))
    return EntryFilter(
        principal=principal,
        on_behalf_of=owner.on_behalf_of or None,
        start_ns=start_ns,
        end_ns=end_ns,
        provider=wanted.provider,
        model=wanted.model,
        role=wanted.role,
        agent=wanted.agent,
        run_id=wanted.run_id,
    )


def storable(value: str) -> str:
    """Return a text as every database takes it: PostgreSQL knows no U+0000."""
    return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
