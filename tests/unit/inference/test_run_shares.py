"""What all runs together may hold unread: each its part, however many they are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from trunkline.inference.answers import wait_end
from trunkline.inference.following import follow
from trunkline.inference.run import Run
from trunkline.inference.runs import Runs
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2, event_pb2, result_pb2, usage_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.errors import OutOfRange
from trunkline.options.v1 import options_pb2

KIB = 1024
MIB = 1024 * KIB
PIECE = event_pb2.ChatEvent(text_delta=event_pb2.TextDelta(text="x" * KIB))
# The event that goes over the bound, and the first one, which says that the run has begun.
ON_TOP = 2 * KIB


async def _fill(run: Run) -> None:
    """Say all that there is room for, as a provider does whose answer nobody reads."""
    while True:
        while run.journal.has_room():
            event = event_pb2.ChatEvent()
            event.CopyFrom(PIECE)
            run.append(event)
        await run.journal.wait_room()


def _terms() -> Terms:
    caller = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
    return Terms(Owner("ann"), caller, "", "m", chat_pb2.ChatRequest(), 60.0, 60.0, 60.0)


def _enter(entries: Iterable[usage_pb2.LedgerEntry]) -> None:
    """Keep no ledger."""


def _open(**settings: int) -> Runs:
    return Runs(InferenceSettings.model_validate(settings), SystemClock(), _fill, _enter)


async def _settle() -> None:
    for _ in range(3):
        await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("count", "each"),
    [
        (1, 256 * KIB),
        # Half of 8 MiB: the other half is the answers that the events come to.
        (16, 256 * KIB),
        (32, 128 * KIB),
        (256, 16 * KIB),
        # Less would make every provider wait for every token.
        (512, 16 * KIB),
    ],
)
async def test_unread_runs_share_what_there_is(count: int, each: int) -> None:
    """The more runs go on, the sooner a provider waits for a reader that does not come."""
    runs = _open(journal_total_bytes=8 * MIB)
    begun = [runs.start(_terms()) for _ in range(count)]
    await _settle()
    for run in begun:
        assert each < run.journal.size <= each + ON_TOP
        assert run.progress.fold.size <= run.journal.size
    await runs.drain(0.0)


async def test_a_run_that_ends_leaves_its_part_to_the_others() -> None:
    """When runs have ended, those that go on may hold more again."""
    runs = _open(journal_total_bytes=MIB)
    first = runs.start(_terms())
    others = [runs.start(_terms()) for _ in range(15)]
    await _settle()
    held = first.journal.size
    assert held <= 32 * KIB + ON_TOP
    for run in others:
        run.cancel("cancel", "It is enough.")
    assert first.journal.size == held
    # It goes on as soon as its reader takes something.
    first.journal.take(1)
    await _settle()
    assert first.journal.size > 250 * KIB
    await runs.drain(0.0)


async def test_a_smaller_setting_counts_however_few_runs_there_are() -> None:
    """The part of a run is never more than the setting allows it, nor is the least."""
    runs = _open(journal_untaken_bytes=4 * KIB)
    run = runs.start(_terms())
    await _settle()
    assert 4 * KIB < run.journal.size <= 4 * KIB + ON_TOP
    await runs.drain(0.0)


class _Hands:
    """A clock whose hands a test moves.

    Attributes:
        now: in nanoseconds.
    """

    def __init__(self) -> None:
        self.now = 1_000_000_000

    def time_ns(self) -> int:
        """Return the time."""
        return self.now

    def monotonic(self) -> float:
        """Return the same in seconds."""
        return self.now / 1e9


async def test_ended_runs_whose_readers_stand_still_are_forgotten_last() -> None:
    """They hold what all may hold and no more: the oldest goes, and its reader is told."""

    async def answer(run: Run) -> None:
        for _ in range(64):
            event = event_pb2.ChatEvent()
            event.CopyFrom(PIECE)
            run.append(event)
        run.finish(result_pb2.Completed())

    hands = _Hands()
    settings = InferenceSettings.model_validate({"journal_total_bytes": MIB})
    runs = Runs(settings, hands, answer, _enter)
    begun = []
    for _ in range(32):
        run = runs.start(_terms())
        run.add_reader()
        begun.append(run)
        await _settle()
        assert not run.is_live
        # The last of them is the only one whose reader may still be at it.
        hands.now += 6_000_000_000
    held = sum(run.journal.size + run.answer_bytes for run in begun)
    # An answer is held as events, in the last event, and as a message.
    assert held <= MIB + 4 * 64 * KIB
    forgotten = [run for run in begun if not run.journal.size]
    assert forgotten == begun[: len(forgotten)]
    assert 0 < len(forgotten) < len(begun)
    with pytest.raises(OutOfRange) as caught:
        await anext(follow(begun[0], 1))
    assert caught.value.reason == "EVENTS_TRIMMED"
    await runs.drain(0.0)


async def test_run_that_has_just_ended_is_kept_for_its_readers() -> None:
    """Over the bound too: whoever waits for the answer is about to get it."""

    async def answer(run: Run) -> None:
        event = event_pb2.ChatEvent()
        event.text_delta.text = "x" * 512 * KIB
        run.append(event)
        run.finish(result_pb2.Completed())

    settings = InferenceSettings.model_validate({"journal_total_bytes": MIB})
    runs = Runs(settings, _Hands(), answer, _enter)
    begun = [runs.start(_terms()) for _ in range(4)]
    for run in begun:
        run.add_reader()
    waiting = [asyncio.create_task(wait_end(run)) for run in begun]
    for completed in await asyncio.gather(*waiting):
        assert len(completed.message.content[0].text) == 512 * KIB
    await runs.drain(0.0)
