"""An outbound proxy between: what it is asked, what it is not told, and how its failures read."""

from __future__ import annotations

import asyncio
import base64
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from support.canary import MARK
from support.forward_proxy import ForwardProxy
from trunkline.inference.transport import (
    AddressForbidden,
    Silent,
    Transport,
    TransportFault,
    Unreachable,
    UnreachableReason,
    parse_proxy,
)
from unit.inference.transport.authority import Authority
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
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

NAME = "api.example.test"
# Of the kind that plain http may be used for; nobody here has it.
LAN = "10.77.77.77"
PASSWORD = f"{MARK}-proxy:p@ss/ word"
USER = f"ann:{PASSWORD}"
USERINFO = "ann:" + PASSWORD.replace(":", "%3A").replace("@", "%40").replace("/", "%2F").replace(
    " ", "%20"
)
OK = whole(b"ok")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Return an authority that only the transport of these tests knows."""
    return Authority(tmp_path_factory.mktemp("authority"))


@asynccontextmanager
async def going_through(
    proxy: ForwardProxy,
    authority: Path | None = None,
    *,
    userinfo: str = "",
    exceptions: str = "",
    names: Names | None = None,
    private_allowed: bool = True,
) -> AsyncIterator[Transport]:
    """Open a transport that goes through a proxy; without `names` it knows none itself."""
    at = f"{userinfo}@" if userinfo else ""
    transport = Transport(
        extra_ca=authority,
        proxy=parse_proxy(f"http://{at}127.0.0.1:{proxy.port}", exceptions),
        resolve=names or Names(),
        private_allowed=private_allowed,
    )
    try:
        yield transport
    finally:
        await transport.aclose()


async def test_https_goes_through_a_tunnel(authority: Authority) -> None:
    """The proxy is told host and port alone; TLS is spoken with the server, by its name."""
    tls = authority.issue(NAME)
    asked: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: asked.append(name)
    async with (
        serve(answer(whole(b"secret")), tls=tls) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate) as transport,
    ):
        for _ in range(3):
            assert await get(transport, provider.url(host=NAME)) == b"secret"
        place = f"{NAME}:{provider.port}"
        assert proxy.heads == [f"CONNECT {place} HTTP/1.1\r\nHost: {place}\r\n\r\n".encode()]
        assert asked == [NAME]
        assert [len(peer.requests) for peer in provider.peers] == [3]
        assert b"roxy" not in provider.requests[0]


async def test_a_tunnel_carries_a_stream_and_its_end(authority: Authority) -> None:
    """Parts arrive as they are sent, and closing reaches the provider at once."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD + chunk(b"one"))
        await more.wait()
        peer.write(chunk(b"two" * 100_000))

    async with (
        serve(script, tls=authority.issue(NAME)) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate) as transport,
    ):
        exchange = await post(transport, provider.url(host=NAME))
        assert await exchange.read() == b"one"
        more.set()
        got = 0
        while got < 300_000:
            got += len(await exchange.read())
        exchange.close()
        await provider.peers[0].left()
        await until(lambda: proxy.open == 0)


async def test_user_and_password_reach_the_proxy_alone(authority: Authority) -> None:
    """They are unescaped and sent as Basic, once for each tunnel."""
    async with (
        serve(answer(OK), tls=authority.issue(NAME)) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}, user=USER) as proxy,
        going_through(proxy, authority.certificate, userinfo=USERINFO) as transport,
    ):
        assert await get(transport, provider.url(host=NAME)) == b"ok"
        assert base64.b64encode(USER.encode()) in proxy.heads[0]
        assert b"Basic" not in provider.requests[0]
        assert MARK not in repr(parse_proxy(f"http://{USERINFO}@127.0.0.1:1"))


