"""A view that is followed over a real line: it breaks, falls silent, comes back."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from integration.kernel.listening import LIMIT_S, eventually
from integration.kernel.watched import (
    END,
    Names,
    Owner,
    beat,
    change,
    complete,
    following,
    owning,
    page,
)
from trunkline.kernel.errors import Unavailable
from unit.kernel.hands import HandClock


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A short path, as sockets need."""
    with tempfile.TemporaryDirectory(prefix="tl-") as directory:
        yield Path(directory) / "catalog.sock"


@pytest.fixture
def owner() -> Owner:
    """The service that owns what is watched."""
    return Owner()  # type: ignore[abstract] # abstract for the checker only


@pytest.fixture
def names() -> Names:
    """What is told."""
    return Names()


async def test_the_first_view_is_waited_for_up_to_a_limit(socket_path: Path, names: Names) -> None:
    """Then the peer that is missing is named."""
    async with following(socket_path, names) as follower:
        assert not follower.is_ready
        with pytest.raises(Unavailable) as refused:
            await follower.wait_ready(timeout=0.05)
    assert refused.value.reason == "PEER_UNAVAILABLE"
    assert refused.value.metadata == {"peer": "catalog"}
    assert "catalog" in refused.value.message


async def test_there_is_no_start_order(socket_path: Path, owner: Owner, names: Names) -> None:
    """The peer may come later; whoever waits goes on then."""
    async with following(socket_path, names) as follower:
        waiting = asyncio.create_task(follower.wait_ready(LIMIT_S))
        with pytest.raises(Unavailable):
            await follower.wait_ready(timeout=0.3)
        owner.say(page(7, "a"), complete(7))
        async with owning(owner, socket_path):
            await waiting
            assert names.held == ["a"]


async def test_a_view_holds_when_it_is_whole(socket_path: Path, owner: Owner, names: Names) -> None:
    """Until then the one before does, and nobody sees half of the new one."""
    async with owning(owner, socket_path), following(socket_path, names) as follower:
        owner.say(page(7, "a"), page(7, "b"), complete(7), stream=0)
        await follower.wait_ready()
        assert names.held == ["a", "b"]
        seen = []
        owner.say(page(9, "c"), page(9, "d"), stream=0)
        for _ in range(50):
            seen.append(list(names.held))
            await asyncio.sleep(0)
        owner.say(complete(9), stream=0)
        await eventually(lambda: names.held != ["a", "b"])
        assert names.held == ["c", "d"]
        assert all(each == ["a", "b"] for each in seen)


@pytest.mark.parametrize(
    "end",
    [
        END,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAUTHENTICATED,
    ],
)
async def test_after_a_break_it_goes_on_from_its_revision(
    socket_path: Path, owner: Owner, names: Names, end: Any
) -> None:
    """However the stream ended; what holds stays."""
    async with owning(owner, socket_path), following(socket_path, names) as follower:
        owner.say(page(7, "a"), complete(7), change(9, "b"), beat(9), end, stream=0)
        await eventually(lambda: len(owner.asked) == 2)
        assert owner.asked == [0, 9]
        assert names.held == ["a", "b"]
        assert follower.is_ready
        owner.say(change(12, "c"), stream=1)
        await eventually(lambda: names.held == ["a", "b", "c"])


