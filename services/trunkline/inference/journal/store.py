"""Where durable runs lie, whatever kind of store it is.

A store knows nothing of what is said: requests, events and endings are sealed bytes to it.
It decides who owns a run. Each write about a run names the epoch that the writer believes
to be current, and is refused when it is not: that is all that keeps two owners apart.

A process proves that it lives by `renew`. A run belongs to the process that made or last
claimed it, and may be claimed when that process was silent for its lease. All times are
those of the store's own clock.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Protocol

from trunkline.inference.terms import Owner
from trunkline.inference.v1 import run_pb2

VERSION = 1
"""The writer's version of records and segments; an older build does not claim a newer one's."""

MAX_TAKEOVERS = 3

ID_SKEW_NS = 60 * 1_000_000_000
"""How well the clocks agree by which run ids sort; a list of late runs ends there."""


class JournalUnavailable(Exception):
    """The store does not answer, or not in time."""


@dataclass(frozen=True, slots=True)
class NewRun:
    """A run that begins.

    Attributes:
        run_id: `run_…`.
        owner: whose it is.
        target: what was asked for, for people.
        created_ns: nanoseconds since 1970, by the maker's clock.
        process_id: of the process that makes and owns it.
        wrapped_key: its data key, wrapped.
        terms: what was settled, sealed.
        grace_s: how long it waits for a reader when it has none.
        continues: it goes on without readers.
        retention_s: how long it is kept after its end.
        idempotency_key: digest of principal, user, method family and key; empty: none.
        request_digest: of the request as far as the key covers it; empty without a key.
    """

    run_id: str
    owner: Owner
    target: str
    created_ns: int
    process_id: str
    wrapped_key: bytes
    terms: bytes
    grace_s: float
    continues: bool
    retention_s: float
    idempotency_key: bytes = b""
    request_digest: bytes = b""


@dataclass(frozen=True, slots=True)
class RunRecord:
    """A run as it lies in the store.

    Attributes:
        run_id, owner, target, created_ns, wrapped_key, terms, grace_s, continues,
            retention_s, request_digest: as in `NewRun`.
        process_id: who owns it.
        epoch: raised by each claim, from 1.
        takeovers: claims from a process that had died.
        version: of its writer.
        state: how it stands.
        last_sequence: of the last event; 0: none yet.
        ended_ns: nanoseconds since 1970; 0: it goes on.
        status: how it ended without an answer, a serialised `google.rpc.Status`, sealed;
            empty: it goes on, or has an answer, which is its last event.
        readers: of all processes that live.
        is_read_elsewhere: some of them are another process's than the owner's.
        is_owned: the process that owns it lives.
        is_ledgered: its attempts are in the ledger.
    """

    run_id: str
    owner: Owner
    target: str
    created_ns: int
    wrapped_key: bytes
    terms: bytes
    grace_s: float
    continues: bool
    retention_s: float
    request_digest: bytes
    process_id: str
    epoch: int
    takeovers: int
    version: int
    state: run_pb2.RunState.ValueType
    last_sequence: int
    ended_ns: int
    status: bytes
    readers: int
    is_read_elsewhere: bool
    is_owned: bool
    is_ledgered: bool


@dataclass(frozen=True, slots=True)
class End:
    """How a run ends.

    Attributes:
        state: final.
        status: sealed, as in `RunRecord`; empty when it succeeded.
        frees_key: its idempotency key may be used again.
        unread_for_s: only when there was no reader for so long; None: in any case. Those
            of a process that died left when its lease ended.
    """

    state: run_pb2.RunState.ValueType
    status: bytes = b""
    frees_key: bool = False
    unread_for_s: float | None = None


@dataclass(frozen=True, slots=True)
class Append:
    """What one commit holds of one run.

    Attributes:
        run_id: whose.
        epoch: that the writer believes to be current; 0: whatever it is, for an `end`
            that somebody else than the owner writes.
        first, last: sequences of the first and last event; `last` is one less than `first`
            when there is none. A `first` of 0, or an epoch of 0: whatever the last sequence
            is, for an `end` alone; there are no events and no segment then.
        data: the segment, sealed; empty: there is none.
        state: RUNNING or WAITING, when it changes; None: as it is.
        end: the run ends with it; None: it goes on.
    """

    run_id: str
    epoch: int
    first: int
    last: int
    data: bytes
    state: run_pb2.RunState.ValueType | None = None
    end: End | None = None


class Appended(Enum):
    """What became of an append."""

    DONE = auto()
    SUPERSEDED = auto()
    """The epoch is another one, the sequence does not follow, or there is no such run."""
    ENDED = auto()
    """The run had ended before."""
    READ = auto()
    """There was a reader of late (`End.unread_for_s`): nothing was written."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a run's journal, sealed.

    Attributes:
        epoch: in which it was written.
        first, last: sequences of its first and last event; it may hold none.
        data: sealed.
    """

    epoch: int
    first: int
    last: int
    data: bytes


class Refusal(Enum):
    """Why a run cannot be claimed."""

    OWNED = auto()
    """The process that owns it lives."""
    ENDED = auto()
    """It has ended, or there is none."""
    EXHAUSTED = auto()
    """It was taken over `MAX_TAKEOVERS` times."""
    NEWER = auto()
    """A newer build wrote it."""


@dataclass(frozen=True, slots=True)
class RunQuery:
    """Which runs are listed, newest first.

    Attributes:
        principal: only of this one; empty: of all.
        on_behalf_of: only of this user of it; None: of all its users.
        before: only with smaller ids; empty: from the newest on.
        state: only in this one; 0: in any.
        since_ns: only created at or after this.
        limit: at most.
    """

    principal: str = ""
    on_behalf_of: str | None = None
    before: str = ""
    state: int = 0
    since_ns: int = 0
    limit: int = 100


class RunStore(Protocol):
    """Keeps durable runs, for all inference processes of a deployment.

    Every method raises `JournalUnavailable` when the store does not answer within its
    time; a write may have happened then.
    """

    kind: str
    """`sqlite` or `redis`."""

    async def open(self) -> None:
        """Connect, and make what is missing."""

    async def close(self) -> None:
        """Disconnect."""

    def on_wake(self, wake: Callable[[str], None]) -> None:
        """Have a function called in this loop with a run's id when somebody else wrote it.

        It is called for runs that are followed (new segments, ends, other owners), and for
        runs that this process owns when another one ended them, put something into their
        inbox, or began or ceased to read them. It may be called without need.
        """

    async def follow(self, run_id: str) -> None:
        """Begin to be woken for a run of another process."""

    async def unfollow(self, run_id: str) -> None:
        """End that."""

    def disown(self, run_id: str) -> None:
        """Note that a run is not this process's any more: nothing is left for it about the run."""

    async def renew(self, process_id: str, lease_s: float) -> None:
        """Say that a process lives, and will for so long."""

    async def retire(self, process_id: str) -> None:
        """Say that a process lives no longer: its runs may be claimed, its readers left.

        A claim of such a run is no takeover.
        """

    async def create(self, run: NewRun) -> RunRecord | None:
        """Write a run that begins, with epoch 1.

        Returns:
            The run that has the idempotency key, or the id: who is not sure that his run
            was written may write it again. Then nothing was written. None: done.
        """

    async def load(self, run_id: str) -> RunRecord | None:
        """Return a run; None: there is none."""

    async def append(self, appends: Sequence[Append]) -> list[Appended]:
        """Write, each for itself and all in one commit; in the order given.

        One that is the run's last segment again is DONE, and not written twice: its writer
        may not have heard of it. The end of a run is not taken twice.
        """

    async def read(self, run_id: str, after: int, max_bytes: int) -> list[Segment]:
        """Return the segments that hold events after a sequence, in order.

        Segments without events come too when what follows them does: each reader of the
        last sequence gets those that lie after it, however often it asks.

        Args:
            run_id: whose.
            after: a sequence; the first segment may begin before it.
            max_bytes: of segments; at least one is returned where there are any.
        """

    async def compact(self, run_id: str, epoch: int, data: bytes) -> None:
        """Replace all segments of an ended run by one.

        Args:
            run_id: that has ended.
            epoch: its last.
            data: sealed as the segment from 1 to the last sequence.
        """

    async def claim(self, run_id: str, process_id: str, epoch: int = 0) -> RunRecord | Refusal:
        """Become a run's owner: its epoch is raised.

        Args:
            run_id: that goes on.
            process_id: of the claimer, who has renewed.
            epoch: the claimer owned it in this epoch and may have it back if nobody else
                claimed it since; 0: it did not.
        """

    async def set_readers(self, run_id: str, process_id: str, count: int) -> None:
        """Note how many readers a process has of a run.

        The run's owner is woken by the first and the last one of another process.
        """

    async def put(self, run_id: str, item_id: str, digest: bytes, data: bytes) -> bool:
        """Put something into a run's inbox, and wake its owner.

        Nothing is put into a run that has ended, and that is no error.

        Args:
            run_id: that goes on.
            item_id: unique in the run.
            digest: of what it says.
            data: sealed.

        Returns:
            False: there is another one of that id with another digest.
        """

    async def inbox(self, run_id: str) -> list[tuple[str, bytes]]:
        """Return a run's inbox, in the order in which it was put."""

    async def abandoned(self, limit: int) -> list[tuple[RunRecord, float]]:
        """Return runs that go on and whose owner is gone, and for how many seconds it is.

        The longest gone come first.
        """

    async def list_runs(self, query: RunQuery) -> list[RunRecord]:
        """Return runs, newest first; `terms` is left empty, as requests may be large."""

    async def unledgered(self, limit: int) -> list[RunRecord]:
        """Return ended runs whose attempts are not in the ledger, oldest first."""

    async def mark_ledgered(self, run_ids: Sequence[str]) -> None:
        """Note that the attempts of ended runs are in the ledger."""

    async def trim(self, limit: int) -> int:
        """Destroy ended runs whose time is over and whose attempts are in the ledger.

        The data key goes first.

        Returns:
            How many.
        """

    async def take_turn(self, name: str, process_id: str, lease_s: float) -> bool:
        """Take or keep a lease on periodic work of the fleet; False: another has it."""
