"""A channel whose certificate is renewed under it: calls, views and connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from integration.kernel.listening import LIMIT_S, eventually, read_all
from integration.kernel.secured import WATCH, Bed, secured, who
from integration.kernel.watched import END, Names, beat, change, complete, page
from support.cuttable_line import CuttableLine
from trunkline.catalog.v1 import catalog_service_pb2_grpc, watch_pb2
from trunkline.credential.v1 import access_pb2_grpc
from trunkline.kernel.clock import SystemClock
from trunkline.kernel.view import Follower

# Longer than any test.
FOR_EVER_S = 600.0


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    """A listener of the catalog service."""
    async with secured(tmp_path) as running:
        yield running


def watch(channel: grpc.aio.Channel) -> Any:
    """Open a stream that says what the test says."""
    stub: Any = catalog_service_pb2_grpc.CatalogServiceStub(channel)
    return stub.WatchCatalog(watch_pb2.WatchCatalogRequest(), timeout=LIMIT_S)


async def opened(bed: Bed, channel: grpc.aio.Channel) -> Any:
    """Open such a stream, and read what it says first."""
    bed.owner.say(beat(1))
    call = watch(channel)
    assert (await call.read()).revision == 1
    return call


@contextlib.asynccontextmanager
async def following(channel: grpc.aio.Channel, names: Names) -> AsyncIterator[Follower]:
    """Follow the view."""
    follower = Follower(
        "catalog",
        catalog_service_pb2_grpc.CatalogServiceStub(channel).WatchCatalog,
        lambda revision: watch_pb2.WatchCatalogRequest(after_revision=revision),
        names,
        SystemClock(),
    )
    running = asyncio.create_task(follower.run())
    try:
        yield follower
        assert not running.done()
    finally:
        running.cancel()
        await asyncio.wait((running,), timeout=LIMIT_S)
        assert running.cancelled()


async def test_a_channel_is_lazy(bed: Bed) -> None:
    """It connects with the first call, and again with none after it is closed."""
    client = bed.client("health")
    channel = bed.channel(client)
    assert bed.connections() == 0
    assert await who(channel) == "health"
    assert bed.connections() == 1
    await channel.close()
    await eventually(lambda: bed.connections() == 0)
    with pytest.raises(grpc.aio.UsageError):
        await who(channel)
    with pytest.raises(grpc.aio.UsageError):
        channel.get_state(try_to_connect=True)
    await channel.close()
    assert bed.connections() == 0


async def test_a_channel_that_was_never_used_is_closed(bed: Bed) -> None:
    """And opens nothing for that."""
    channel = bed.channel(bed.client("health"))
    await channel.close()
    assert bed.connections() == 0
    with pytest.raises(grpc.aio.UsageError):
        await who(channel)


async def test_a_channel_tells_how_it_stands(bed: Bed) -> None:
    """As every channel does."""
    async with bed.channel(bed.client("health")) as channel:
        assert channel.get_state() is grpc.ChannelConnectivity.IDLE
        async with asyncio.timeout(LIMIT_S):
            await channel.channel_ready()
        assert channel.get_state() is grpc.ChannelConnectivity.READY
        changed = asyncio.create_task(channel.wait_for_state_change(grpc.ChannelConnectivity.READY))
        await asyncio.sleep(0)
        assert not changed.done()
        changed.cancel()
        await asyncio.wait((changed,))


async def test_a_renewed_certificate_is_shown_with_the_next_call(bed: Bed) -> None:
    """By the stubs that there are, which are made once."""
    client = bed.client("health")
    async with bed.channel(client) as channel:
        stub: Any = access_pb2_grpc.AccessServiceStub(channel)
        await read_all(stub.WatchAccess(WATCH, timeout=LIMIT_S))
        first = client.bundle.chain
        bed.renew(client, "health")
        for _ in range(2):
            await read_all(stub.WatchAccess(WATCH, timeout=LIMIT_S))
        shown = [b"".join(each.split()) for each in bed.access.shown]
        expected = [first, client.bundle.chain, client.bundle.chain]
        assert shown == [b"".join(each.split()) for each in expected]
        # The old connection goes when its calls have ended, and that was so.
        await eventually(lambda: bed.connections() == 1)


async def test_calls_under_way_end_well(bed: Bed) -> None:
    """On the connection on which they were begun, which is closed with the last of them."""
    client = bed.client("health")
    async with bed.channel(client, renewal_grace_s=FOR_EVER_S) as channel:
        calls = [await opened(bed, channel) for _ in range(3)]
        bed.renew(client, "health")
        assert await who(channel) == "health"
        assert bed.connections() == 2
        for number, call in enumerate(calls):
            bed.owner.say(beat(100 + number), beat(200 + number), END, stream=number)
            said = [message.revision for message in await read_all(call)]
            assert said == [100 + number, 200 + number]
            assert await call.code() is grpc.StatusCode.OK
        del call
        calls.clear()
        await eventually(lambda: bed.connections() == 1)
        assert await who(channel) == "health"


async def test_after_the_grace_a_call_is_ended(bed: Bed) -> None:
    """Nobody keeps a certificate in use that holds no more."""
    client = bed.client("health")
    async with bed.channel(client, renewal_grace_s=0.1) as channel:
        call = await opened(bed, channel)
        bed.renew(client, "health")
        assert await who(channel) == "health"
        async with asyncio.timeout(LIMIT_S):
            with pytest.raises(asyncio.CancelledError):
                await call.read()
        await eventually(lambda: bed.owner.open == 0)
        del call  # gRPC keeps a connection for as long as somebody holds a call of it
        await eventually(lambda: bed.connections() == 1)


async def test_a_view_is_followed_across_a_renewal(bed: Bed, logged: list[Any]) -> None:
    """Its stream is cut when the grace is over, and goes on from its revision on a new one."""
    client, names = bed.client("health"), Names()
    async with (
        bed.channel(client, renewal_grace_s=0.2) as channel,
        following(channel, names) as follower,
    ):
        bed.owner.say(page(7, "a"), complete(7), stream=0)
        await follower.wait_ready(LIMIT_S)
        bed.renew(client, "health")
        assert await who(channel) == "health"
        bed.owner.say(change(8, "b"), stream=0)
        await eventually(lambda: names.held == ["a", "b"])
        await eventually(lambda: bed.owner.asked == [0, 8])
        bed.owner.say(change(9, "c"), stream=1)
        await eventually(lambda: names.held == ["a", "b", "c"])
        await eventually(lambda: bed.connections() == 1)
        assert bed.owner.open == 1
    assert not [line for line in logged if line["event"] == "view_lost"], "nothing was lost"


async def test_a_channel_that_is_closed_under_a_follower_does_not_stop_it(bed: Bed) -> None:
    """gRPC cancels what waits for a message; only whoever runs the follower may stop it."""
    client, names = bed.client("health"), Names()
    channels = [bed.channel(client), bed.channel(client)]

    def stream(*args: Any, **kwargs: Any) -> Any:
        stub: Any = catalog_service_pb2_grpc.CatalogServiceStub(channels[0])
        return stub.WatchCatalog(*args, **kwargs)

    follower = Follower(
        "catalog",
        stream,
        lambda revision: watch_pb2.WatchCatalogRequest(after_revision=revision),
        names,
        SystemClock(),
    )
    running = asyncio.create_task(follower.run())
    bed.owner.say(page(7, "a"), complete(7), stream=0)
    await follower.wait_ready(LIMIT_S)
    closed = channels.pop(0)
    await closed.close()
    await eventually(lambda: bed.owner.asked == [0, 7])
    assert not running.done()
    bed.owner.say(change(8, "b"), stream=1)
    await eventually(lambda: names.held == ["a", "b"])
    # Both at once: who stops it wins.
    running.cancel()
    await channels[0].close()
    await asyncio.wait((running,), timeout=LIMIT_S)
    assert running.cancelled()


async def test_no_connection_is_left_of_many_renewals(bed: Bed) -> None:
    """Each goes with its calls, and closing takes those that are left."""
    client = bed.client("health")
    channel = bed.channel(client, renewal_grace_s=FOR_EVER_S)
    for _ in range(10):
        assert await who(channel) == "health"
        bed.renew(client, "health")
    assert await who(channel) == "health"
    await eventually(lambda: bed.connections() == 1)
    held = []
    for _ in range(3):
        held.append(await opened(bed, channel))
        bed.renew(client, "health")
    assert await who(channel) == "health"
    assert bed.connections() == 4
    await channel.close()
    await eventually(lambda: bed.owner.open == 0)
    assert all(call.done() for call in held)
    held.clear()
    await eventually(lambda: bed.connections() == 0)


async def test_closing_at_the_moment_of_a_renewal_leaves_nothing(bed: Bed) -> None:
    """The old connection was about to be closed, and has not been yet."""
    client = bed.client("health")
    channel = bed.channel(client, renewal_grace_s=FOR_EVER_S)
    call = await opened(bed, channel)
    bed.renew(client, "health")
    channel.get_state()
    await channel.close()
    assert call.done()
    await eventually(lambda: bed.owner.open == 0)
    del call
    await eventually(lambda: bed.connections() == 0)
    assert not [task for task in asyncio.all_tasks() if "Line.end" in repr(task)]


async def test_closing_with_a_grace_lets_calls_end(bed: Bed) -> None:
    """Those of before a renewal too, which end by themselves."""
    client = bed.client("health")
    channel = bed.channel(client, renewal_grace_s=FOR_EVER_S)
    calls = []
    for _ in range(2):
        calls.append(await opened(bed, channel))
        bed.renew(client, "health")
    closing = asyncio.create_task(channel.close(LIMIT_S))
    await asyncio.sleep(0)
    for number, call in enumerate(calls):
        bed.owner.say(beat(2), END, stream=number)
        assert [message.revision for message in await read_all(call)] == [2]
    async with asyncio.timeout(LIMIT_S):
        await closing
    del call
    calls.clear()
    await eventually(lambda: bed.connections() == 0)


async def test_many_calls_across_a_renewal_share_two_connections(bed: Bed) -> None:
    """However many find at once that the certificate is another one."""
    client = bed.client("health")
    with CuttableLine(bed.address) as line:
        async with bed.channel(client, address=line.address) as channel:
            before = [asyncio.create_task(who(channel)) for _ in range(50)]
            await asyncio.sleep(0)
            bed.renew(client, "health")
            after = [asyncio.create_task(who(channel)) for _ in range(50)]
            assert await asyncio.gather(*before, *after) == ["health"] * 100
            assert line.connections == 2
            assert await asyncio.gather(*(who(channel) for _ in range(20))) == ["health"] * 20
            assert line.connections == 2


async def test_files_that_do_not_fit_do_not_touch_the_channel(bed: Bed) -> None:
    """The connection stays the one that there is."""
    client = bed.client("health")
    async with bed.channel(client) as channel:
        assert await who(channel) == "health"
        held = channel.current()
        (bed.folder / "health" / "key.pem").write_bytes(b"half")
        assert client.refresh() is False
        assert await who(channel) == "health"
        assert channel.current() is held
        assert bed.connections() == 1
