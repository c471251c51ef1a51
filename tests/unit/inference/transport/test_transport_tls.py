"""Whom a secure connection trusts, and that everything else holds over it as well."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from trunkline.inference.transport import (
    Broken,
    BrokenReason,
    Transport,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.authorities import make_tls
from unit.inference.transport.authority import Authority
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    Names,
    Peer,
    answer,
    chunk,
    chunked,
    get,
    post,
    serve,
    until,
    whole,
)

NAME = "api.example.test"


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only the transport of these tests knows."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
async def trusting(authority: Authority) -> AsyncIterator[Transport]:
    """Return a transport that trusts the authority and finds the name on this machine."""
    opened = Transport(extra_ca=authority.certificate, resolve=Names(api=[["127.0.0.1"]]))
    yield opened
    await opened.aclose()


async def test_a_known_authority_is_trusted(authority: Authority, trusting: Transport) -> None:
    """A certificate of the extra authority is accepted, and the connection kept."""
    tls = authority.issue(NAME)
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with serve(answer(chunked(b"a", b"b")), tls=tls) as provider:
        for _ in range(3):
            assert await get(trusting, provider.url(host=NAME)) == b"ab"
        assert len(provider.peers) == 1
        assert f"Host: {NAME}:{provider.port}".encode() in provider.requests[0]
    assert asked == [NAME]


async def test_an_address_is_verified_as_an_address(
    authority: Authority, trusting: Transport
) -> None:
    """An address in the URL is looked for among the certificate's addresses."""
    async with serve(answer(whole(b"ok")), tls=authority.issue("127.0.0.1")) as provider:
        assert await get(trusting, provider.url()) == b"ok"
    async with serve(answer(whole(b"ok")), tls=authority.issue(NAME)) as provider:
        with pytest.raises(Unreachable) as caught:
            await get(trusting, provider.url())
        assert caught.value.reason is UnreachableReason.TLS


@pytest.mark.parametrize("host", ["other.example.test", "example.test", "127.0.0.1"])
async def test_a_certificate_for_another_host_is_refused(
    authority: Authority, trusting: Transport, host: str
) -> None:
    """A certificate counts for the host it names, and the request is not sent."""
    async with serve(answer(whole(b"ok")), tls=authority.issue(host)) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(trusting, provider.url(host=NAME))
        assert caught.value.reason is UnreachableReason.TLS
        assert "certificate" in caught.value.message
        assert provider.requests == []


async def test_an_expired_certificate_is_refused(authority: Authority, trusting: Transport) -> None:
    """The reason is told, since it is the server's operator who must act."""
    async with serve(answer(whole(b"ok")), tls=authority.issue(NAME, expired=True)) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(trusting, provider.url(host=NAME))
        assert caught.value.reason is UnreachableReason.TLS
        assert "expired" in caught.value.message


