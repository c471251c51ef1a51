"""Make runs of this process out of terms, and out of what lies in the store."""

from __future__ import annotations

from collections.abc import Callable

from google.rpc import status_pb2

from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.content_keys import ContentKeys
from trunkline.inference.journal.seal import (
    STATUS,
    TERMS,
    RunSeal,
    SealBroken,
    key_id_of,
    make_run_key,
    open_run_key,
)
from trunkline.inference.journal.store import NewRun, RunRecord, RunStore
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.terms import Terms, read_terms, write_terms
from trunkline.kernel.clock import Clock
from trunkline.kernel.errors import DataLoss
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.run")


class Openings:
    """Makes durable runs, and opens those that are there.

    Args:
        runs: of this process.
        store: of all processes.
        keys: seal what is stored.
        clock: the time.

    Attributes:
        on_unread, on_readers: as of `Run`, for each run that is made.
    """

    def __init__(self, runs: Runs, store: RunStore, keys: ContentKeys, clock: Clock) -> None:
        self._runs = runs
        self._store = store
        self._keys = keys
        self._clock = clock
        self.on_unread: Callable[[Run], None] | None = None
        self.on_readers: Callable[[Run], None] | None = None

    async def draft(self, terms: Terms, process_id: str) -> tuple[NewRun, RunSeal]:
        """Return a run as it is written first, and what seals it.

        Raises:
            Unavailable: PEER_UNAVAILABLE: there is no key to seal with.
        """
        key_id, content_key = await self._keys.current()
        run_id = new_id("run")
        wrapped, seal = make_run_key(key_id, content_key, run_id)
        new = NewRun(
            run_id=run_id,
            owner=terms.owner,
            target=terms.target,
            created_ns=self._clock.time_ns(),
            process_id=process_id,
            wrapped_key=wrapped,
            terms=seal.seal(TERMS, 0, 0, 0, write_terms(terms)),
            grace_s=terms.grace_s,
            continues=terms.continues,
            retention_s=terms.retention_s,
            idempotency_key=terms.key_digest,
            request_digest=terms.request_digest,
        )
        return new, seal

    def begin(self, terms: Terms, new: NewRun, seal: RunSeal) -> Run:
        """Return the run that was written."""
        return self._make(terms, new.created_ns, seal, new.run_id, last_sequence=0, is_owned=True)

    async def open(self, record: RunRecord) -> RunSeal:
        """Return what opens a run.

        Raises:
            DataLoss: the key is lost, or not the run's.
            Unavailable: PEER_UNAVAILABLE.
        """
        try:
            content_key = await self._keys.get(key_id_of(record.wrapped_key))
            return open_run_key(record.wrapped_key, record.run_id, content_key)
        except SealBroken as broken:
            raise damaged(record.run_id, broken) from None

    async def status_of(self, record: RunRecord) -> status_pb2.Status | None:
        """Return how a run ended without an answer; None: it did not.

        Raises:
            DataLoss, Unavailable: as `open`.
        """
        if not record.status:
            return None
        seal = await self.open(record)
        try:
            return status_pb2.Status.FromString(seal.open(STATUS, 0, 0, 0, record.status))
        except SealBroken as broken:
            raise damaged(record.run_id, broken) from None

    async def recall(self, record: RunRecord) -> Run:
        """Return a run as this process knows it, from now on if it did not.

        Raises:
            DataLoss: what lies in the store is not what was written.
            Unavailable: PEER_UNAVAILABLE.
        """
        run = self._runs.known(record.run_id)
        if run is not None:
            return run
        seal = await self.open(record)
        run = self._runs.known(record.run_id)
        if run is not None:
            return run  # somebody else recalled it meanwhile
        try:
            data = seal.open(TERMS, 0, 0, 0, record.terms)
        except SealBroken as broken:
            raise damaged(record.run_id, broken) from None
        try:
            terms = read_terms(
                data,
                record.owner,
                record.target,
                record.grace_s,
                record.retention_s,
                continues=record.continues,
            )
        except ValueError as error:
            raise damaged(record.run_id, error) from None
        run = self._make(
            terms,
            record.created_ns,
            seal,
            record.run_id,
            # What has ended is read from the store, from wherever its reader is.
            last_sequence=0 if record.ended_ns else record.last_sequence,
            is_owned=False,
        )
        self._runs.know(run)
        return run

    def _make(
        self,
        terms: Terms,
        created_ns: int,
        seal: RunSeal,
        run_id: str,
        *,
        last_sequence: int,
        is_owned: bool,
    ) -> Run:
        """Return a run whose journal goes on after a sequence."""
        run = Run(
            run_id,
            terms,
            self._runs.make_durable_journal(last_sequence),
            self._clock,
            self._runs.note_end,
            Archive(self._store, run_id, seal),
            created_ns=created_ns,
            is_owned=is_owned,
        )
        run.on_unread = self.on_unread
        run.on_readers = self.on_readers
        return run


def damaged(run_id: str, broken: Exception) -> DataLoss:
    """Log that a run cannot be opened, and return the error for it."""
    log.error("run_cannot_be_opened", run_id=run_id, reason=str(broken))
    return DataLoss(
        "INTERNAL",
        "What lies in the journal is not what was written.",
        metadata={"run_id": run_id},
    )
