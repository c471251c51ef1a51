"""A lease: of all who ask for it one has it, until it ends or is given back."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sqlalchemy import update

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from support.service_harness import TurnableClock
from trunkline.kernel.database import Database
from trunkline.kernel.lease import Lease

pytestmark = pytest.mark.both_stores

TTL_S = 60.0


@pytest.fixture
async def kept(tmp_path: Path, store_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = storing.any_database(tmp_path, store_url)
    await opened.open()
    yield opened
    await opened.close()


@pytest.fixture
def clock() -> TurnableClock:
    """The clock of all holders."""
    return TurnableClock()


def lease(kept: Database, holder: str, clock: TurnableClock, *, name: str = "probes") -> Lease:
    """Return a lease for a holder."""
    return Lease(kept, name, holder, TTL_S, clock)


async def let_pass(kept: Database, clock: TurnableClock, seconds: float) -> None:
    """Let time pass, by the clock that counts: a server's cannot be turned, its rows can."""
    if not kept.is_shared:
        clock.turn(seconds)
        return
    end = storing.LEASES.c.expire_time_ns
    async with kept.write() as session:
        await session.exec(
            update(storing.LEASES).values(expire_time_ns=end - int(seconds * 1_000_000_000))
        )


async def test_one_holds_it_and_renews_it(kept: Database, clock: TurnableClock) -> None:
    """Nobody else gets it meanwhile, however long that is; another lease is another."""
    one, two = lease(kept, "one", clock), lease(kept, "two", clock)
    for _ in range(5):
        assert await one.hold()
        assert not await two.hold()
        await let_pass(kept, clock, TTL_S * 0.9)
    assert await lease(kept, "two", clock, name="else").hold()


async def test_it_ends_by_itself(kept: Database, clock: TurnableClock) -> None:
    """Its holder was killed; who asks next has it, and the first one has lost it."""
    one, two = lease(kept, "one", clock), lease(kept, "two", clock)
    assert await one.hold()
    await let_pass(kept, clock, TTL_S * 0.99)
    assert not await two.hold()
    await let_pass(kept, clock, TTL_S * 0.02)
    assert await two.hold()
    assert not await one.hold()


async def test_it_can_be_given_back(kept: Database, clock: TurnableClock) -> None:
    """Then it is free at once; who does not have it gives nothing back."""
    one, two = lease(kept, "one", clock), lease(kept, "two", clock)
    await one.release()
    assert await one.hold()
    await two.release()
    assert not await two.hold()
    await one.release()
    await one.release()
    assert await two.hold()
    assert not await one.hold()


async def test_of_all_who_ask_at_once_one_has_it(kept: Database, clock: TurnableClock) -> None:
    """However they crowd."""
    asking = [lease(kept, f"{number}", clock).hold() for number in range(20)]
    async with asyncio.timeout(LIMIT_S):
        assert sum(await asyncio.gather(*asking)) == 1


async def test_a_clock_that_was_set_back_does_not_lock_everybody_out(
    kept: Database, clock: TurnableClock
) -> None:
    """A lease that ends long after it could is none."""
    one, two = lease(kept, "one", clock), lease(kept, "two", clock)
    assert await one.hold()
    await let_pass(kept, clock, -3600)
    assert await two.hold()
    assert not await one.hold()


async def test_the_clocks_of_processes_that_share_a_database_need_not_agree(
    kept: Database, clock: TurnableClock
) -> None:
    """The database's own counts."""
    if not kept.is_shared:
        return  # nobody else has a clock there
    ahead = TurnableClock()
    ahead.turn(10 * TTL_S)
    assert await lease(kept, "one", clock).hold()
    assert not await lease(kept, "two", ahead).hold()
    assert await lease(kept, "one", clock).hold()
