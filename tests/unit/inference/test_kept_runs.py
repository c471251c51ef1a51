"""For how long a process knows runs that have ended, and what it holds of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final

import pytest

from support.houses import House, living, read, says
from trunkline.inference.journal.store import RunQuery
from trunkline.inference.run import Run
from trunkline.inference.v1 import error_pb2
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.errors import AlreadyExists, Unavailable

KIB: Final = 1024
QUESTION: Final = "q" * 100 * KIB
_SECOND_NS: Final = 1_000_000_000


class Hands(SystemClock):
    """A clock that a test sets ahead.

    Attributes:
        ahead_ns: by so much.
    """

    def __init__(self) -> None:
        self.ahead_ns = 0

    def time_ns(self) -> int:
        """Return the time."""
        return super().time_ns() + self.ahead_ns

    def pass_s(self, seconds: int) -> None:
        """Let time pass."""
        self.ahead_ns += seconds * _SECOND_NS


@pytest.fixture
def hands() -> Hands:
    """The time of the process."""
    return Hands()


@pytest.fixture
async def house(tmp_path: Path, hands: Hands) -> AsyncIterator[House]:
    """A process whose time a test turns."""
    async with asyncio.timeout(20.0), living(House(tmp_path / "j.db", says(2, 10), hands)) as made:
        yield made


async def end(house: House, **terms: Any) -> Run:
    """Begin a run and read it to its end."""
    run = await house.begin(text=QUESTION, **terms)
    async for _ in read(run):
        pass
    return run


async def test_a_durable_run_is_known_for_some_seconds_after_its_last_reader(
    house: House, hands: Hands
) -> None:
    """Then it lies in the store alone, and is found there."""
    run = await end(house)
    async with aclosing(read(run)) as events:
        await anext(events)
        hands.pass_s(10)
        house.runs.expire()
        assert house.runs.known(run.id) is run
    house.runs.expire()
    assert house.runs.known(run.id) is run
    hands.pass_s(10)
    house.runs.expire()
    assert house.runs.known(run.id) is None
    assert house.runs._size == 0
    found = await house.find(run.id)
    assert [event.sequence async for event in read(found)] == [1, 2, 3, 4]


async def test_a_run_that_is_kept_for_longer_does_not_keep_others(
    house: House, hands: Hands
) -> None:
    """Each goes when its own time is over, whenever it ended."""
    runs = [
        await end(house, durable=durable, retention_s=retention_s)
        for durable, retention_s in ((True, 86_400.0), (False, 7200.0), (False, 600.0))
    ]
    hands.pass_s(601)
    house.runs.expire()
    assert [house.runs.known(run.id) is run for run in runs] == [False, True, False]
    hands.pass_s(7200)
    house.runs.expire()
    assert [house.runs.known(run.id) for run in runs] == [None] * 3


@pytest.mark.parametrize("durable", [False, True], ids=["memory", "durable"])
async def test_what_was_asked_is_not_kept_with_an_ended_run(house: House, durable: bool) -> None:
    """Its key still tells the same question from another."""
    run = await end(house, key="once", durable=durable)
    assert run.terms.request.ByteSize() < KIB
    assert (await house.begin(key="once", text=QUESTION, durable=durable)) is run
    with pytest.raises(AlreadyExists) as caught:
        await house.begin(key="once", text="Something else.", durable=durable)
    assert caught.value.reason == "IDEMPOTENCY_MISMATCH"


async def test_a_failed_run_is_listed_with_its_failure_wherever_it_lies(tmp_path: Path) -> None:
    """The process that carried it and one that never heard of it say the same."""

    async def fail(_: Run) -> None:
        raise Unavailable("NO_FALLBACK", "Nobody is there.", metadata={"kind": "UNREACHABLE"})

    owner, other = (House(tmp_path / "j.db", fail) for _ in range(2))
    async with asyncio.timeout(20.0), living(owner), living(other):
        run = await owner.begin()
        await run.journal.wait_closed()
        (here,) = await owner.registry.newest_first(RunQuery())
        (there,) = await other.registry.newest_first(RunQuery())
    assert here.failure.reason == error_pb2.ERROR_REASON_NO_FALLBACK
    assert there.failure == here.failure
