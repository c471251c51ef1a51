"""How a request goes over the wire."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from trunkline.inference.outgoing import Request
from trunkline.inference.transport import Transport, Unsendable
from trunkline.inference.transport.request import compose
from unit.inference.transport.provider import LIMIT_S, answer, get, serve, whole


async def test_a_request_is_written_as_it_was_built() -> None:
    """Method, path with its query, host and headers stand as the caller gave them."""
    request = httpx.Request(
        "POST",
        "https://api.example.com/v1/chat%20s?api-version=1&q=%C3%BC",
        headers=[("Authorization", "Bearer k"), ("X-Twice", "1"), ("X-Twice", "2")],
        content=b"{}",
    )
    assert compose(await Request.read(request)) == (
        b"POST /v1/chat%20s?api-version=1&q=%C3%BC HTTP/1.1\r\n"
        b"Host: api.example.com\r\n"
        b"Authorization: Bearer k\r\n"
        b"X-Twice: 1\r\n"
        b"X-Twice: 2\r\n"
        b"content-length: 2\r\n"
        b"\r\n"
        b"{}"
    )


@pytest.mark.parametrize(
    ("method", "body", "told"),
    [
        ("GET", b"", False),
        ("DELETE", b"", False),
        ("DELETE", b"x", True),
        ("POST", b"", True),
        ("PUT", b"", True),
        ("PATCH", b"", True),
    ],
)
async def test_the_length_is_told_where_a_body_is_expected(
    method: str, body: bytes, told: bool
) -> None:
    """RFC 9110 §8.6: an empty POST says so, a GET says nothing."""
    written = compose(await Request.read(httpx.Request(method, "http://localhost/", content=body)))
    assert (b"content-length: %d\r\n" % len(body) in written) is told


@pytest.mark.parametrize(
    "field",
    [
        ("Connection", "close"),
        ("Content-Length", "1"),
        ("Content-Length", "999"),
        ("Transfer-Encoding", "chunked"),
        ("Expect", "100-continue"),
        ("Keep-Alive", "timeout=5"),
        ("Proxy-Connection", "keep-alive"),
        ("TE", "trailers"),
        ("Upgrade", "h2c"),
    ],
)
async def test_a_header_cannot_reframe_the_connection(field: tuple[str, str]) -> None:
    """Where a request ends on a shared connection is not for its headers to say."""
    request = httpx.Request("POST", "http://localhost/", headers=[field], content=b"{}")
    assert compose(await Request.read(request)) == (
        b"POST / HTTP/1.1\r\nHost: localhost\r\ncontent-length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\r\nX-Injected: 1", "\0"])
async def test_a_key_with_a_line_break_is_refused_and_not_shown(end: str) -> None:
    """A header that would become two is not sent, and its value stays out of the error."""
    headers = {"authorization": "Bearer secret-key" + end}
    request = httpx.Request("POST", "http://localhost/", headers=headers)
    with pytest.raises(Unsendable) as caught:
        compose(await Request.read(request))
    assert "secret-key" not in repr(caught.value)
    assert caught.value.message.endswith(".")


@pytest.mark.parametrize("name", ["x\r\nevil", "x\nevil"])
async def test_a_header_name_with_a_line_break_is_refused(name: str) -> None:
    """Names are guarded like values."""
    request = httpx.Request("POST", "http://localhost/", headers={name: "1"})
    with pytest.raises(Unsendable):
        compose(await Request.read(request))


@pytest.mark.parametrize("method", ["GET /other HTTP/1.1\r\nX:", "GET /other"])
async def test_a_method_is_one_word(method: str) -> None:
    """A method that would change the request line is not sent."""
    with pytest.raises(Unsendable):
        compose(await Request.read(httpx.Request(method, "http://localhost/")))


async def test_the_provider_gets_what_was_composed(transport: Transport) -> None:
    """What arrives is byte for byte what was composed."""
    async with serve(answer(whole(b"ok"))) as provider:
        request = await Request.read(
            httpx.Request("POST", provider.url("/v1/a?b=c"), content=b'{"a":1}')
        )
        exchange = await transport.open(
            request, connect_s=LIMIT_S, deadline=asyncio.get_running_loop().time() + LIMIT_S
        )
        exchange.close()
        assert provider.requests == [compose(request)]


async def test_a_body_of_megabytes_arrives(transport: Transport) -> None:
    """A body far over any socket's buffer is sent whole, and the connection is used again."""
    body = bytes(range(256)) * 20_000
    async with serve(answer(whole(b"ok"))) as provider:
        for _ in range(2):
            request = await Request.read(httpx.Request("POST", provider.url(), content=body))
            deadline = asyncio.get_running_loop().time() + LIMIT_S
            exchange = await transport.open(request, connect_s=LIMIT_S, deadline=deadline)
            assert await exchange.read_all(100) == b"ok"
            exchange.close()
        assert [request.partition(b"\r\n\r\n")[2] == body for request in provider.requests] == [
            True,
            True,
        ]
        assert len(provider.peers) == 1


async def test_a_body_that_httpx_would_stream_is_gathered(transport: Transport) -> None:
    """A body from a generator goes out in one piece with its length."""

    async def parts() -> AsyncIterator[bytes]:
        yield b"one "
        yield b"two"

    async with serve(answer(whole(b"ok"))) as provider:
        request = await Request.read(httpx.Request("POST", provider.url(), content=parts()))
        deadline = asyncio.get_running_loop().time() + LIMIT_S
        exchange = await transport.open(request, connect_s=LIMIT_S, deadline=deadline)
        exchange.close()
        head, _, body = provider.requests[0].partition(b"\r\n\r\n")
        assert body == b"one two"
        assert b"content-length: 7" in head
        assert b"chunked" not in head


async def test_an_unsendable_request_costs_no_connection(transport: Transport) -> None:
    """What cannot be sent is refused before anything is opened."""
    async with serve(answer(whole(b"ok"))) as provider:
        request = await Request.read(httpx.Request("POST", provider.url(), headers={"x": "a\nb"}))
        with pytest.raises(Unsendable):
            await transport.open(
                request, connect_s=LIMIT_S, deadline=asyncio.get_running_loop().time() + LIMIT_S
            )
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 1
