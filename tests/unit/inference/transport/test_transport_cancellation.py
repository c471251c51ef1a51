"""Whoever is cancelled leaves the pool as it was, wherever that happens."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from trunkline.inference.transport import (
    Exchange,
    Transport,
    Unreachable,
    UnreachableReason,
)
from unit.inference.transport.authority import Authority
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    Names,
    Peer,
    answer,
    chunk,
    get,
    post,
    serve,
    until,
    whole,
)

MOST_TURNS = 2_000


async def cancel_after(turns: int, work: Awaitable[Exchange]) -> Exchange | None:
    """Run something for some turns of the event loop and cancel it then.

    Returns:
        What came of it, when it was done before.
    """
    task = asyncio.ensure_future(work)
    for _ in range(turns):
        if task.done():
            break
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    return None if task.cancelled() else task.result()


async def cancel_everywhere(ask: Callable[[], Awaitable[Exchange]]) -> int:
    """Cancel the opening of an exchange after every number of turns, until it is through.

    Returns:
        After how many turns it was.
    """
    for turns in range(MOST_TURNS):
        exchange = await cancel_after(turns, ask())
        if exchange is not None:
            exchange.close()
            return turns
    raise AssertionError("it never came through")


async def test_opening_may_be_cancelled_anywhere() -> None:
    """With a single place, which is free again after each cancelling."""
    transport = Transport(connections_per_origin=1)
    async with serve(answer(CHUNKED_HEAD)) as provider:
        assert await cancel_everywhere(lambda: post(transport, provider.url())) > 2
        (await post(transport, provider.url(), connect_s=1.0)).close()
        await until(lambda: all(peer.left_at for peer in provider.peers))
    begun = time.monotonic()
    await transport.aclose()
    # It waits for its connections to end, and those given up half made are none of them.
    assert time.monotonic() - begun < 0.5


async def test_opening_over_tls_may_be_cancelled_anywhere(tmp_path: Path) -> None:
    """Name, address, handshake and head: each can be interrupted."""
    authority = Authority(tmp_path)
    transport = Transport(
        connections_per_origin=1,
        extra_ca=authority.certificate,
        resolve=Names(api=[["127.0.0.1"]]),
    )
    async with serve(answer(CHUNKED_HEAD), tls=authority.issue("api.test")) as provider:
        url = provider.url(host="api.test")
        # The certificates are read by a thread, which takes many turns the first time.
        (await post(transport, url)).close()
        assert await cancel_everywhere(lambda: post(transport, url)) > 2
        (await post(transport, url, connect_s=5.0)).close()
        await until(lambda: all(peer.left_at for peer in provider.peers))
    begun = time.monotonic()
    await transport.aclose()
    assert time.monotonic() - begun < 0.5


async def test_the_first_opening_over_tls_may_be_cancelled(tmp_path: Path) -> None:
    """Reading the certificates is not left half done by who is cancelled in it."""
    authority = Authority(tmp_path)
    async with serve(answer(whole(b"ok")), tls=authority.issue("api.test")) as provider:
        url = provider.url(host="api.test")
        for turns in (1, 2, 3):
            transport = Transport(
                extra_ca=authority.certificate, resolve=Names(api=[["127.0.0.1"]])
            )
            assert await cancel_after(turns, post(transport, url)) is None
            assert await get(transport, url) == b"ok"
            await transport.aclose()


async def test_waiting_in_line_may_be_cancelled_anywhere() -> None:
    """Whoever leaves the line passes on what it was just given."""
    transport = Transport(connections_per_origin=1)
    async with serve(answer(whole(b"ok"))) as provider:
        for turns in range(12):
            held = await post(transport, provider.url())
            assert await held.read_all(10) == b"ok"
            leaving = asyncio.create_task(post(transport, provider.url()))
            staying = asyncio.create_task(get(transport, provider.url()))
            await asyncio.sleep(0)
            held.close()
            for _ in range(turns):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
            if not leaving.cancelled():
                leaving.result().close()
            assert await staying == b"ok"
    await transport.aclose()


@pytest.mark.parametrize("turns", [0, 1, 2])
async def test_who_leaves_the_line_before_its_turn_is_passed_over(turns: int) -> None:
    """A place goes to the next one who still waits."""
    transport = Transport(connections_per_origin=1)
    async with serve(answer(whole(b"ok"))) as provider:
        held = await post(transport, provider.url())
        assert await held.read_all(10) == b"ok"
        line = [asyncio.create_task(get(transport, provider.url())) for _ in range(4)]
        await asyncio.sleep(0)
        line[0].cancel()
        line[2].cancel()
        for _ in range(turns):
            await asyncio.sleep(0)
        held.close()
        results = await asyncio.gather(*line, return_exceptions=True)
        assert [isinstance(result, asyncio.CancelledError) for result in results] == [
            True,
            False,
            True,
            False,
        ]
    await transport.aclose()


async def test_replacing_a_stale_connection_may_be_cancelled_anywhere() -> None:
    """Between the death of the kept connection and the answer on the fresh one, too."""
    transport = Transport(connections_per_origin=1)

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(whole(b"ok"))
        await peer.receive()
        peer.reset()

    async with serve(script) as provider:
        for turns in range(MOST_TURNS):
            # Whatever the last round left: the connection that is free has served one request.
            while not provider.peers or len(provider.peers[-1].requests) != 1:
                assert await get(transport, provider.url()) == b"ok"
            exchange = await cancel_after(turns, post(transport, provider.url()))
            if exchange is not None:
                exchange.close()
                break
        else:
            raise AssertionError("it never came through")
        assert turns > 2
        assert await get(transport, provider.url()) == b"ok"
    await transport.aclose()


@pytest.mark.parametrize("turns", range(6))
async def test_a_cancelled_read_loses_nothing(transport: Transport, turns: int) -> None:
    """What has come stays for the next read, even when it came in the turn of the cancelling."""
    parts = [b"one ", b"two ", b"three"]
    step = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        for part in parts:
            await step.acquire()
            peer.write(chunk(part))
        peer.write(LAST_CHUNK)

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        body = b""
        for _ in parts:
            reading = asyncio.create_task(exchange.read())
            await asyncio.sleep(0)
            step.release()
            for _ in range(turns):
                await asyncio.sleep(0)
            reading.cancel()
            await asyncio.wait([reading])
            if not reading.cancelled():
                body += reading.result()
        body += await exchange.read_all(100)
        assert body == b"".join(parts)
        exchange.close()
        assert len(provider.peers) == 1


@pytest.mark.parametrize("seed", range(5))
async def test_a_crowd_with_early_leavers_leaves_all_places_free(seed: int) -> None:
    """Many requests on few places, some cancelled, some cut, some reset: nothing is lost or kept.

    Afterwards as many exchanges as there are places can be open at once, and no more.
    """
    chance = random.Random(seed)
    places = 3
    transport = Transport(connections_per_origin=places)
    open_now = most = 0

    async def script(peer: Peer) -> None:
        while True:
            request = await peer.receive()
            if b"/reset" in request:
                peer.reset()
                return
            await peer.write_apart(CHUNKED_HEAD, chunk(b"a"))
            if b"/endless" not in request:
                await peer.write_apart(LAST_CHUNK)

    async def ask(path: str) -> None:
        nonlocal open_now, most
        exchange = await post(transport, provider.url(path))
        open_now += 1
        most = max(most, open_now)
        try:
            await exchange.read()
            if path == "/whole":
                assert await exchange.read() == b""
        finally:
            open_now -= 1
            exchange.close()

    async with serve(script) as provider:
        paths = [chance.choice(["/whole", "/endless", "/reset"]) for _ in range(60)]
        asked = [asyncio.create_task(ask(path)) for path in paths]
        while not all(task.done() for task in asked):
            for _ in range(chance.randrange(8)):
                await asyncio.sleep(0)
            chance.choice(asked).cancel()
        results = await asyncio.gather(*asked, return_exceptions=True)
        for path, result in zip(paths, results, strict=True):
            assert result is None or isinstance(result, asyncio.CancelledError | Unreachable)
            assert path == "/reset" or not isinstance(result, Unreachable)
        assert 1 <= most <= places
        held = [await post(transport, provider.url("/endless")) for _ in range(places)]
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url("/endless"), connect_s=0.02)
        assert caught.value.reason is UnreachableReason.POOL_FULL
        for exchange in held:
            exchange.close()
    await transport.aclose()


async def test_a_cancelled_owner_frees_its_connection(transport: Transport) -> None:
    """The owner's `close` in its `finally` ends the connection within milliseconds."""

    async def own() -> None:
        exchange = await post(transport, provider.url())
        try:
            while await exchange.read():
                pass
        finally:
            exchange.close()

    async with serve(answer(CHUNKED_HEAD + chunk(b"a"))) as provider:
        owner = asyncio.create_task(own())
        await until(lambda: provider.requests)
        owner.cancel()
        await asyncio.wait([owner])
        await provider.peers[0].left()