async def test_plain_http_is_asked_in_the_absolute_form() -> None:
    """The proxy reads where to from the request line, and its credentials beside it."""
    async with (
        serve(answer(OK)) as provider,
        ForwardProxy({LAN: f"127.0.0.1:{provider.port}"}, user=USER) as proxy,
        going_through(proxy, userinfo=USERINFO) as transport,
    ):
        url = provider.url(host=LAN)
        for _ in range(2):
            assert await get(transport, url) == b"ok"
        assert proxy.heads[0].startswith(f"POST {url} HTTP/1.1\r\nProxy-Auth".encode())
        assert len(proxy.heads) == len(provider.peers) == 1
        # The second request of a connection goes out in the same form.
        assert provider.requests[1].startswith(f"POST {url} HTTP/1.1\r\n".encode())
        assert provider.requests[0].startswith(b"POST /v1/chat HTTP/1.1\r\n")
        assert provider.requests[0].endswith(b"\r\n\r\n{}")


async def test_plain_http_names_the_address_that_was_checked() -> None:
    """A second answer, the proxy's own, is one that nobody checked: the proxy gets an address."""
    async with (
        serve(answer(OK)) as provider,
        ForwardProxy({LAN: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, names=Names(gpu=[[LAN]])) as transport,
    ):
        assert await get(transport, provider.url(host="gpu.local")) == b"ok"
        assert proxy.heads[0].startswith(f"POST {provider.url(host=LAN)} ".encode())


async def test_plain_http_needs_an_address() -> None:
    """A name in plain http that is not known here is not left to the proxy."""
    async with ForwardProxy() as proxy, going_through(proxy) as transport:
        with pytest.raises(Unreachable) as caught:
            await post(transport, "http://gpu.local:8000/")
        assert caught.value.reason is UnreachableReason.NAME
        assert proxy.heads == []


async def test_plain_http_does_not_go_to_a_far_proxy() -> None:
    """A key in the clear goes no further than where plain http may go."""
    names = Names(proxy=[["93.184.215.14"]])
    transport = Transport(proxy=parse_proxy("http://proxy.test:3128"), resolve=names)
    with pytest.raises(Unreachable) as caught:
        await post(transport, f"http://{LAN}:8000/")
    assert caught.value.reason is UnreachableReason.PROXY
    assert "plain http" in caught.value.message
    await transport.aclose()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_this_machine_is_never_asked_through_the_proxy(host: str) -> None:
    """To the proxy, loopback would be the proxy's own machine."""
    names = Names(localhost=[["127.0.0.1"]])
    async with (
        serve(answer(OK)) as provider,
        ForwardProxy(refusal=403) as proxy,
        going_through(proxy, names=names) as transport,
    ):
        assert await get(transport, provider.url(host=host)) == b"ok"
        assert proxy.heads == []


async def test_excepted_hosts_are_asked_directly(authority: Authority) -> None:
    """A name that is excepted, with those below it, does not meet the proxy."""
    names = Names(api=[["127.0.0.1"]])
    async with (
        serve(answer(OK), tls=authority.issue(NAME)) as provider,
        ForwardProxy(refusal=403) as proxy,
        going_through(
            proxy, authority.certificate, exceptions="other.test, example.test", names=names
        ) as transport,
    ):
        assert await get(transport, provider.url(host=NAME)) == b"ok"
        assert proxy.heads == []


@pytest.mark.parametrize(
    ("status", "userinfo", "sentence"),
    [
        (407, "", "The outbound proxy asks for a user and a password (407)."),
        (407, "ann:wrong", "The outbound proxy does not accept its user and password (407)."),
        (403, "", "The outbound proxy forbids the way to the server (403)."),
        (502, "", "The outbound proxy cannot reach the server (502)."),
        (504, "", "The outbound proxy cannot reach the server (504)."),
        (418, "", "The outbound proxy refuses the way to the server (418)."),
        (302, "", "The outbound proxy refuses the way to the server (302)."),
    ],
)
async def test_a_refused_tunnel_is_told_as_the_proxys(
    status: int, userinfo: str, sentence: str
) -> None:
    """What the proxy answers is not taken for the provider's word, and its socket is closed."""
    async with (
        ForwardProxy(refusal=status) as proxy,
        going_through(proxy, userinfo=userinfo) as transport,
    ):
        with pytest.raises(Unreachable) as caught:
            await post(transport, f"https://{NAME}/")
        assert (caught.value.reason, caught.value.message) == (UnreachableReason.PROXY, sentence)
        await until(lambda: proxy.open == 0)


async def test_credentials_that_plain_http_lacks_are_told_as_the_proxys() -> None:
    """407 is a proxy's word alone, whatever the request was; its body is nobody's answer."""
    async with ForwardProxy(user="ann:other") as proxy, going_through(proxy) as transport:
        with pytest.raises(Unreachable) as caught:
            await post(transport, f"http://{LAN}/")
        assert caught.value.message == "The outbound proxy asks for a user and a password (407)."


async def test_a_proxy_that_does_not_listen_is_told() -> None:
    """It is the proxy that refuses, and not the provider."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    transport = Transport(proxy=parse_proxy(f"http://127.0.0.1:{port}"), resolve=Names())
    for url in (f"https://{NAME}/", f"http://{LAN}/"):
        with pytest.raises(Unreachable) as caught:
            await post(transport, url)
        assert caught.value.reason is UnreachableReason.PROXY
        assert caught.value.message == "The outbound proxy refuses the connection."
    await transport.aclose()


async def test_a_proxy_without_an_address_is_told() -> None:
    """The name that does not resolve is the proxy's."""
    transport = Transport(proxy=parse_proxy("http://proxy.test:3128"), resolve=Names())
    with pytest.raises(Unreachable) as caught:
        await post(transport, f"https://{NAME}/")
    assert caught.value.message == "The outbound proxy's name resolves to no address."
    await transport.aclose()


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (b"SSH-2.0-x\r\n\r\n", "The outbound proxy's answer is not HTTP/1.1."),
        (b"", "The outbound proxy closed the connection before it answered."),
        (b"HTTP/1.1 200", "The outbound proxy closed the connection before it answered."),
        (
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000,
            "The outbound proxy's answer is not HTTP/1.1.",
        ),
    ],
)
async def test_a_proxy_that_is_none_is_told(said: bytes, sentence: str) -> None:
    """Whatever listens there: what is no answer to CONNECT is told in a sentence."""

    async def script(peer: Peer) -> None:
        await peer.receive_head()
        await peer.write_apart(said)
        peer.close()

    async with serve(script) as other:
        transport = Transport(proxy=parse_proxy(f"http://127.0.0.1:{other.port}"), resolve=Names())
        with pytest.raises(Unreachable) as caught:
            await post(transport, f"https://{NAME}/")
        assert (caught.value.reason, caught.value.message) == (UnreachableReason.PROXY, sentence)
        await transport.aclose()


