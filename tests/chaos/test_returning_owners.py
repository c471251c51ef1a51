"""A process that comes back to a run which others carried on, or whose end it could not store."""

from __future__ import annotations

import asyncio
import signal

import pytest

from chaos.conftest import QUICK, TEXT
from support.chats import ask
from support.readers import Reader, check_history
from support.replicas import Replicas

pytestmark = pytest.mark.asyncio(loop_scope="module")

_LIMIT_S = 20.0


async def test_an_owner_that_stood_still_shows_what_others_made_of_its_run(fleet: Replicas) -> None:
    """A reader stays at a frozen process, another takes the run to its end: it gets all of it."""
    request = ask(f"sandbox/{QUICK}", idempotency_key="stood-still")
    async with fleet.channels() as (other, owner), asyncio.timeout(_LIMIT_S):
        near, far = Reader((owner,), fleet.admin), Reader((other,), fleet.admin)
        begun = asyncio.create_task(near.begin(request))
        await near.reach(20)
        followed = asyncio.create_task(far.follow(near.run_id))
        await far.reach(20)
        fleet.pair[1].send(signal.SIGSTOP)
        await followed
        fleet.pair[1].send(signal.SIGCONT)
        await begun
    check_history([far, near], TEXT)


async def test_an_end_that_cannot_be_stored_is_no_end(fleet: Replicas) -> None:
    """The answer ends while the journal is away: its reader is sent on, and comes to the end."""
    request = ask(f"sandbox/{QUICK}", idempotency_key="not-stored")
    async with fleet.channels() as (_, owner), asyncio.timeout(_LIMIT_S):
        reader = Reader((owner,), fleet.admin)
        begun = asyncio.create_task(reader.begin(request))
        await reader.reach(45)
        with fleet.journal_away():
            while not reader.parted:
                assert not begun.done()
                await asyncio.sleep(0.02)
        await begun
    assert {failure.reason for failure in reader.parted} == {"JOURNAL_UNAVAILABLE"}
    check_history([reader], TEXT)
