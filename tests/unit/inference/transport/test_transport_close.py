"""Closing: at once, once, and without a trace."""

from __future__ import annotations

import asyncio
import gc
import time

import psutil
import pytest

from trunkline.inference.transport import (
    Broken,
    BrokenReason,
    Transport,
    Unreachable,
    UnreachableReason,
)
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    answer,
    chunk,
    get,
    post,
    serve,
    until,
    whole,
)


def count_sockets() -> int:
    """Return how many TCP sockets this process has open."""
    return len(psutil.Process().net_connections(kind="tcp"))


@pytest.mark.parametrize("sent", [CHUNKED_HEAD, CHUNKED_HEAD + chunk(b"hello")])
async def test_closing_reaches_the_provider_at_once(transport: Transport, sent: bytes) -> None:
    """The provider sees its connection end within milliseconds; the limit is far above."""
    async with serve(answer(sent)) as provider:
        exchange = await post(transport, provider.url())
        begun = time.monotonic()
        exchange.close()
        assert await provider.peers[0].left() - begun < 0.2


async def test_closing_twice_is_closing_once(transport: Transport) -> None:
    """A second close does nothing, even when the connection serves another exchange by then."""
    async with serve(answer(whole(b"ok"))) as provider:
        first = await post(transport, provider.url())
        assert await first.read_all(10) == b"ok"
        first.close()
        second = await post(transport, provider.url())
        first.close()
        first.finish()
        assert await second.read_all(10) == b"ok"
        second.close()
        assert len(provider.peers) == 1


async def test_a_closed_exchange_hands_out_nothing(transport: Transport) -> None:
    """What was not read before a close is neither read after it, nor taken for the end."""
    async with serve(answer(whole(b"ok"))) as provider:
        exchange = await post(transport, provider.url())
        exchange.close()
        with pytest.raises(Broken) as caught:
            await exchange.read()
        assert caught.value.reason is BrokenReason.CLOSED
        assert exchange.status == 200


async def test_closing_ends_a_read_that_waits(transport: Transport) -> None:
    """Who waits in another task is told that the exchange was closed here."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        exchange = await post(transport, provider.url())
        reading = asyncio.create_task(exchange.read())
        await asyncio.sleep(0)
        exchange.close()
        with pytest.raises(Broken) as caught:
            await reading
        assert caught.value.reason is BrokenReason.CLOSED


async def test_a_second_reader_is_a_mistake(transport: Transport) -> None:
    """Two tasks cannot wait for one body; the first one is not disturbed."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        exchange = await post(transport, provider.url())
        reading = asyncio.create_task(exchange.read())
        await asyncio.sleep(0)
        with pytest.raises(RuntimeError, match="two readers"):
            await exchange.read()
        assert not reading.done()
        provider.peers[0].write(chunk(b"x"))
        assert await reading == b"x"
        exchange.close()


async def test_closing_the_transport_closes_everything() -> None:
    """Free connections, exchanges under way and waiting requests end with the transport."""
    transport = Transport(connections_per_origin=2)
    async with serve(answer(CHUNKED_HEAD)) as provider, serve(answer(whole(b"ok"))) as other:
        assert await get(transport, other.url()) == b"ok"
        reading = await post(transport, provider.url())
        task = asyncio.create_task(reading.read())
        held = await post(transport, provider.url())
        waiting = asyncio.create_task(post(transport, provider.url()))
        await asyncio.sleep(0)
        begun = time.monotonic()
        await transport.aclose()
        for peer in (*provider.peers, *other.peers):
            assert await peer.left() - begun < 0.5
        with pytest.raises(Broken) as caught:
            await task
        assert caught.value.reason is BrokenReason.CLOSED
        with pytest.raises(Broken):
            await held.read()
        with pytest.raises(Unreachable) as refused:
            await waiting
        assert refused.value.reason is UnreachableReason.CLOSED
        for url in (provider.url(), other.url("/new"), "http://127.0.0.1:1/"):
            with pytest.raises(Unreachable) as refused:
                await post(transport, url)
            assert refused.value.reason is UnreachableReason.CLOSED
        reading.close()
        held.close()
        await transport.aclose()


async def test_nothing_is_left_open() -> None:
    """After a busy life with every kind of end, no socket is left and nothing complains."""
    gc.collect()
    before = count_sockets()
    async with serve(answer(whole(b"ok"))) as good, serve(answer(CHUNKED_HEAD)) as endless:
        transport = Transport(connections_per_origin=4)
        for _ in range(3):
            assert await get(transport, good.url()) == b"ok"
        closed = [await post(transport, endless.url()) for _ in range(2)]
        for exchange in closed:
            exchange.close()
        kept = [await post(transport, endless.url()) for _ in range(2)]
        asked = asyncio.create_task(post(transport, good.url()))
        await asyncio.sleep(0)
        asked.cancel()
        await asyncio.gather(asked, return_exceptions=True)
        await transport.aclose()
        del kept, closed, exchange, asked, transport
        # ResourceWarning is an error here, as every warning is.
        gc.collect()
    await until(lambda: count_sockets() <= before)