async def test_a_silent_proxy_ends_in_time() -> None:
    """The way through the proxy is part of the connect limit, and the deadline holds too."""

    async def script(_: Peer) -> None:
        return

    async with serve(script) as mute:
        transport = Transport(proxy=parse_proxy(f"http://127.0.0.1:{mute.port}"), resolve=Names())
        with pytest.raises(Unreachable) as caught:
            # Long enough to read whom TLS trusts, which comes first.
            await post(transport, f"https://{NAME}/", connect_s=1.0)
        assert caught.value.reason is UnreachableReason.TIMEOUT
        assert caught.value.message == "The outbound proxy did not answer in time."
        with pytest.raises(Silent):
            await post(transport, f"https://{NAME}/", within_s=0.1)
        for peer in mute.peers:
            await peer.left()
        await transport.aclose()


async def test_a_server_that_leaves_within_the_tunnel_is_told_as_the_servers(
    authority: Authority,
) -> None:
    """Once the tunnel stands, what fails is the server's: here it ends before TLS is agreed."""

    async def script(peer: Peer) -> None:
        peer.close()

    async with (
        serve(script) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate) as transport,
    ):
        with pytest.raises(TransportFault) as caught:
            await post(transport, f"https://{NAME}/")
        assert isinstance(caught.value, Unreachable)
        assert caught.value.reason is not UnreachableReason.PROXY
        assert "proxy" not in caught.value.message


