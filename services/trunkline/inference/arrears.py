"""What the ledger lacks of ended durable runs, read from their journals."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from google.protobuf.message import DecodeError

from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.seal import TERMS, RunSeal, SealBroken
from trunkline.inference.journal.store import RunRecord, RunStore
from trunkline.inference.ledger import Ledger, describe
from trunkline.inference.takeover import close, recall
from trunkline.inference.terms import read_terms
from trunkline.inference.v1 import result_pb2, run_pb2, usage_pb2
from trunkline.kernel.errors import DataLoss, Unavailable
from trunkline.kernel.log import get_logger

log = get_logger("trunkline.ledger")

MAX_RUNS: Final = 16
PATIENCE_NS: Final = 5_000_000_000
"""So long after a run's end its owner, if it lives, has written the rows itself."""

OpenRun = Callable[[RunRecord], Awaitable[RunSeal]]


async def fill(ledger: Ledger, store: RunStore, open_run: OpenRun, now_ns: int) -> int:
    """Enter the attempts of ended runs that their owners did not enter.

    A run whose journal does not open can tell nothing more: it is logged, and not asked again.

    Args:
        ledger: to fill.
        store: of durable runs.
        open_run: returns what opens a run; raises DataLoss when nothing ever will, and
            Unavailable when it cannot be told now.
        now_ns: nanoseconds since 1970.

    Returns:
        How many runs were settled.

    Raises:
        JournalUnavailable: the store does not answer.
        StoreUnavailable: the ledger's database does not; the runs stay as they are.
    """
    entries: list[usage_pb2.LedgerEntry] = []
    settled: list[str] = []
    for record in await store.unledgered(MAX_RUNS):
        if 0 <= now_ns - record.ended_ns < PATIENCE_NS:
            break  # those that follow ended later
        try:
            entries += await _read(store, record, await open_run(record))
        except Unavailable:
            break
        except (DataLoss, SealBroken, DecodeError, ValueError) as error:
            log.error("run_not_ledgered", run_id=record.run_id, error=type(error).__name__)
        settled.append(record.run_id)
    await ledger.write(entries)
    if settled:
        await store.mark_ledgered(settled)
    return len(settled)


async def _read(store: RunStore, record: RunRecord, seal: RunSeal) -> list[usage_pb2.LedgerEntry]:
    """Return the attempts of a run as its journal tells them.

    Raises:
        JournalUnavailable: the store does not answer.
        SealBroken, DecodeError, ValueError: what lies there is not what was written.
    """
    terms = read_terms(
        seal.open(TERMS, 0, 0, 0, record.terms),
        record.owner,
        record.target,
        record.grace_s,
        record.retention_s,
        continues=record.continues,
    )
    recalled = await recall(Archive(store, record.run_id, seal))
    rows = (
        row if row.outcome else _close(row, recalled.said.get(number, 0), record)
        for number, row in sorted(recalled.rows.items())
    )
    return describe(record.run_id, terms, rows)


def _close(row: result_pb2.Attempt, said: int, record: RunRecord) -> result_pb2.Attempt:
    """Return a row that its process left open, closed as its run ended."""
    closed = close(row, said, record.ended_ns)
    if record.state == run_pb2.RUN_STATE_CANCELLED:
        closed.outcome = result_pb2.ATTEMPT_OUTCOME_CANCELLED
        closed.ClearField("failure")
    return closed
