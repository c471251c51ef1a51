"""The address that is checked is the address that is connected."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

import pytest

from trunkline.inference.transport import (
    AddressForbidden,
    Silent,
    Transport,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.resolver import resolve_by_system
from unit.inference.transport.provider import (
    Names,
    answer,
    get,
    post,
    serve,
    until,
    whole,
)

NAME = "gpu.local"


async def test_the_checked_address_is_connected() -> None:
    """The name is asked once per connection, and the connection goes where the answer says."""
    names = Names(gpu=[["127.0.0.3"]])
    transport = Transport(resolve=names)
    async with serve(answer(whole(b"right")), host="127.0.0.3") as right:
        async with serve(answer(whole(b"wrong")), port=right.port) as wrong:
            assert await get(transport, right.url(host=NAME)) == b"right"
            assert wrong.peers == []
        assert f"Host: {NAME}:{right.port}".encode() in right.requests[0]
        # D7's networks are of IPv4: plain http asks for nothing else.
        assert names.asked == [(NAME, socket.AF_INET)]
    await transport.aclose()


@pytest.mark.parametrize(
    ("address", "rule"),
    [
        ("169.254.169.254", "metadata"),
        ("100.100.100.200", "metadata"),
        ("169.254.7.7", "link_local"),
        ("93.184.215.14", "plain_http"),
        ("0.0.0.0", "malformed"),
        ("224.0.0.1", "malformed"),
    ],
)
async def test_a_name_that_comes_to_point_elsewhere_is_refused(address: str, rule: str) -> None:
    """Every new connection is judged anew: a name that was good once may have turned (decision 10).

    The one bad address refuses all, and none of them is connected to.
    """
    names = Names(gpu=[["127.0.0.1"], ["127.0.0.1", address]])
    transport = Transport(resolve=names)
    async with serve(answer(whole(b"ok", b"connection: close"))) as provider:
        assert await get(transport, provider.url(host=NAME)) == b"ok"
        with pytest.raises(AddressForbidden) as caught:
            await post(transport, provider.url(host=NAME))
        assert caught.value.rule == rule
        assert address not in str(caught.value)
        assert caught.value.advice
        assert len(provider.peers) == 1
        assert len(names.asked) == 2
    await transport.aclose()


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("http://api.example.com/", "plain_http"),
        ("http://169.254.169.254/latest/meta-data/", "metadata"),
        ("https://169.254.169.254/", "metadata"),
        ("https://metadata.google.internal/", "metadata"),
        ("https://[fe80::1]/", "link_local"),
        ("https://[::ffff:169.254.169.254]/", "metadata"),
        ("ftp://127.0.0.1/", "malformed"),
        ("http://0x7f.1/", "malformed"),
        ("http://2130706433/", "malformed"),
    ],
)
async def test_an_address_that_may_not_be_asked(url: str, rule: str) -> None:
    """What the address itself tells is refused before any name is resolved."""
    names = Names()
    transport = Transport(resolve=names)
    with pytest.raises(AddressForbidden) as caught:
        await post(transport, url)
    assert caught.value.rule == rule
    assert names.asked == []
    await transport.aclose()


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/", "https://10.0.0.1/", "https://[fd12::1]/"])
async def test_private_networks_may_be_closed(url: str) -> None:
    """A transport for users' own addresses reaches no private network."""
    transport = Transport(private_allowed=False)
    with pytest.raises(AddressForbidden) as caught:
        await post(transport, url)
    assert caught.value.rule == "private"
    await transport.aclose()


async def test_a_public_name_may_not_lead_into_a_private_network() -> None:
    """Nor does one when its name looks public and resolves to a private address."""
    transport = Transport(private_allowed=False, resolve=Names(api=[["10.1.2.3"]]))
    with pytest.raises(AddressForbidden) as caught:
        await post(transport, "https://api.test/")
    assert caught.value.rule == "private"
    assert "10.1.2.3" not in str(caught.value)
    await transport.aclose()


async def test_a_literal_address_is_not_resolved() -> None:
    """An address is its own answer."""
    names = Names()
    transport = Transport(resolve=names)
    async with serve(answer(whole(b"ok"))) as provider:
        assert await get(transport, provider.url()) == b"ok"
    assert names.asked == []
    await transport.aclose()


async def test_the_next_address_is_tried() -> None:
    """Addresses are tried in their order until one takes the connection."""
    transport = Transport(resolve=Names(gpu=[["127.0.0.4", "127.0.0.5", "127.0.0.1"]]))
    async with serve(answer(whole(b"ok"))) as provider:
        assert await get(transport, provider.url(host=NAME)) == b"ok"
    await transport.aclose()


async def test_when_no_address_answers_the_first_one_tells_why() -> None:
    """All addresses refuse: that is what is said."""
    transport = Transport(resolve=Names(gpu=[["127.0.0.4", "127.0.0.5"]]))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        await post(transport, f"http://{NAME}:{port}/")
    assert caught.value.reason is UnreachableReason.REFUSED
    assert "127.0.0" not in str(caught.value)
    assert caught.value.__cause__ is None
    await transport.aclose()


