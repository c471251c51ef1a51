"""Read a run's events: those that are kept here, those that lie in the store, those to come."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator

from trunkline.inference.journal.archive import Archive
from trunkline.inference.journal.memory import Trimmed
from trunkline.inference.journal.records import Kind
from trunkline.inference.journal.seal import SealBroken
from trunkline.inference.journal.store import JournalUnavailable
from trunkline.inference.openings import damaged
from trunkline.inference.refusals import journal_away, trimmed
from trunkline.inference.run import Run
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.errors import Ended, OutOfRange


async def follow(run: Run, after: int) -> AsyncGenerator[bytes]:
    """Yield the events after a sequence, serialised, and end as the run ends.

    Raises:
        OutOfRange: EVENTS_TRIMMED, SEQUENCE_AHEAD.
        Ended: the run ended without an answer.
        Unavailable: JOURNAL_UNAVAILABLE, or this process follows the run no more.
        DataLoss: what lies in the store is not what was written.
    """
    journal = run.journal
    if after > journal.visible:
        raise OutOfRange(
            "SEQUENCE_AHEAD",
            f"The run has {journal.visible} events, and more than {after} were asked for.",
            metadata={"run_id": run.id, "last_sequence": str(journal.visible)},
        )
    try:
        while True:
            # One at a time: what a slow reader held on to would be kept beyond all bounds.
            while after < journal.visible:
                if after + 1 < journal.first_sequence and run.archive is not None:
                    past = _read(run.archive, after, journal.first_sequence - 1)
                    async with contextlib.aclosing(past):
                        async for event in past:
                            after += 1
                            yield event
                    continue
                after += 1
                yield journal.get(after)
                journal.take(after)
            if journal.closed:
                break
            await journal.changed()
    except Trimmed:
        raise trimmed(run.id, journal.first_sequence, journal.visible) from None
    except JournalUnavailable:
        raise journal_away(run.id, after) from None
    except SealBroken as broken:
        raise damaged(run.id, broken) from None
    if run.parted is not None:
        raise run.parted
    if run.state != run_pb2.RUN_STATE_SUCCEEDED and run.status is not None:
        raise Ended(run.status)


async def _read(archive: Archive, after: int, last: int) -> AsyncGenerator[bytes]:
    """Yield events from the store.

    Raises:
        Trimmed: they are not kept any more.
    """
    expected = after + 1
    async with contextlib.aclosing(archive.records(after)) as records:
        async for record in records:
            if record.kind is not Kind.EVENT:
                continue
            if record.sequence != expected:
                raise Trimmed
            yield record.data
            if record.sequence == last:
                return
            expected += 1
    raise Trimmed