async def test_a_snapshot_that_broke_off_is_asked_for_again(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """Its pages are no part of the next one, and it was no view."""
    async with owning(owner, socket_path), following(socket_path, names) as follower:
        owner.say(page(7, "a", "gone"), END, stream=0)
        owner.say(page(8, "a"), complete(8), stream=1)
        await follower.wait_ready(LIMIT_S)
        assert owner.asked == [0, 0]
        assert names.held == ["a"]


async def test_a_restarted_owner_with_an_older_view_is_believed(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """Its database was restored: it sends the view whole, under a smaller revision."""
    async with owning(owner, socket_path), following(socket_path, names) as follower:
        owner.say(page(70, "a", "b"), complete(70), stream=0)
        await follower.wait_ready()
        owner.say(END, stream=0)
        owner.say(page(3, "a"), complete(3), change(4, "z"), END, stream=1)
        await eventually(lambda: len(owner.asked) == 3)
        assert owner.asked == [0, 70, 4]
        assert names.held == ["a", "z"]


async def test_a_service_that_comes_back_is_followed_again(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """Over the same channel, though its socket is a new one."""
    async with following(socket_path, names) as follower:
        async with owning(owner, socket_path):
            owner.say(page(7, "a"), complete(7), stream=0)
            await follower.wait_ready(LIMIT_S)
        socket_path.unlink(missing_ok=True)
        owner.say(change(8, "b"), stream=1)
        async with owning(owner, socket_path):
            await eventually(lambda: names.held == ["a", "b"])
        assert owner.asked == [0, 7]


async def test_a_silent_stream_counts_as_lost(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """A peer that hangs holds its connection; heartbeats tell that it lives."""
    async with (
        owning(owner, socket_path),
        following(socket_path, names, silence_s=0.4) as follower,
    ):
        owner.say(page(7, "a"), complete(7), stream=0)
        await follower.wait_ready()
        for _ in range(8):
            await asyncio.sleep(0.1)
            owner.say(beat(7), stream=0)
        assert owner.asked == [0]
        await eventually(lambda: owner.asked == [0, 7])
        await eventually(lambda: owner.open == 1)
        assert names.held == ["a"]


async def test_age_is_the_time_since_a_message_that_held(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """A heartbeat or a change makes the view young; pages of the next one do not."""
    clock = HandClock()
    async with (
        owning(owner, socket_path),
        following(socket_path, names, clock=clock) as follower,
    ):
        clock.pass_s(3)
        assert follower.age() == 3
        owner.say(page(7, "a"), complete(7), stream=0)
        await follower.wait_ready()
        assert follower.age() == 0
        clock.pass_s(40)
        assert follower.age() == 40
        owner.say(beat(7), stream=0)
        await eventually(lambda: follower.age() == 0)
        clock.pass_s(2)
        owner.say(change(8, "b"), stream=0)
        await eventually(lambda: follower.age() == 0)
        clock.pass_s(5)
        owner.say(page(9, "c"), change(9, "d"), stream=0)
        await eventually(lambda: "d" in names.held)
        clock.pass_s(5)
        owner.say(page(9, "c"), END, stream=0)
        await eventually(lambda: len(owner.asked) == 2)
        assert follower.age() == 5


@pytest.mark.parametrize("where", ["swap", "change"])
async def test_a_holder_that_fails_gets_the_view_whole(
    socket_path: Path, owner: Owner, names: Names, logged: list[Any], where: str
) -> None:
    """What it holds may be half of something; the failure is logged, and following goes on."""
    clock = HandClock()
    async with (
        owning(owner, socket_path),
        following(socket_path, names, clock=clock) as follower,
    ):
        owner.say(page(7, "a"), complete(7), stream=0)
        await follower.wait_ready()
        clock.pass_s(9)
        names.failing.append(RuntimeError("the listener broke"))
        if where == "swap":
            owner.say(page(8, "b"), complete(8), stream=0)
        else:
            owner.say(change(8, "b"), stream=0)
        await eventually(lambda: len(owner.asked) == 2)
        assert owner.asked == [0, 0]
        assert follower.age() == 9
        owner.say(page(9, "a", "b"), complete(9), stream=1)
        await eventually(lambda: follower.age() == 0)
        assert names.held == ["a", "b"]
    (line,) = [line for line in logged if line["event"] == "view_not_taken"]
    assert (line["log_level"], line["peer"]) == ("error", "catalog")
    assert "the listener broke" in str(line["exc_info"])


async def test_a_peer_that_breaks_off_again_and_again_is_asked_less_often(
    socket_path: Path, owner: Owner, names: Names, logged: list[Any]
) -> None:
    """Though each stream says something first; and it is told once."""
    async with owning(owner, socket_path), following(socket_path, names) as follower:
        for number in range(6):
            owner.say(page(7, "a"), complete(7), END, stream=number)
        await eventually(lambda: len(owner.asked) == 6)
        gaps = [
            later - earlier
            for earlier, later in zip(owner.asked_at, owner.asked_at[1:], strict=False)
        ]
        assert gaps[4] > 2 * gaps[0]
        assert follower.is_ready
    assert [line["event"] for line in logged] == ["view_lost"]


async def test_a_view_that_is_back_is_told(
    socket_path: Path, owner: Owner, names: Names, logged: list[Any]
) -> None:
    """Once, when its stream has held for a second."""
    async with owning(owner, socket_path), following(socket_path, names):
        owner.say(grpc.StatusCode.UNAVAILABLE, stream=0)
        owner.say(page(7, "a"), complete(7), stream=1)
        await eventually(lambda: names.held == ["a"])
        while not any(line["event"] == "view_followed" for line in logged):
            owner.say(beat(7), stream=1)
            await asyncio.sleep(0.05)
        owner.say(beat(7), beat(7), END, stream=1)
        await eventually(lambda: len(owner.asked) == 3)
    assert [line["event"] for line in logged] == ["view_lost", "view_followed", "view_lost"]
    assert logged[0]["error"] == "UNAVAILABLE"


async def test_a_follower_that_is_stopped_leaves(
    socket_path: Path, owner: Owner, names: Names
) -> None:
    """Its stream is closed, and the peer knows; each stream had a request id."""
    async with owning(owner, socket_path):
        async with following(socket_path, names) as follower:
            owner.say(page(7, "a"), complete(7), stream=0)
            await follower.wait_ready()
            assert owner.open == 1
        await eventually(lambda: owner.open == 0)
    assert str(owner.metadata[0]["x-request-id"]).startswith("req_")
