"""What httpx sits on: an `AsyncClient` over the transport behaves as over its own."""

from __future__ import annotations

import asyncio
import gzip
import socket
import time
from collections.abc import AsyncIterator, Callable

import httpx
import pytest

from trunkline.inference.transport import (
    AddressForbidden,
    Broken,
    BrokenReason,
    Silent,
    Transport,
    Unreachable,
    Unsendable,
)
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    LIMIT_S,
    Names,
    Peer,
    answer,
    chunk,
    chunked,
    post,
    serve,
    whole,
)


@pytest.fixture
async def client(transport: Transport) -> AsyncIterator[httpx.AsyncClient]:
    """Return a client over the transport, which takes nothing from the environment."""
    async with httpx.AsyncClient(transport=transport, trust_env=False) as opened:
        yield opened


async def read_stream(
    client: httpx.AsyncClient,
    url: str,
    take: Callable[[bytes], object],
    timeout_s: float = LIMIT_S,
) -> None:
    """Read a response part by part."""
    async with client.stream("GET", url, timeout=timeout_s) as response:
        async for part in response.aiter_raw():
            take(part)


async def test_json_is_got_and_posted(client: httpx.AsyncClient) -> None:
    """GET and POST with JSON, over one connection."""
    async with serve(answer(whole(b'{"a":1}', b"content-type: application/json"))) as provider:
        response = await client.get(provider.url(), params={"q": "x y"})
        assert response.status_code == 200
        assert response.json() == {"a": 1}
        assert response.http_version == "HTTP/1.1"
        response = await client.post(provider.url(), json={"b": 2})
        assert response.json() == {"a": 1}
        assert provider.requests[0].startswith(b"GET /v1/chat?q=x+y HTTP/1.1\r\n")
        assert provider.requests[1].endswith(b'\r\n\r\n{"b":2}')
        assert len(provider.peers) == 1


async def test_a_stream_is_read_as_it_comes(client: httpx.AsyncClient) -> None:
    """Parts of a body are handed out before the next one is written."""
    taken = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        for part in (b"one", b"two"):
            peer.write(chunk(part))
            await taken.acquire()
        peer.write(LAST_CHUNK)

    async with serve(script) as provider:
        parts: list[bytes] = []

        def take(part: bytes) -> None:
            parts.append(part)
            taken.release()

        await read_stream(client, provider.url(), take)
        assert parts == [b"one", b"two"]


async def test_a_response_that_is_left_closes_its_socket(client: httpx.AsyncClient) -> None:
    """Leaving a stream before its end ends the connection."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"a"))) as provider:
        async with client.stream("GET", provider.url()) as response:
            assert response.status_code == 200
        await provider.peers[0].left()


async def test_a_compressed_body_is_httpx_business(client: httpx.AsyncClient) -> None:
    """A client that asks for compression gets the body decoded."""
    reply = whole(gzip.compress(b"hello"), b"content-encoding: gzip")
    async with serve(answer(reply)) as provider:
        assert (await client.get(provider.url())).text == "hello"


async def test_redirects_are_the_clients_choice(client: httpx.AsyncClient) -> None:
    """The transport follows none; a client that wants to asks it again."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(whole(b"", b"location: /there", status=b"307 Moved"))
        await peer.receive()
        peer.write(whole(b"here"))

    async with serve(script) as provider:
        assert (await client.get(provider.url())).status_code == 307
    async with serve(script) as provider:
        assert (await client.get(provider.url(), follow_redirects=True)).text == "here"


async def test_a_generator_is_posted(client: httpx.AsyncClient) -> None:
    """A body that httpx would stream arrives whole."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with serve(answer(whole(b"ok"))) as provider:
        assert (await client.post(provider.url(), content=parts())).text == "ok"
        assert provider.requests[0].endswith(b"\r\n\r\none two")


async def test_a_head_request(client: httpx.AsyncClient) -> None:
    """HEAD gives headers and no body."""
    async with serve(answer(b"HTTP/1.1 200 OK\r\ncontent-length: 7\r\n\r\n")) as provider:
        response = await client.head(provider.url())
        assert response.headers["content-length"] == "7"
        assert response.content == b""


async def test_silence_before_the_head_is_a_read_timeout(client: httpx.AsyncClient) -> None:
    """`read` bounds the wait for the head, from the connection on."""
    async with serve(answer(b"")) as provider:
        with pytest.raises(httpx.ReadTimeout) as caught:
            await client.get(provider.url(), timeout=httpx.Timeout(10.0, read=0.05))
        assert isinstance(caught.value.__cause__, Silent)
        assert not caught.value.__cause__.head_received


async def test_silence_within_the_body_is_a_read_timeout(client: httpx.AsyncClient) -> None:
    """`read` bounds the wait for each part of the body anew."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        for _ in range(5):
            peer.write(chunk(b"x"))
            await asyncio.sleep(0.06)

    async with serve(script) as provider:
        got: list[bytes] = []
        with pytest.raises(httpx.ReadTimeout) as caught:
            await read_stream(client, provider.url(), got.append, timeout_s=0.25)
        assert b"".join(got) == b"xxxxx"
        assert isinstance(caught.value.__cause__, Silent)
        assert caught.value.__cause__.head_received
        assert caught.value.request.url == provider.url()


