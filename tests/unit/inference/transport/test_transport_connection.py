"""What happens within one turn of the event loop, where no socket can be timed so exactly."""

from __future__ import annotations

import asyncio
import math
import socket
from collections.abc import Iterator

import pytest

from trunkline.inference.transport import Broken, Exchange
from trunkline.inference.transport.connection import Connection
from trunkline.inference.transport.pool import Pool
from unit.inference.transport.provider import CHUNKED_HEAD, LAST_CHUNK, chunk


class Wire(asyncio.Transport):
    """The sending side of a connection that leads nowhere."""

    def __init__(self) -> None:
        super().__init__({"socket": socket.socket()})
        self.aborted = False
        self.sent: list[bytes] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Note what is sent."""
        self.sent.append(bytes(data))

    def get_write_buffer_size(self) -> int:
        """Say that all is sent."""
        return 0

    def abort(self) -> None:
        """Close, and note that it was at once."""
        self.aborted = True
        self.close()

    def close(self) -> None:
        """Close."""
        self.get_extra_info("socket").close()


async def begin(connection: Connection, pool: Pool) -> Exchange:
    """Open an exchange whose head has come."""
    exchange = Exchange(connection, pool, math.inf, head_only=False)
    sending = asyncio.create_task(exchange.send(b"request"))
    await asyncio.sleep(0)
    connection.data_received(CHUNKED_HEAD)
    await sending
    return exchange


@pytest.fixture
def wire() -> Iterator[Wire]:
    """Return a wire that is cut in the end."""
    made = Wire()
    yield made
    made.close()


async def test_nothing_waits_for_more_to_send(wire: Wire) -> None:
    """Nagle's algorithm is off, and a request is one write."""
    pool = Pool(limit=1, idle_s=60.0)
    connection = Connection(pool)
    connection.connection_made(wire)
    option = wire.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
    assert option != 0
    assert await pool.take(math.inf) is None
    (await begin(connection, pool)).close()
    assert wire.sent == [b"request"]


async def test_several_reads_of_the_socket_are_one_read(wire: Wire) -> None:
    """What comes before the reader has its turn is handed out joined."""
    pool = Pool(limit=1, idle_s=60.0)
    connection = Connection(pool)
    connection.connection_made(wire)
    assert await pool.take(math.inf) is None
    exchange = await begin(connection, pool)
    reading = asyncio.create_task(exchange.read())
    await asyncio.sleep(0)
    connection.data_received(chunk(b"a") + chunk(b"b"))
    connection.data_received(chunk(b"c"))
    assert await reading == b"abc"
    exchange.close()


async def test_an_exchange_closed_under_its_reader_does_not_disturb_the_next(wire: Wire) -> None:
    """The end wakes a reader; before it runs, another task closes and a third asks again."""
    pool = Pool(limit=1, idle_s=60.0)
    connection = Connection(pool)
    connection.connection_made(wire)
    assert await pool.take(math.inf) is None
    first = await begin(connection, pool)
    reading = asyncio.create_task(first.read())
    await asyncio.sleep(0)

    connection.data_received(LAST_CHUNK)
    first.close()
    assert await pool.take(math.inf) is connection
    second = Exchange(connection, pool, math.inf, head_only=False)
    step = second.send(b"request")
    step.send(None)  # as far as its wait, before the loop has turned
    with pytest.raises(Broken):
        await reading
    connection.data_received(CHUNKED_HEAD + chunk(b"mine"))
    with pytest.raises(StopIteration):
        step.send(None)
    assert await second.read() == b"mine"
    second.close()


async def test_a_deadline_moved_too_late_does_not_disturb_the_next(wire: Wire) -> None:
    """The deadline of an exchange that was closed ends no wait of the one that follows."""
    pool = Pool(limit=1, idle_s=60.0)
    connection = Connection(pool)
    connection.connection_made(wire)
    assert await pool.take(math.inf) is None
    first = await begin(connection, pool)
    connection.data_received(LAST_CHUNK)
    first.close()
    assert await pool.take(math.inf) is connection
    second = await begin(connection, pool)
    reading = asyncio.create_task(second.read())
    await asyncio.sleep(0)
    first.deadline = 0.0
    for _ in range(5):
        await asyncio.sleep(0.001)
    connection.data_received(chunk(b"mine"))
    assert await reading == b"mine"
    second.close()


async def test_a_connection_that_is_ending_is_not_used(wire: Wire) -> None:
    """Between the server's end and that of the socket a free connection counts no more.

    The socket is closed at once: with TLS a farewell could be waited for.
    """
    pool = Pool(limit=1, idle_s=60.0)
    connection = Connection(pool)
    connection.connection_made(wire)
    assert await pool.take(math.inf) is None
    exchange = await begin(connection, pool)
    connection.data_received(LAST_CHUNK)
    exchange.close()
    before = wire.aborted
    connection.eof_received()
    assert (before, wire.aborted) == (False, True)
    assert await pool.take(math.inf) is None
