"""A second one asked beside a slow first: who speaks first wins, and the other one is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any, cast

import pytest

from trunkline.inference.adapters.adapter import ProviderFailed
from trunkline.inference.asking import Asking
from trunkline.inference.endings import broken
from trunkline.inference.race import Died, race, speak
from trunkline.inference.transport import NoPlace

_LIMIT_S = 10.0


class _Asked:
    """An attempt that speaks or fails when it is told to.

    Attributes:
        opened: its request was sent.
        closed: its socket is closed.
        cancelled: it was stopped while it waited.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.attempt = SimpleNamespace(drafts=[])
        self.opened = asyncio.Event()
        self.closed = False
        self.cancelled = False
        self._then: asyncio.Future[Exception | None] = asyncio.get_running_loop().create_future()

    def speak(self) -> None:
        """Say a first word."""
        self._then.set_result(None)

    def fail(self, error: Exception) -> None:
        """Fail before a word was said."""
        self._then.set_result(error)

    async def open(self) -> None:
        """Note that the request was sent."""
        self.opened.set()

    async def read(self) -> bool:
        """Wait for what is said."""
        try:
            error = await self._then
        except asyncio.CancelledError:
            self.cancelled = True
            raise
        if error is not None:
            raise error
        self.attempt.drafts.append("word")
        return True

    def close(self) -> None:
        """Note that the socket is closed."""
        self.closed = True


@dataclass(slots=True)
class _Race:
    """A race, and what was noted of it.

    Attributes:
        first, second: who runs.
        lost, died: names of those noted.
        task: the race.
    """

    first: _Asked
    second: _Asked
    lost: list[str] = field(default_factory=list)
    died: list[str] = field(default_factory=list)
    task: asyncio.Task[Any] | None = None

    def run(self, *, hedge_s: float = 0.0, has_second: bool = True) -> Awaitable[Any]:
        """Begin; the second one is asked at once unless it is said otherwise."""

        async def start_second() -> Asking | None:
            return cast(Asking, self.second) if has_second else None

        self.task = asyncio.ensure_future(
            race(
                cast(Asking, self.first),
                hedge_s,
                start_second,
                lambda lost: self.lost.append(cast(Any, lost).name),
                lambda died: self.died.append(cast(Any, died.asking).name),
            )
        )
        return asyncio.wait_for(self.task, _LIMIT_S)


@pytest.fixture
async def pair() -> _Race:
    """Return a race that has not begun."""
    return _Race(_Asked("first"), _Asked("second"))


def _broken() -> ProviderFailed:
    return ProviderFailed(broken("It broke off."))


async def _both_asked(pair: _Race, *, then: Callable[[], None]) -> None:
    """Wait until both requests are sent, and do something."""
    async with asyncio.timeout(_LIMIT_S):
        await pair.first.opened.wait()
        await pair.second.opened.wait()
    then()


async def test_first_that_speaks_in_time_runs_alone(pair: _Race) -> None:
    """No second one is asked beside a first that speaks before the hedge."""
    pair.first.speak()
    winner = await pair.run(hedge_s=_LIMIT_S)
    assert winner is pair.first
    assert not pair.second.opened.is_set()
    assert not pair.first.closed


@pytest.mark.parametrize("name", ["first", "second"])
async def test_who_speaks_first_wins(pair: _Race, name: str) -> None:
    """The loser is stopped and closed before the winner is read on, and only noted as lost."""
    winner, loser = (pair.first, pair.second) if name == "first" else (pair.second, pair.first)
    result, _ = await asyncio.gather(pair.run(), _both_asked(pair, then=winner.speak))
    assert result is winner
    assert (loser.closed, loser.cancelled, winner.closed) == (True, True, False)
    assert (pair.lost, pair.died) == ([loser.name], [])


@pytest.mark.parametrize("name", ["first", "second"])
async def test_one_that_dies_leaves_the_other(pair: _Race, name: str) -> None:
    """A failure beside one that goes on is noted, and the other's answer is the run's."""
    dead, living = (pair.first, pair.second) if name == "first" else (pair.second, pair.first)

    def fail() -> None:
        dead.fail(_broken())

    running = asyncio.ensure_future(asyncio.gather(pair.run(), _both_asked(pair, then=fail)))
    async with asyncio.timeout(_LIMIT_S):
        while not pair.died:
            await asyncio.sleep(0)
    assert not running.done()
    living.speak()
    result, _ = await running
    assert result is living
    assert dead.closed
    assert (pair.lost, pair.died) == ([], [dead.name])


async def test_last_to_die_is_told(pair: _Race) -> None:
    """When none speaks, the failure is that of the one that died last."""

    def fail() -> None:
        pair.first.fail(_broken())

    running = asyncio.ensure_future(asyncio.gather(pair.run(), _both_asked(pair, then=fail)))
    async with asyncio.timeout(_LIMIT_S):
        while not pair.died:
            await asyncio.sleep(0)
    pair.second.fail(_broken())
    with pytest.raises(Died) as caught:
        await running
    assert caught.value.asking is cast(Any, pair.second)
    assert pair.died == ["first"]


async def test_first_that_fails_before_the_hedge_is_told(pair: _Race) -> None:
    """A failure in time is no reason to hedge: what follows is a fallback's."""
    pair.first.fail(_broken())
    with pytest.raises(Died) as caught:
        await pair.run(hedge_s=_LIMIT_S)
    assert caught.value.asking is cast(Any, pair.first)
    assert not pair.second.opened.is_set()


async def test_first_goes_on_when_there_is_no_second(pair: _Race) -> None:
    """Where nobody can be asked beside it, a slow one is waited for."""
    running = pair.run(has_second=False)
    await pair.first.opened.wait()
    pair.first.speak()
    assert await running is pair.first


async def test_cancelled_race_closes_both(pair: _Race) -> None:
    """A run that ends in the middle leaves no socket open."""

    def cancel() -> None:
        assert pair.task is not None
        pair.task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await asyncio.gather(pair.run(), _both_asked(pair, then=cancel))
    assert (pair.first.closed, pair.second.closed) == (True, True)
    assert (pair.lost, pair.died) == ([], [])


async def test_want_of_a_connection_is_ours(pair: _Race) -> None:
    """That no connection is free says nothing about the provider."""
    pair.first.fail(NoPlace(5))
    with pytest.raises(Died) as caught:
        await speak(cast(Asking, pair.first))
    assert caught.value.is_ours
    assert "5" in caught.value.failure.message
