"""A provider that writes faster than its answer is read is held back."""

from __future__ import annotations

import asyncio
import tracemalloc

from trunkline.inference.transport import Transport
from trunkline.inference.transport.connection import MAX_UNREAD
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    Peer,
    chunk,
    get,
    post,
    serve,
    whole,
)

TOTAL = 100 * 2**20
PIECE = b"x" * 65_536
# What an event loop reads from a socket at once.
ONE_READ = 256 * 1024


class Flood:
    """A provider that writes 100 MiB as fast as it is let, and notes how far it came."""

    def __init__(self) -> None:
        self.written = 0

    async def __call__(self, peer: Peer) -> None:
        """Answer a request with the flood, and further ones with a word."""
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        while self.written < TOTAL:
            peer.write(chunk(PIECE))
            self.written += len(PIECE)
            await peer.drain()
        peer.write(LAST_CHUNK)
        await peer.receive()
        peer.write(whole(b"ok"))

    async def settled(self) -> int:
        """Wait until the writing has come to rest; return how much was written."""
        async with asyncio.timeout(10):
            before = -1
            while before != self.written:
                before = self.written
                for _ in range(20):
                    await asyncio.sleep(0.001)
        return self.written


async def test_an_unread_flood_is_stopped(transport: Transport) -> None:
    """While nobody reads, the provider comes no further than some buffers, nor does our memory."""
    flood = Flood()
    async with serve(flood) as provider:
        tracemalloc.start()
        try:
            exchange = await post(transport, provider.url())
            written = await flood.settled()
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # The kernel's buffers on both sides of a loopback socket take some megabytes.
        assert written < TOTAL / 4
        assert held < 2 * (MAX_UNREAD + ONE_READ)
        exchange.close()
        await provider.peers[0].left()


async def test_a_flood_that_is_read_comes_whole(transport: Transport) -> None:
    """Held back and let go many times over, not a byte is lost and the connection is kept."""
    flood = Flood()
    async with serve(flood) as provider:
        exchange = await post(transport, provider.url())
        await flood.settled()
        read = most = 0
        while part := await exchange.read():
            read += len(part)
            most = max(most, len(part))
        assert read == TOTAL
        # What may wait, and one read of the socket on top.
        assert most <= MAX_UNREAD + ONE_READ
        exchange.close()
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 1


async def test_a_body_that_ends_while_held_back_frees_its_connection(
    transport: Transport,
) -> None:
    """A connection whose reading stands still is set going before the next request."""
    body = b"x" * (MAX_UNREAD + 1)

    async def script(peer: Peer) -> None:
        while True:
            await peer.receive()
            peer.write(whole(body))

    async with serve(script) as provider:
        for _ in range(3):
            exchange = await post(transport, provider.url())
            read = 0
            while read < len(body):
                read += len(await exchange.read())
            exchange.close()
        assert len(provider.peers) == 1


async def test_tiny_chunks_are_counted_with_their_framing(transport: Transport) -> None:
    """Chunks of a byte each fill no more memory than others do."""
    written = 0

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        tiny = chunk(b"ab") * 8_192
        while True:
            peer.write(tiny)
            written += len(tiny)
            await peer.drain()

    async with serve(script) as provider:
        tracemalloc.start()
        try:
            exchange = await post(transport, provider.url())
            before = -1
            while before != written:
                before = written
                for _ in range(20):
                    await asyncio.sleep(0.001)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        # An object for each chunk: some 35 bytes, of 7 that came.
        assert held < 8 * (MAX_UNREAD + ONE_READ)
        exchange.close()
