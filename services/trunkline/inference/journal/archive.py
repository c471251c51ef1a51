"""What the store has of one durable run, opened."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from trunkline.inference.journal.records import Kind, pack, unpack
from trunkline.inference.journal.seal import SEGMENT, RunSeal
from trunkline.inference.journal.store import RunStore

PAGE_BYTES = 512 * 1024


@dataclass(frozen=True, slots=True)
class Stored:
    """A record of a segment.

    Attributes:
        kind: what it is.
        sequence: of an event; 0: it is none.
        data: serialised.
    """

    kind: Kind
    sequence: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Archive:
    """A durable run in its store.

    Attributes:
        store: of durable runs.
        run_id: whose.
        seal: opens it.
    """

    store: RunStore
    run_id: str
    seal: RunSeal

    async def records(self, after: int) -> AsyncGenerator[Stored]:
        """Yield what was stored, from the event after a sequence on.

        Records without a sequence that lie in the same segment as earlier events may come too.

        Raises:
            JournalUnavailable: the store does not answer.
            SealBroken: what lies there is not what was written.
        """
        while True:
            segments = await self.store.read(self.run_id, after, PAGE_BYTES)
            if not segments:
                return
            reached = after
            for segment in segments:
                data = self.seal.open(
                    SEGMENT, segment.epoch, segment.first, segment.last, segment.data
                )
                sequence = segment.first - 1
                for kind, record in unpack(data):
                    if kind is not Kind.EVENT:
                        yield Stored(kind, 0, record)
                        continue
                    sequence += 1
                    if sequence > after:
                        yield Stored(kind, sequence, record)
                reached = max(reached, segment.last)
            if reached == after:
                return
            after = reached

    async def event(self, sequence: int) -> bytes | None:
        """Return one event, serialised; None: it does not lie there.

        Raises:
            JournalUnavailable, SealBroken: as `records`.
        """
        async with contextlib.aclosing(self.records(sequence - 1)) as records:
            async for stored in records:
                if stored.sequence == sequence:
                    return stored.data
        return None

    async def compact(self, epoch: int, last: int) -> None:
        """Replace what lies there by one segment; the run has ended.

        Args:
            epoch: its last.
            last: the sequence of its last event.

        Raises:
            JournalUnavailable, SealBroken: as `records`.
        """
        records = [(stored.kind, stored.data) async for stored in self.records(0)]
        sealed = self.seal.seal(SEGMENT, epoch, 1, last, pack(records))
        await self.store.compact(self.run_id, epoch, sealed)
