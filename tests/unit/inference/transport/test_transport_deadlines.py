"""How long an exchange waits, and who may change that while it does."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from contextvars import Context
from typing import TypeVarTuple, Unpack

import pytest

from trunkline.inference.transport import Silent, Transport
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    Peer,
    answer,
    chunk,
    post,
    serve,
    until,
)


async def test_silence_before_the_head(transport: Transport) -> None:
    """A server that does not begin to answer is silent, and its socket is closed."""
    async with serve(answer(b"")) as provider:
        begun = time.monotonic()
        with pytest.raises(Silent) as caught:
            await post(transport, provider.url(), within_s=0.05)
        assert not caught.value.head_received
        assert 0.045 <= time.monotonic() - begun < 0.5
        await provider.peers[0].left()


async def test_silence_within_the_head(transport: Transport) -> None:
    """Half a head is no head."""
    async with serve(answer(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")) as provider:
        with pytest.raises(Silent) as caught:
            await post(transport, provider.url(), within_s=0.05)
        assert not caught.value.head_received


async def test_silence_within_the_body(transport: Transport) -> None:
    """A read ends at the deadline, and says that the head had come."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"a"))) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == b"a"
        begun = time.monotonic()
        exchange.deadline = asyncio.get_running_loop().time() + 0.05
        with pytest.raises(Silent) as caught:
            await exchange.read()
        assert caught.value.head_received
        assert 0.045 <= time.monotonic() - begun < 0.5
        exchange.close()


async def test_framing_is_no_body(transport: Transport) -> None:
    """The beginning of a chunk does not end a wait for the body."""
    async with serve(answer(CHUNKED_HEAD, b"5", b";x=y\r", b"\n")) as provider:
        exchange = await post(transport, provider.url(), within_s=0.05)
        with pytest.raises(Silent):
            await exchange.read()
        exchange.close()


async def test_a_deadline_in_the_past_sends_nothing(transport: Transport) -> None:
    """No connection is made for a request that is too late."""
    async with serve(answer(b"")) as provider:
        with pytest.raises(Silent):
            await post(transport, provider.url(), within_s=-1)
        assert provider.peers == []


async def test_what_is_there_is_read_after_the_deadline(transport: Transport) -> None:
    """A deadline ends a wait; bytes that are there need none."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"a") + chunk(b"b"))) as provider:
        exchange = await post(transport, provider.url())
        exchange.deadline = asyncio.get_running_loop().time() - 1
        assert await exchange.read() == b"ab"
        with pytest.raises(Silent):
            await exchange.read()
        exchange.close()


async def test_a_read_goes_on_after_silence(transport: Transport) -> None:
    """Silence breaks nothing: with a later deadline the next read gets what comes."""
    speak = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        await speak.wait()
        peer.write(chunk(b"late") + LAST_CHUNK)

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        for _ in range(2):
            exchange.deadline = asyncio.get_running_loop().time() + 0.02
            with pytest.raises(Silent):
                await exchange.read()
        exchange.deadline = math.inf
        speak.set()
        assert await exchange.read() == b"late"
        assert await exchange.read() == b""
        exchange.close()


async def test_a_deadline_moves_away_while_a_read_waits(transport: Transport) -> None:
    """A later deadline holds for the wait that is under way."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        loop = asyncio.get_running_loop()
        exchange = await post(transport, provider.url())
        begun = loop.time()
        exchange.deadline = begun + 0.05
        reading = asyncio.create_task(exchange.read())
        await asyncio.sleep(0)
        exchange.deadline = begun + 0.15
        with pytest.raises(Silent):
            await reading
        assert 0.145 <= loop.time() - begun < 1.5
        exchange.close()


@pytest.mark.parametrize("first", [20.0, math.inf])
async def test_a_deadline_moves_near_while_a_read_waits(transport: Transport, first: float) -> None:
    """An earlier deadline ends the wait that is under way, also where there was none."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        loop = asyncio.get_running_loop()
        exchange = await post(transport, provider.url())
        begun = loop.time()
        exchange.deadline = begun + first
        reading = asyncio.create_task(exchange.read())
        await asyncio.sleep(0)
        exchange.deadline = begun + 0.05
        with pytest.raises(Silent):
            await reading
        assert 0.045 <= loop.time() - begun < 0.5
        exchange.close()


async def test_a_deadline_may_be_taken_away(transport: Transport) -> None:
    """Without a deadline a read waits on, past the one there was."""
    speak = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        await speak.wait()
        peer.write(chunk(b"late"))

    async with serve(script) as provider:
        loop = asyncio.get_running_loop()
        exchange = await post(transport, provider.url())
        passed = loop.time() + 0.03
        exchange.deadline = passed
        reading = asyncio.create_task(exchange.read())
        await asyncio.sleep(0)
        exchange.deadline = math.inf
        await until(lambda: loop.time() > passed + 0.02)
        assert not reading.done()
        speak.set()
        assert await reading == b"late"
        exchange.close()


async def test_a_deadline_set_between_reads_holds_for_the_next(transport: Transport) -> None:
    """The deadline that counts is the one that stands when the read waits."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"a"))) as provider:
        loop = asyncio.get_running_loop()
        exchange = await post(transport, provider.url(), within_s=20.0)
        await exchange.read()
        begun = loop.time()
        exchange.deadline = begun + 20.0
        exchange.deadline = begun + 0.05
        assert exchange.deadline == begun + 0.05
        with pytest.raises(Silent):
            await exchange.read()
        assert 0.045 <= loop.time() - begun < 0.5
        exchange.close()


_Arguments = TypeVarTuple("_Arguments")


class CountingLoop(asyncio.SelectorEventLoop):
    """An event loop that counts the timers it is asked for."""

    timers = 0

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[_Arguments]], object],
        *args: *_Arguments,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Count, and do what was asked."""
        self.timers += 1
        return super().call_at(when, callback, *args, context=context)


def test_many_reads_share_one_timer() -> None:
    """Moving the deadline on at each read, as an owner does, asks for no timer each time."""

    async def read_on(loop: CountingLoop) -> int:
        taken = asyncio.Semaphore(0)

        async def script(peer: Peer) -> None:
            await peer.receive()
            peer.write(CHUNKED_HEAD)
            for _ in range(100):
                peer.write(chunk(b"x"))
                await taken.acquire()

        async with serve(script) as provider:
            transport = Transport()
            exchange = await post(transport, provider.url())
            before = loop.timers
            for _ in range(100):
                exchange.deadline = loop.time() + 30
                assert await exchange.read() == b"x"
                taken.release()
            asked = loop.timers - before
            exchange.close()
            await transport.aclose()
            return asked

    loop = CountingLoop()
    try:
        assert loop.run_until_complete(read_on(loop)) <= 1
    finally:
        loop.close()