class Stuck:
    """A resolver that never answers, and notes how often it was asked and let go."""

    def __init__(self) -> None:
        self.asked = 0
        self.cancelled = 0

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Wait for ever."""
        self.asked += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        raise AssertionError


async def test_a_name_service_without_answer_ends_in_time() -> None:
    """The name is part of the connect limit, and the deadline holds here as well."""
    stuck = Stuck()
    transport = Transport(resolve=stuck)
    with pytest.raises(Unreachable) as caught:
        await post(transport, "http://gpu.local/", connect_s=0.02)
    assert caught.value.reason is UnreachableReason.TIMEOUT
    with pytest.raises(Silent):
        await post(transport, "http://gpu.local/", within_s=0.02)
    # The lookup itself goes on, since the system's could not be called back: it is not begun anew.
    assert (stuck.asked, stuck.cancelled) == (1, 0)
    await transport.aclose()
    await until(lambda: stuck.cancelled)


class Slow:
    """A resolver that answers when it is told to.

    Attributes:
        asked: names that were asked for, each time.
        known: set: it answers.
    """

    def __init__(self, *addresses: str) -> None:
        self.asked: list[str] = []
        self.known = asyncio.Event()
        self._addresses = addresses

    async def __call__(self, host: str, port: int, family: socket.AddressFamily) -> Sequence[str]:
        """Wait, and answer."""
        self.asked.append(host)
        await self.known.wait()
        if not self._addresses:
            raise socket.gaierror(socket.EAI_NONAME, "no such name")
        return self._addresses


async def test_connections_at_once_share_a_lookup() -> None:
    """Who asks for a name while it is looked up waits for that answer, which is not kept.

    One that leaves takes it from nobody.
    """
    names = Slow("127.0.0.1")
    transport = Transport(resolve=names)
    async with serve(answer(whole(b"ok", b"connection: close"))) as provider:
        url = provider.url(host=NAME)
        asking = [asyncio.create_task(get(transport, url)) for _ in range(20)]
        with pytest.raises(Unreachable) as caught:
            await post(transport, url, connect_s=0.02)
        assert caught.value.reason is UnreachableReason.TIMEOUT
        asking[0].cancel()
        await asyncio.gather(asking[0], return_exceptions=True)
        names.known.set()
        assert await asyncio.gather(*asking[1:]) == [b"ok"] * 19
        assert names.asked == [NAME]
        assert await get(transport, url) == b"ok"
        assert names.asked == [NAME, NAME]
    await transport.aclose()


async def test_a_shared_lookup_that_fails_fails_for_all() -> None:
    """Each is told that there is no such name."""
    names = Slow()
    transport = Transport(resolve=names)
    asking = [asyncio.create_task(post(transport, f"http://{NAME}/")) for _ in range(3)]
    await until(lambda: names.asked)
    names.known.set()
    for fault in await asyncio.gather(*asking, return_exceptions=True):
        assert isinstance(fault, Unreachable)
        assert fault.reason is UnreachableReason.NAME
    assert names.asked == [NAME]
    await transport.aclose()


async def test_closing_ends_who_waits_for_a_name() -> None:
    """With the transport closed a lookup is no longer waited for, and that is no cancellation."""
    names = Slow()
    transport = Transport(resolve=names)
    asking = asyncio.create_task(post(transport, f"http://{NAME}/"))
    await until(lambda: names.asked)
    await transport.aclose()
    with pytest.raises(Unreachable):
        await asyncio.wait_for(asking, 5)


async def test_a_place_is_held_while_connecting() -> None:
    """Who is about to connect counts among the connections."""
    transport = Transport(connections_per_origin=1, resolve=Stuck())
    connecting = asyncio.create_task(post(transport, "http://gpu.local/"))
    await asyncio.sleep(0)
    with pytest.raises(Unreachable) as caught:
        await post(transport, "http://gpu.local/", connect_s=0.02)
    assert caught.value.reason is UnreachableReason.POOL_FULL
    connecting.cancel()
    await asyncio.gather(connecting, return_exceptions=True)
    with pytest.raises(Unreachable) as caught:
        await post(transport, "http://gpu.local/", connect_s=0.02)
    assert caught.value.reason is UnreachableReason.TIMEOUT
    await transport.aclose()


async def test_the_system_resolves_names() -> None:
    """The system's own answer, of the family that was asked for, each address once."""
    assert await resolve_by_system("localhost", 80, socket.AF_INET) == ("127.0.0.1",)


async def test_localhost_is_found(transport: Transport) -> None:
    """The name that everybody uses for a local server works without a resolver of one's own."""
    async with serve(answer(whole(b"ok"))) as provider:
        assert await get(transport, provider.url(host="localhost")) == b"ok"


async def test_origins_that_nobody_asks_are_let_go() -> None:
    """A new origin makes room in the table, which so does not grow for ever."""
    transport = Transport(idle_connection_s=0.01)
    async with serve(answer(whole(b"ok"))) as one, serve(answer(whole(b"ok"))) as other:
        for provider in (one, other, one, other):
            assert await get(transport, provider.url()) == b"ok"
            await provider.peers[-1].left()
        assert [len(provider.peers) for provider in (one, other)] == [2, 2]
    await transport.aclose()