@pytest.mark.parametrize("known", [True, False])
async def test_a_tunnel_does_not_weaken_tls(authority: Authority, known: bool) -> None:
    """Another's certificate, or one of an unknown authority, is refused within the tunnel too."""
    host = "other.test" if known else NAME
    async with (
        serve(answer(OK), tls=authority.issue(host)) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate if known else None) as transport,
    ):
        with pytest.raises(Unreachable) as caught:
            await post(transport, f"https://{NAME}/")
        assert caught.value.reason is UnreachableReason.TLS
        assert "certificate" in caught.value.message
        assert provider.requests == []


@pytest.mark.parametrize(
    ("url", "addresses", "rule"),
    [
        ("https://169.254.169.254/", [], "metadata"),
        ("https://metadata.google.internal/", [], "metadata"),
        ("https://[fe80::1]/", [], "link_local"),
        ("http://api.example.com/", [], "plain_http"),
        ("https://api.example.test/", ["169.254.169.254"], "metadata"),
        ("https://api.example.test/", ["93.184.215.14", "fe80::1"], "link_local"),
        ("http://api.local/", ["93.184.215.14"], "plain_http"),
    ],
)
async def test_the_address_rules_hold_with_a_proxy(
    url: str, addresses: list[str], rule: str
) -> None:
    """What a host is by itself, and what its name is known for here, is refused before asking."""
    names = Names(api=[addresses]) if addresses else Names()
    async with ForwardProxy() as proxy, going_through(proxy, names=names) as transport:
        with pytest.raises(AddressForbidden) as caught:
            await post(transport, url)
        assert caught.value.rule == rule
        assert proxy.heads == []


async def test_private_networks_stay_closed_with_a_proxy() -> None:
    """A user's own address may not lead to a private network by way of the proxy either."""
    names = Names(api=[["10.1.2.3"]])
    async with (
        ForwardProxy() as proxy,
        going_through(proxy, names=names, private_allowed=False) as transport,
    ):
        for url in (f"https://{NAME}/", f"https://{LAN}/"):
            with pytest.raises(AddressForbidden) as caught:
                await post(transport, url)
            assert caught.value.rule == "private"
        assert proxy.heads == []


async def test_a_name_that_is_not_known_here_is_looked_up_once(authority: Authority) -> None:
    """Where only the proxy knows the world's names, not every connection waits to learn that."""
    names = Names()
    async with (
        serve(answer(whole(b"ok", b"connection: close")), tls=authority.issue(NAME)) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate, names=names) as transport,
    ):
        for _ in range(3):
            assert await get(transport, provider.url(host=NAME)) == b"ok"
        assert len(proxy.heads) == 3
        assert names.asked == [(NAME, socket.AF_UNSPEC)]


async def test_a_cancelled_request_closes_its_tunnel(authority: Authority) -> None:
    """Given up at any point on the way through the proxy, nothing stays open."""
    entered = asyncio.Event()

    async def script(_: Peer) -> None:
        entered.set()  # and no TLS is spoken

    async with (
        serve(script) as provider,
        ForwardProxy({NAME: f"127.0.0.1:{provider.port}"}) as proxy,
        going_through(proxy, authority.certificate) as transport,
    ):
        asking = asyncio.create_task(post(transport, f"https://{NAME}/"))
        await entered.wait()
        asking.cancel()
        assert isinstance((await asyncio.gather(asking, return_exceptions=True))[0], BaseException)
        await until(lambda: proxy.open == 0)
