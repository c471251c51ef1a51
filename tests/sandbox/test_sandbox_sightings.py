"""What was seen is kept in order, within bounds, and can be waited for."""

from __future__ import annotations

import asyncio

import pytest

from sandbox.rawhttp import HELLO, LIMIT, ask, chat, connect, request
from trunkline.sandbox.server import Sandbox
from trunkline.sandbox.sightings import MAX_BODY_BYTES, MAX_SIGHTINGS, Sighting, Sightings, State


def sight(path: str, body: bytes = b"") -> Sighting:
    """Make a sighting."""
    return Sighting("POST", path, (), body)


async def test_sightings_are_kept_in_order(sandbox: Sandbox) -> None:
    """Each request is one sighting, whatever its answer."""
    for model in ("ok", "503", "nothing", "ok"):
        await ask(sandbox, model)
    kept = await sandbox.seen.wait_for(4, timeout=LIMIT)
    assert [sighting.model for sighting in kept] == ["ok", "503", "nothing", "ok"]
    assert [sandbox.seen[0], sandbox.seen[-1]] == sandbox.seen.of_model("ok")
    assert kept[0].body == {"model": "ok", "messages": HELLO, "stream": True}
    sandbox.seen.clear()
    assert len(sandbox.seen) == 0


async def test_waiting_ends_when_the_request_comes(sandbox: Sandbox) -> None:
    """A wait that began before the requests ends with the last of them."""
    waiting = asyncio.create_task(sandbox.seen.wait_for(2, timeout=LIMIT))
    await ask(sandbox, "ok")
    assert not waiting.done()
    await ask(sandbox, "echo")
    assert [sighting.model for sighting in await waiting] == ["ok", "echo"]


async def test_waiting_has_a_limit(sandbox: Sandbox) -> None:
    """Without the request, or its end, the wait ends in TimeoutError."""
    with pytest.raises(TimeoutError):
        await sandbox.seen.wait_for(1, timeout=0.02)
    async with connect(sandbox) as line:
        await line.send(chat("silent"))
        (sighting,) = await sandbox.seen.wait_for(1, timeout=LIMIT)
        with pytest.raises(TimeoutError):
            await sighting.ended(0.02)
        assert (sighting.state, sighting.ended_at, sighting.client_closed) == (
            State.OPEN,
            None,
            False,
        )


async def test_only_the_last_are_kept() -> None:
    """Beyond the bound the oldest go."""
    seen = Sightings()
    for number in range(MAX_SIGHTINGS + 5):
        seen.record(sight(f"/{number}"))
    assert len(seen) == MAX_SIGHTINGS
    assert (seen[0].path, seen[-1].path) == ("/5", f"/{MAX_SIGHTINGS + 4}")


async def test_bodies_are_kept_within_a_bound() -> None:
    """Large bodies push the oldest requests out; forgetting them frees their room."""
    seen = Sightings()
    body = bytes(MAX_BODY_BYTES // 4)
    for number in range(6):
        seen.record(sight(f"/{number}", body))
    assert [sighting.path for sighting in seen] == ["/2", "/3", "/4", "/5"]
    seen.clear()
    for number in range(4):
        seen.record(sight(f"/{number}", body))
    assert len(seen) == 4


async def test_the_first_end_counts() -> None:
    """A sighting ends once."""
    sighting = sight("/")
    sighting.end(State.CLIENT_CLOSED)
    ended_at = sighting.ended_at
    sighting.end(State.ANSWERED)
    assert (sighting.state, sighting.ended_at) == (State.CLIENT_CLOSED, ended_at)


async def test_attempts_are_counted_for_each_model_and_key(sandbox: Sandbox) -> None:
    """The first K attempts fail, each key has its own count, and so has each name."""
    model = "fail-2-then-ok-503"
    mine = [(await ask(sandbox, model)).status for _ in range(4)]
    assert mine == [503, 503, 200, 200]
    assert (await ask(sandbox, model, key=sandbox.UNSCOPED_KEY)).status == 503
    assert (await ask(sandbox, "once-503")).status == 503


async def test_a_refused_request_is_no_attempt(sandbox: Sandbox) -> None:
    """A request that is wrong, or without a good key, does not use up the fault."""
    assert (await ask(sandbox, "once-503", messages=[])).status == 400
    assert (await ask(sandbox, "once-503", key="sk-wrong")).status == 401
    assert (await ask(sandbox, "once-503")).status == 503
    assert (await ask(sandbox, "once-503")).status == 200


async def test_attempts_can_be_forgotten(sandbox: Sandbox) -> None:
    """The method and the request both make the fault come back."""
    assert [(await ask(sandbox, "once-503")).status for _ in range(2)] == [503, 200]
    sandbox.reset_attempts()
    assert [(await ask(sandbox, "once-503")).status for _ in range(2)] == [503, 200]
    async with connect(sandbox) as line:
        await line.send(request("DELETE", "/sandbox/attempts", key="sk-wrong"))
        assert (await line.reply()).status == 401
        assert (await ask(sandbox, "once-503")).status == 200
        await line.send(request("DELETE", "/sandbox/attempts"))
        assert (await line.reply()).status == 200
    assert (await ask(sandbox, "once-503")).status == 503
