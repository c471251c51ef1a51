"""Faults of the first attempts end, and the log tells the attempts apart."""

from __future__ import annotations

from sandbox.faces import ask_face
from sandbox.rawhttp import End, ask, connect
from sandbox.rawhttp import chat as chat_bytes
from trunkline.sandbox.attempts import MAX_ATTEMPTED, Attempts
from trunkline.sandbox.models import find
from trunkline.sandbox.server import Sandbox


def test_a_fault_lasts_for_its_time() -> None:
    """The time runs from the first attempt of each key, scaled as all others."""
    behaviour = find("for-60-then-ok-503")
    assert behaviour is not None
    attempts = Attempts(0.1)
    mine, other = ("openai", "m", "mine"), ("openai", "m", "other")
    met = [attempts.meet(behaviour, mine, now).fault is not None for now in (100, 105.9, 106, 999)]
    assert met == [True, True, False, False]
    assert attempts.meet(behaviour, other, 106).fault is not None
    attempts.clear()
    assert attempts.meet(behaviour, mine, 1000).fault is not None


def test_attempts_are_bounded() -> None:
    """However many keys come, only so many are counted."""
    behaviour = find("once-503")
    assert behaviour is not None
    attempts = Attempts(1.0)
    for number in range(MAX_ATTEMPTED + 1):
        attempts.meet(behaviour, ("openai", "m", str(number)), 0.0)
    assert attempts.meet(behaviour, ("openai", "m", "0"), 0.0).fault is not None


async def test_an_outage_ends(sandbox: Sandbox) -> None:
    """A model that is away for a time answers afterwards."""
    async with Sandbox(time_scale=0) as fast:
        replies = [await ask(fast, "for-60-then-ok-503") for _ in range(2)]
    assert [reply.status for reply in replies] == [200, 200]
    assert (await ask(sandbox, "for-1000-then-ok-503")).status == 503


async def test_the_first_connection_is_reset(sandbox: Sandbox) -> None:
    """Not a byte comes of the first attempt; the second one is answered."""
    ends = [(await ask(sandbox, "once-reset")).end for _ in range(2)]
    assert ends == [End.RESET, End.COMPLETE]
    assert (await ask(sandbox, "once-cut")).raw == b""


async def test_an_announced_wait_is_scaled() -> None:
    """Each format that announces waits says a fraction of the second."""
    async with Sandbox(time_scale=0, announced_scale=0.05) as sandbox:
        said = {}
        for face in ("openai", "anthropic", "google"):
            reply = await ask_face(sandbox, face, "429-retry-after-2")
            said[face] = (
                reply.headers.get("retry-after")
                or (reply.json["error"]["details"][-1]["retryDelay"])
            )
    assert said == {"openai": "0.1", "anthropic": "0.1", "google": "0.1s"}


async def test_an_alias_stands_for_a_model() -> None:
    """It is listed, answers under its own name, and is not a pattern."""
    async with Sandbox(aliases={"s03": "once-500"}) as sandbox:
        replies = [await ask(sandbox, "s03") for _ in range(2)]
        assert [reply.status for reply in replies] == [500, 200]
        assert replies[1].chunks[0]["model"] == "s03"
        assert (await ask(sandbox, "cut-after-1-of-s03")).status == 404


async def test_attempts_are_told_apart(sandbox: Sandbox) -> None:
    """The log knows model, key, format, when each came and when its client left."""
    await ask(sandbox, "503")
    await ask(sandbox, "503", key=Sandbox.UNSCOPED_KEY)
    await ask_face(sandbox, "ollama", "503")
    async with connect(sandbox) as line:
        await line.send(chat_bytes("silent"))
        await sandbox.seen.wait_for(4, 5.0)
    assert len(sandbox.seen.of_model("503")) == 3
    [other] = sandbox.seen.of_model("503", Sandbox.UNSCOPED_KEY)
    assert (other.face, sandbox.seen[2].face) == ("openai", "ollama")
    [left] = sandbox.seen.of_model("silent")
    await left.ended(5.0)
    assert left.client_closed
    assert left.ended_at is not None
    assert left.started_at <= left.ended_at
    assert Sandbox.UNSCOPED_KEY not in repr([seen.key for seen in sandbox.seen])
