"""A process that comes back to a run which others carried on, or whose end it could not store."""

from __future__ import annotations

import asyncio
import signal

import pytest

from support.chats import ask
from support.readers import Reader, check_history
from support.replicas import Replicas
from trunkline.sandbox.scripts import OK_TEXT

MODEL = "tokens-50-per-second"
_LIMIT_S = 20.0


@pytest.mark.parametrize("on_redis", [False, True], ids=["sqlite", "redis"])
async def test_an_owner_that_stood_still_shows_what_others_made_of_its_run(on_redis: bool) -> None:
    """A reader stays at a frozen process, another takes the run to its end: it gets all of it."""
    async with Replicas(on_redis=on_redis, models=(MODEL,)) as fleet:
        other, owner = fleet.pair
        near = Reader((owner.channel(),), fleet.admin)
        far = Reader((other.channel(),), fleet.admin)
        begun = asyncio.create_task(near.begin(ask(f"sandbox/{MODEL}", idempotency_key="once")))
        async with asyncio.timeout(_LIMIT_S):
            await near.reach(20)
            followed = asyncio.create_task(far.follow(near.run_id))
            await far.reach(20)
            owner.send(signal.SIGSTOP)
            await followed
            owner.send(signal.SIGCONT)
            await begun
        check_history([far, near], OK_TEXT)


@pytest.mark.parametrize("on_redis", [False, True], ids=["sqlite", "redis"])
async def test_an_end_that_cannot_be_stored_is_no_end(on_redis: bool) -> None:
    """The answer ends while the journal is away: its reader is sent on, and comes to the end."""
    async with Replicas(on_redis=on_redis, models=(MODEL,)) as fleet:
        _, owner = fleet.pair
        reader = Reader((owner.channel(),), fleet.admin)
        begun = asyncio.create_task(reader.begin(ask(f"sandbox/{MODEL}", idempotency_key="once")))
        async with asyncio.timeout(_LIMIT_S):
            await reader.reach(45)
            with fleet.journal_away():
                while not reader.parted:
                    assert not begun.done()
                    await asyncio.sleep(0.02)
            await begun
        assert {failure.reason for failure in reader.parted} == {"JOURNAL_UNAVAILABLE"}
        check_history([reader], OK_TEXT)