async def test_a_full_pool_is_a_pool_timeout() -> None:
    """`pool` bounds the wait for a connection."""
    transport = Transport(connections_per_origin=1)
    async with (
        httpx.AsyncClient(transport=transport, trust_env=False) as client,
        serve(answer(CHUNKED_HEAD)) as provider,
        client.stream("GET", provider.url()),
    ):
        begun = time.monotonic()
        with pytest.raises(httpx.PoolTimeout):
            await client.get(provider.url(), timeout=httpx.Timeout(10.0, pool=0.02))
        assert time.monotonic() - begun < 5.0


async def test_no_connection_in_time_is_a_connect_timeout() -> None:
    """`connect` bounds name, address and TLS."""

    async def mute(_: Peer) -> None:
        return

    async with serve(mute) as provider:
        transport = Transport(resolve=Names(api=[["127.0.0.1"]]))
        async with httpx.AsyncClient(transport=transport, trust_env=False) as client:
            with pytest.raises(httpx.ConnectTimeout):
                await client.get(
                    f"https://api.test:{provider.port}/",
                    timeout=httpx.Timeout(10.0, connect=0.15),
                )


async def test_refusals_are_connect_errors(client: httpx.AsyncClient) -> None:
    """A refused connection and a forbidden address are told as httpx tells such."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(httpx.ConnectError) as caught:
        await client.get(f"http://127.0.0.1:{port}/")
    assert isinstance(caught.value.__cause__, Unreachable)
    with pytest.raises(httpx.ConnectError) as caught:
        await client.get("http://169.254.169.254/")
    assert isinstance(caught.value.__cause__, AddressForbidden)


async def test_no_answer_is_a_protocol_error(client: httpx.AsyncClient) -> None:
    """A server that closes unanswered is told as httpx's own transport tells it."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.close()

    async with serve(script) as provider:
        with pytest.raises(httpx.RemoteProtocolError):
            await client.get(provider.url())


@pytest.mark.parametrize(
    ("ending", "kind", "reason"),
    [
        ("close", httpx.RemoteProtocolError, BrokenReason.CUT),
        ("reset", httpx.ReadError, BrokenReason.RESET),
        ("garbage", httpx.RemoteProtocolError, BrokenReason.MALFORMED),
    ],
)
async def test_a_broken_body(
    client: httpx.AsyncClient, ending: str, kind: type[httpx.TransportError], reason: BrokenReason
) -> None:
    """A body that does not come to its end raises while it is read."""
    got = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD + chunk(b"a"))
        await got.wait()
        if ending == "close":
            peer.close()
        elif ending == "reset":
            peer.reset()
        else:
            peer.write(b"garbage\r\n")

    async with serve(script) as provider:
        with pytest.raises(kind) as caught:
            await read_stream(client, provider.url(), lambda _: got.set())
        assert isinstance(caught.value.__cause__, Broken)
        assert caught.value.__cause__.reason is reason


async def test_a_key_with_a_line_break_is_a_local_error(client: httpx.AsyncClient) -> None:
    """What httpx's own transport refuses with the value in its text is refused without."""
    with pytest.raises(httpx.LocalProtocolError) as caught:
        await client.get("http://127.0.0.1:1/", headers={"authorization": "Bearer secret\n"})
    assert isinstance(caught.value.__cause__, Unsendable)
    assert "secret" not in repr(caught.value)


async def test_no_timeouts_at_all(client: httpx.AsyncClient) -> None:
    """A client without time limits waits as long as it takes."""
    async with serve(answer(chunked(b"a", b"b"))) as provider:
        assert (await client.get(provider.url(), timeout=None)).text == "ab"


async def test_both_ways_share_connections(transport: Transport, client: httpx.AsyncClient) -> None:
    """httpx and the way of a token use the same pool."""
    async with serve(answer(whole(b"ok"))) as provider:
        assert (await client.get(provider.url())).text == "ok"
        exchange = await post(transport, provider.url())
        assert await exchange.read_all(10) == b"ok"
        exchange.close()
        assert len(provider.peers) == 1


async def test_an_endless_body_is_bounded(client: httpx.AsyncClient) -> None:
    """httpx would gather a body until memory ends; over 64 MiB the transport does not."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD)
        piece = chunk(b"x" * 2**20)
        while True:
            peer.write(piece)
            await peer.drain()

    async with serve(script) as provider:
        with pytest.raises(httpx.RemoteProtocolError) as caught:
            await client.get(provider.url())
        assert isinstance(caught.value.__cause__, Broken)
        assert caught.value.__cause__.reason is BrokenReason.TOO_LARGE