async def test_an_unknown_authority_is_refused(
    authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the setting it is not trusted, and the environment cannot change that."""
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    transport = Transport(resolve=Names(api=[["127.0.0.1"]]))
    async with serve(answer(whole(b"ok")), tls=authority.issue(NAME)) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url(host=NAME))
        assert caught.value.reason is UnreachableReason.TLS
    await transport.aclose()


def test_an_extra_authority_is_added_to_the_others(authority: Authority) -> None:
    """It replaces none: whoever was trusted without it is trusted with it."""
    before = make_tls(None).get_ca_certs(binary_form=True)
    after = make_tls(authority.certificate).get_ca_certs(binary_form=True)
    added = ssl.PEM_cert_to_DER_cert(authority.certificate.read_text())
    assert len(before) > 50
    assert sorted(after) == sorted([*before, added])


def test_an_authority_that_cannot_be_read_is_told_at_once(tmp_path: Path) -> None:
    """A wrong setting is found when the transport is made."""
    with pytest.raises(OSError, match="No such file"):
        Transport(extra_ca=tmp_path / "missing.pem")
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no certificate")
    with pytest.raises(ssl.SSLError):
        Transport(extra_ca=garbage)


async def test_a_server_without_tls_is_unreachable(trusting: Transport) -> None:
    """A plain server asked over https is told as a failure of TLS."""

    async def script(peer: Peer) -> None:
        peer.write(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n")

    async with serve(script) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(trusting, provider.url(host=NAME).replace("http:", "https:"))
        assert caught.value.reason is UnreachableReason.TLS


async def test_a_handshake_without_answer_ends_in_time(trusting: Transport) -> None:
    """A server that accepts and says nothing holds nobody beyond the connect limit."""

    async def script(_: Peer) -> None:
        return

    async with serve(script) as provider:
        url = provider.url(host=NAME).replace("http:", "https:")
        begun = time.monotonic()
        with pytest.raises(Unreachable) as caught:
            await post(trusting, url, connect_s=0.2)
        assert caught.value.reason is UnreachableReason.TIMEOUT
        assert time.monotonic() - begun < 2.0
        await provider.peers[0].left()


async def test_a_mute_address_leaves_time_for_the_next(authority: Authority) -> None:
    """Of two addresses the first says nothing; the second answers within the same limit."""

    async def mute(_: Peer) -> None:
        return

    names = Names(api=[["127.0.0.2", "127.0.0.1"]])
    transport = Transport(extra_ca=authority.certificate, resolve=names)
    tls = authority.issue(NAME)
    async with (
        serve(answer(whole(b"ok")), tls=tls) as provider,
        serve(mute, host="127.0.0.2", port=provider.port) as first,
    ):
        exchange = await post(transport, provider.url(host=NAME), connect_s=1.6)
        assert await exchange.read() == b"ok"
        exchange.close()
        await first.peers[0].left()
    await transport.aclose()


async def test_https_asks_for_every_kind_of_address(authority: Authority) -> None:
    """A name behind https may have IPv6 addresses, and they are asked for."""
    names = Names(api=[["127.0.0.1"]])
    transport = Transport(extra_ca=authority.certificate, resolve=names)
    async with serve(answer(whole(b"ok")), tls=authority.issue(NAME)) as provider:
        assert await get(transport, provider.url(host=NAME)) == b"ok"
    assert names.asked == [(NAME, socket.AF_UNSPEC)]
    await transport.aclose()


async def test_closing_reaches_the_provider_at_once(
    authority: Authority, trusting: Transport
) -> None:
    """An exchange under way takes its socket with it, without a farewell that could wait."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"a")), tls=authority.issue(NAME)) as provider:
        exchange = await post(trusting, provider.url(host=NAME))
        assert await exchange.read() == b"a"
        begun = time.monotonic()
        exchange.close()
        assert await provider.peers[0].left() - begun < 0.2


async def test_a_cut_body_is_broken(authority: Authority, trusting: Transport) -> None:
    """A connection that ends in order within a body has cut it."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.write_apart(CHUNKED_HEAD + chunk(b"hello"))
        peer.close()

    async with serve(script, tls=authority.issue(NAME)) as provider:
        exchange = await post(trusting, provider.url(host=NAME))
        assert await exchange.read() == b"hello"
        with pytest.raises(Broken) as caught:
            await exchange.read()
        assert caught.value.reason is BrokenReason.CUT
        exchange.close()


async def test_an_unread_flood_is_stopped(authority: Authority, trusting: Transport) -> None:
    """What nobody reads holds the provider back over TLS as well, and comes whole later."""
    total, written, piece = 64 * 2**20, 0, b"x" * 65_536

    async def script(peer: Peer) -> None:
        nonlocal written
        await peer.receive()
        peer.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % total)
        while written < total:
            peer.write(piece)
            written += len(piece)
            await peer.drain()

    async with serve(script, tls=authority.issue(NAME)) as provider:
        exchange = await post(trusting, provider.url(host=NAME))
        before = -1
        while before != written:
            before = written
            for _ in range(20):
                await asyncio.sleep(0.001)
        assert written < total / 2
        assert len(await exchange.read_all(total)) == total
        exchange.close()


async def test_a_server_that_closes_is_seen(authority: Authority, trusting: Transport) -> None:
    """A free connection that the server ends is closed on this side too, and not used."""
    closing = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(whole(b"ok"))
        await closing.wait()
        peer.close()

    async with serve(script, tls=authority.issue(NAME)) as provider:
        assert await get(trusting, provider.url(host=NAME)) == b"ok"
        closing.set()
        await provider.peers[0].left()
        await until(lambda: provider.peers[0].left_at)
        assert await get(trusting, provider.url(host=NAME)) == b"ok"
        assert len(provider.peers) == 2
