"""The journal of a MEMORY run against a model of it, and who is woken when."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from trunkline.inference.journal.memory import Allowance, MemoryJournal, Trimmed
from trunkline.inference.v1 import event_pb2

_UNTAKEN = 400
_KEPT = 1_000


class _Hands:
    """A clock whose hands move by a second with every look."""

    def __init__(self) -> None:
        self.now = 0

    def time_ns(self) -> int:
        """Return the next second."""
        self.now += 1_000_000_000
        return self.now

    def monotonic(self) -> float:
        """Return the last second."""
        return self.now / 1e9


def _journal(count: Any = lambda size: None) -> MemoryJournal:
    return MemoryJournal(_Hands(), allowance=Allowance(_UNTAKEN), kept_bytes=_KEPT, count=count)


def _text(size: int) -> event_pb2.ChatEvent:
    return event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text="x" * size))


class JournalMachine(RuleBasedStateMachine):
    """Appends, readers and trims in any order, beside a list that forgets nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.counted = 0
        self.journal = _journal(self._count)
        self.written: list[bytes] = []
        self.readers = [0, 0]
        self.taken = 0

    def _count(self, size: int) -> None:
        self.counted += size

    @precondition(lambda self: not self.journal.closed)
    @rule(size=st.integers(1, 300))
    def append(self, size: int) -> None:
        """Write an event."""
        event = _text(size)
        self.journal.append(event)
        self.written.append(event.SerializeToString())

    @rule(reader=st.integers(0, 1), most=st.integers(1, 5))
    def read(self, reader: int, most: int) -> None:
        """Let a reader take what comes next, or learn that it is gone."""
        after = self.readers[reader]
        if after + 1 < self.journal.first_sequence:
            with pytest.raises(Trimmed):
                self.journal.get(after + 1)
            self.readers[reader] = self.journal.first_sequence - 1
            return
        for written in self.written[after : after + most]:
            self.readers[reader] += 1
            assert self.journal.get(self.readers[reader]) == written
            self.journal.take(self.readers[reader])
        self.taken = max(self.taken, self.readers[reader])

    @rule(size=st.integers(0, _KEPT))
    def trim(self, size: int) -> None:
        """Forget what was taken, down to a size."""
        self.journal.trim(size)
        assert self.journal.size <= size or self._first_that_stays() <= self.journal.first_sequence

    @precondition(lambda self: self.journal.closed)
    @rule()
    def forget(self) -> None:
        """Forget everything."""
        self.journal.forget()
        assert self.journal.size == 0

    @rule()
    def close(self) -> None:
        """Let no event follow."""
        self.journal.close()

    def _first_that_stays(self) -> int:
        """Return the first event that no bound trims: what nobody took, and the last one."""
        return min(self.taken + 1, max(1, len(self.written)))

    @invariant()
    def numbers_have_no_gap(self) -> None:
        """Events are numbered from 1, and keep their bytes under their number."""
        journal = self.journal
        assert journal.last_sequence == len(self.written)
        for number in range(journal.first_sequence, journal.last_sequence + 1):
            data = journal.get(number)
            assert data == self.written[number - 1]
            assert event_pb2.ChatEvent.FromString(data).sequence == number

    @invariant()
    def sizes_add_up(self) -> None:
        """What is kept is counted, here and by who asked to be told."""
        kept = self.written[self.journal.first_sequence - 1 :]
        assert self.journal.size == self.counted == sum(map(len, kept))

    @invariant()
    def what_nobody_took_is_kept(self) -> None:
        """Only what was taken is trimmed, and that down to the bound, unless all is forgotten."""
        journal = self.journal
        assert journal.size <= _KEPT or self._first_that_stays() <= journal.first_sequence
        if journal.first_sequence <= journal.last_sequence:
            assert journal.first_sequence <= self.taken + 1

    @invariant()
    def room_is_what_was_taken(self) -> None:
        """There is room as long as little waits for a reader, and when nothing will follow."""
        journal = self.journal
        first = max(self.taken, journal.first_sequence - 1)
        untaken = sum(map(len, self.written[first:]))
        assert journal.has_room() == (untaken <= _UNTAKEN or journal.closed)


JournalMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=30, deadline=None, database=None
)
TestJournal = JournalMachine.TestCase


async def test_event_gets_its_number_and_time_when_it_is_written() -> None:
    """An event bears its number and the moment of its writing."""
    journal = _journal()
    for _ in range(3):
        journal.append(_text(1))
    events = [event_pb2.ChatEvent.FromString(journal.get(number)) for number in (1, 2, 3)]
    assert [(event.sequence, event.time.seconds) for event in events] == [(1, 1), (2, 2), (3, 3)]


@pytest.mark.parametrize("what", ["append", "close"])
async def test_every_reader_that_waits_is_woken(what: str) -> None:
    """An event wakes all readers, and so does the end."""
    journal = _journal()
    waiting = [asyncio.create_task(journal.changed()) for _ in range(3)]
    await asyncio.sleep(0)
    assert not any(task.done() for task in waiting)
    if what == "append":
        journal.append(_text(1))
    else:
        journal.close()
    async with asyncio.timeout(1):
        await asyncio.gather(*waiting)


async def test_reader_that_left_is_not_held_on_to() -> None:
    """Readers that come and go while nothing happens leave nothing behind."""
    journal = _journal()
    stays = asyncio.create_task(journal.changed())
    for _ in range(100):
        leaves = asyncio.create_task(journal.changed())
        await asyncio.sleep(0)
        leaves.cancel()
        await asyncio.gather(leaves, return_exceptions=True)
    # Nothing but memory tells, so that the test must look inside.
    assert len(journal._readers) == 1
    journal.append(_text(1))
    async with asyncio.timeout(1):
        await stays


async def test_producer_waits_until_a_reader_has_taken_enough() -> None:
    """Above the bound of what nobody took the producer waits, and a reader lets it go on."""
    journal = _journal()
    for _ in range(4):
        journal.append(_text(150))
    assert not journal.has_room()
    waiting = asyncio.create_task(journal.wait_room())
    journal.take(1)
    await asyncio.sleep(0)
    assert not waiting.done()
    journal.take(2)
    async with asyncio.timeout(1):
        await waiting
    assert journal.has_room()


async def test_producer_does_not_wait_for_a_run_that_ended() -> None:
    """The end of a run lets its producer go on, to find that out."""
    journal = _journal()
    for _ in range(4):
        journal.append(_text(150))
    waiting = asyncio.create_task(journal.wait_room())
    await asyncio.sleep(0)
    journal.close()
    async with asyncio.timeout(1):
        await waiting
