"""What comes out of an exchange is the body, however it is framed and wherever it was cut."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from trunkline.inference.outgoing import Request
from trunkline.inference.transport import Broken, BrokenReason, Transport
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    LIMIT_S,
    Peer,
    answer,
    chunk,
    chunked,
    get,
    post,
    serve,
    whole,
)

EVENTS = (b"data: one\n\n", b"data: two \xe2\x80\xa8\n\n", b"x")
BODY = b"".join(EVENTS)


async def test_a_chunked_body_survives_every_cut(transport: Transport) -> None:
    """Wherever the reply is cut into two writes, the body and the connection stay whole."""
    reply = chunked(*EVENTS)

    async def script(peer: Peer) -> None:
        for cut in range(1, len(reply)):
            await peer.receive()
            await peer.write_apart(reply[:cut], reply[cut:])

    async with serve(script) as provider:
        for _ in range(1, len(reply)):
            assert await get(transport, provider.url()) == BODY
        assert len(provider.peers) == 1


async def test_a_chunked_body_arrives_byte_by_byte(transport: Transport) -> None:
    """A reply that comes in writes of one byte is the same reply."""
    pieces = [bytes([byte]) for byte in chunked(*EVENTS)]
    async with serve(answer(*pieces)) as provider:
        assert await get(transport, provider.url()) == BODY
        assert await get(transport, provider.url()) == BODY
        assert len(provider.peers) == 1


async def test_what_came_at_once_is_read_at_once(transport: Transport) -> None:
    """Many chunks in one piece of bytes are one read, and the end may be asked for again."""
    async with serve(answer(chunked(*EVENTS))) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == BODY
        assert await exchange.read() == b""
        assert await exchange.read() == b""
        exchange.close()


async def test_what_comes_later_is_read_as_it_comes(transport: Transport) -> None:
    """A part of the body is handed out before the next one is written."""
    taken = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        for event in EVENTS:
            peer.write(chunk(event))
            await taken.acquire()
        peer.write(LAST_CHUNK)

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        for event in EVENTS:
            assert await exchange.read() == event
            taken.release()
        assert await exchange.read() == b""
        exchange.close()


async def test_many_streams_at_once_keep_apart(transport: Transport) -> None:
    """A hundred interleaved streams each hand out their own bytes, in their order."""

    async def script(peer: Peer) -> None:
        name = (await peer.receive()).split(b" ")[1]
        peer.write(CHUNKED_HEAD)
        for number in range(20):
            await peer.write_apart(chunk(b"%b-%d\n" % (name, number)))
        peer.write(LAST_CHUNK)

    async with serve(script) as provider:
        names = [f"/{number}" for number in range(100)]
        bodies = await asyncio.gather(*(get(transport, provider.url(name)) for name in names))
        for name, body in zip(names, bodies, strict=True):
            assert body.decode().split() == [f"{name}-{number}" for number in range(20)]


async def test_the_head_comes_without_a_body(transport: Transport) -> None:
    """An exchange is opened as soon as the head is there."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        exchange = await post(transport, provider.url())
        assert exchange.status == 200
        assert exchange.headers == httpx.Headers(
            {"content-type": "text/plain", "transfer-encoding": "chunked"}
        )
        exchange.close()


@pytest.mark.parametrize("size", [0, 1, 100_000])
async def test_a_body_with_a_length_ends_there(transport: Transport, size: int) -> None:
    """A body of a given length is whole when that many bytes have come."""
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    async with serve(answer(whole(body))) as provider:
        assert await get(transport, provider.url()) == body
        assert await get(transport, provider.url()) == body
        assert len(provider.peers) == 1


@pytest.mark.parametrize(
    "head", [b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n", b"HTTP/1.0 200 OK\r\n\r\n"]
)
async def test_a_body_without_length_ends_with_the_connection(
    transport: Transport, head: bytes
) -> None:
    """A body with neither length nor chunks is whole when the server closes in order."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.write_apart(head, *EVENTS)
        peer.close()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == BODY
        assert await get(transport, provider.url()) == BODY
        assert len(provider.peers) == 2


@pytest.mark.parametrize(
    "interim",
    [
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nx-early: 1\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" * 3,
    ],
)
async def test_interim_responses_are_passed_over(transport: Transport, interim: bytes) -> None:
    """100 and 103 are no reply, and leave nothing in its headers; whole or byte by byte."""
    reply = interim + whole(BODY)
    for pieces in ([reply], [interim, whole(BODY)], [bytes([byte]) for byte in reply]):
        async with serve(answer(*pieces)) as provider:
            exchange = await post(transport, provider.url())
            assert exchange.status == 200
            assert list(exchange.headers) == ["content-length"]
            assert await exchange.read_all(1_000) == BODY
            exchange.close()


@pytest.mark.parametrize(
    ("status", "fields"),
    [
        (b"204 No Content", b""),
        (b"204 No Content", b"transfer-encoding: chunked\r\n"),
        (b"304 Not Modified", b"content-length: 7\r\n"),
    ],
)
async def test_some_statuses_have_no_body(
    transport: Transport, status: bytes, fields: bytes
) -> None:
    """A status that has no body ends with its head, whatever its headers say (RFC 9112 §6.3)."""
    head = b"HTTP/1.1 " + status + b"\r\n" + fields + b"\r\n"
    async with serve(answer(head)) as provider:
        for _ in range(2):
            exchange = await post(transport, provider.url())
            assert exchange.status == int(status[:3])
            assert await exchange.read() == b""
            exchange.close()
        assert len(provider.peers) == 1


async def test_a_head_request_has_no_body(transport: Transport) -> None:
    """The reply to a HEAD ends with its head, although it gives a length."""
    async with serve(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")) as provider:
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        request = await Request.read(httpx.Request("HEAD", provider.url()))
        exchange = await transport.open(request, connect_s=LIMIT_S, deadline=deadline)
        assert exchange.headers["content-length"] == "7"
        assert await exchange.read() == b""
        exchange.close()


@pytest.mark.parametrize("status", [301, 302, 307, 308])
async def test_a_redirect_is_not_followed(transport: Transport, status: int) -> None:
    """A redirect is handed out like any other status, and nobody is asked again."""
    async with serve(answer(b"")) as target:
        location = b"location: " + target.url().encode()
        reply = whole(b"moved", location, status=b"%d Moved" % status)
        async with serve(answer(reply)) as provider:
            exchange = await post(transport, provider.url())
            assert exchange.status == status
            assert exchange.headers["location"] == target.url()
            assert await exchange.read_all(100) == b"moved"
            exchange.close()
        assert target.peers == []


@pytest.mark.parametrize("status", [400, 401, 429, 500, 529])
async def test_a_refusal_is_a_reply(transport: Transport, status: int) -> None:
    """A status that says no is no fault of the transport's."""
    reply = whole(b'{"error":1}', b"Retry-After: 3", status=b"%d No" % status)
    async with serve(answer(reply)) as provider:
        exchange = await post(transport, provider.url())
        assert exchange.status == status
        assert exchange.headers["retry-after"] == "3"
        assert await exchange.read_all(100) == b'{"error":1}'
        exchange.close()


async def test_a_body_over_its_limit_is_refused(transport: Transport) -> None:
    """`read_all` takes as many bytes as it is allowed and not one more."""
    async with serve(answer(chunked(b"12345", b"67890"))) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read_all(10) == b"1234567890"
        exchange.close()
        exchange = await post(transport, provider.url())
        with pytest.raises(Broken) as caught:
            await exchange.read_all(9)
        assert caught.value.reason is BrokenReason.TOO_LARGE
        exchange.close()
