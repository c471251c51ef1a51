"""Which connection a request goes over, how many there are, and who waits for one."""

from __future__ import annotations

import asyncio
import time

import pytest

from trunkline.inference.transport import (
    Broken,
    Exchange,
    Silent,
    Transport,
    Unreachable,
    UnreachableReason,
)
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
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

OK = whole(b"ok")


async def test_a_connection_is_used_again(transport: Transport) -> None:
    """Requests that follow one another share a connection."""
    async with serve(answer(OK)) as provider:
        for _ in range(5):
            assert await get(transport, provider.url()) == b"ok"
        assert [len(peer.requests) for peer in provider.peers] == [5]


async def test_requests_at_once_have_connections_of_their_own(transport: Transport) -> None:
    """An exchange under way shares its connection with nobody."""
    async with serve(answer(CHUNKED_HEAD)) as provider:
        exchanges = [await post(transport, provider.url()) for _ in range(3)]
        assert len(provider.peers) == 3
        for exchange in exchanges:
            exchange.close()


async def test_the_freshest_connection_is_used(transport: Transport) -> None:
    """Of several free connections the one freed last is taken."""
    async with serve(answer(OK)) as provider:
        exchanges = [await post(transport, provider.url()) for _ in range(3)]
        for index in (1, 2, 0):
            assert await exchanges[index].read_all(10) == b"ok"
            exchanges[index].close()
        counts = [len(peer.requests) for peer in provider.peers]
        assert await get(transport, provider.url()) == b"ok"
        assert [
            len(peer.requests) - count for peer, count in zip(provider.peers, counts, strict=True)
        ] == [1, 0, 0]


async def test_origins_share_nothing(transport: Transport) -> None:
    """Another port is another origin, with connections of its own."""
    async with serve(answer(OK)) as one, serve(answer(whole(b"other"))) as other:
        for _ in range(2):
            assert await get(transport, one.url()) == b"ok"
            assert await get(transport, other.url()) == b"other"
        assert len(one.peers) == len(other.peers) == 1


async def test_an_idle_connection_is_closed() -> None:
    """A connection that nobody uses is closed when its time is up, and not before."""
    transport = Transport(idle_connection_s=0.1)
    async with serve(answer(OK)) as provider:
        assert await get(transport, provider.url()) == b"ok"
        freed = time.monotonic()
        assert await provider.peers[0].left() - freed >= 0.09
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 2
    await transport.aclose()


async def test_each_idle_connection_has_its_own_time() -> None:
    """Connections freed one after the other are each kept for as long."""
    transport = Transport(idle_connection_s=0.1)
    freed = []
    async with serve(answer(OK)) as provider:
        exchanges = [await post(transport, provider.url()) for _ in range(3)]
        for exchange in exchanges:
            assert await exchange.read_all(10) == b"ok"
            await asyncio.sleep(0.03)  # apart in time, which is what is tested
            freed.append(time.monotonic())
            exchange.close()
        for peer, since in zip(provider.peers, freed, strict=True):
            assert await peer.left() - since >= 0.09
    await transport.aclose()


async def test_a_connection_that_the_server_closes_is_not_used(transport: Transport) -> None:
    """A free connection that ends is forgotten; the next request opens one."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(OK)
        await closing.wait()
        peer.close()

    closing = asyncio.Event()
    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        closing.set()
        # That the client closes its side too is how it is known to have seen the end.
        await provider.peers[0].left()
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 2


@pytest.mark.parametrize("when", ["with the reply", "later"])
async def test_bytes_that_nobody_asked_for_spoil_a_connection(
    transport: Transport, when: str
) -> None:
    """A reply without a request is never the next request's: the connection is closed."""
    evil = whole(b"evil")
    pieces = (OK + evil,) if when == "with the reply" else (OK, evil)
    async with serve(answer(*pieces)) as provider:
        assert await get(transport, provider.url()) == b"ok"
        await provider.peers[0].left()
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 2


async def test_an_answer_that_came_too_early_spoils_a_connection(transport: Transport) -> None:
    """A request that is refused before it is all sent would go on in the place of the next one."""

    async def script(peer: Peer) -> None:
        await peer.receive_head()
        peer.write(whole(b"too large", status=b"413 Content Too Large"))
        await asked.wait()

    asked = asyncio.Event()
    async with serve(script) as provider:
        exchange = await post(transport, provider.url(), b"x" * 2**25)
        assert exchange.status == 413
        assert await exchange.read_all(100) == b"too large"
        exchange.close()
        provider.script = answer(OK)
        assert await get(transport, provider.url()) == b"ok"
        assert len(provider.peers) == 2
        asked.set()
        await provider.peers[0].left()


async def test_the_end_of_a_body_frees_the_connection_only_when_closed(
    transport: Transport,
) -> None:
    """Until its owner closes it, an exchange keeps its connection."""
    async with serve(answer(OK)) as provider:
        first = await post(transport, provider.url())
        assert await first.read_all(10) == b"ok"
        second = await post(transport, provider.url())
        assert len(provider.peers) == 2
        first.close()
        second.close()


async def test_no_more_connections_than_allowed() -> None:
    """Who finds all connections in use waits for one, and gets them in the order of coming."""
    transport = Transport(connections_per_origin=2)
    order: list[int] = []

    async def ask(number: int) -> None:
        exchange = await post(transport, provider.url())
        order.append(number)
        assert await exchange.read_all(10) == b"ok"
        exchange.close()

    async with serve(answer(OK)) as provider:
        held = [await post(transport, provider.url()) for _ in range(2)]
        waiting = []
        for number in range(6):
            waiting.append(asyncio.create_task(ask(number)))
            await asyncio.sleep(0)
        assert order == []
        for exchange in held:
            assert await exchange.read_all(10) == b"ok"
            exchange.close()
        await asyncio.gather(*waiting)
        assert order == sorted(order)
        assert len(provider.peers) == 2
    await transport.aclose()


async def test_an_aborted_exchange_makes_room() -> None:
    """The place of an exchange that is cut off goes to who waits, with a fresh connection."""
    transport = Transport(connections_per_origin=1)
    async with serve(answer(CHUNKED_HEAD)) as provider:
        held = await post(transport, provider.url())
        waiting = asyncio.create_task(post(transport, provider.url()))
        await asyncio.sleep(0)
        held.close()
        second = await waiting
        assert len(provider.peers) == 2
        await provider.peers[0].left()
        second.close()
    await transport.aclose()


async def test_a_wait_for_a_place_ends() -> None:
    """Who gets no place within the connect limit is told so, and leaves nothing behind."""
    transport = Transport(connections_per_origin=1)
    async with serve(answer(CHUNKED_HEAD)) as provider:
        held = await post(transport, provider.url())
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url(), connect_s=0.02)
        assert caught.value.reason is UnreachableReason.POOL_FULL
        # Whichever limit passed: the provider was not asked, and so was not silent.
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url(), within_s=0.02)
        assert caught.value.reason is UnreachableReason.POOL_FULL
        held.close()
        (await post(transport, provider.url())).close()
    await transport.aclose()


async def test_a_place_is_free_after_every_failure() -> None:
    """Refused, reset, cut, garbled: each gives its place back."""
    transport = Transport(connections_per_origin=1)

    async def reset(peer: Peer) -> None:
        await peer.receive()
        peer.reset()

    async with serve(reset) as provider:
        for _ in range(3):
            with pytest.raises(Unreachable):
                await post(transport, provider.url())
        provider.script = answer(b"garbage")
        for _ in range(3):
            with pytest.raises(Broken):
                await post(transport, provider.url())
        provider.script = answer(OK)
        assert await get(transport, provider.url()) == b"ok"
    await transport.aclose()


async def test_a_stale_connection_is_replaced_once(transport: Transport) -> None:
    """A kept connection that dies without a byte of a reply is replaced, unseen by the caller."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(OK)
        await peer.receive()
        peer.reset()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        assert await get(transport, provider.url()) == b"ok"
        assert [len(peer.requests) for peer in provider.peers] == [2, 1]
        assert provider.peers[0].requests[1] == provider.peers[1].requests[0]


async def test_a_kept_connection_that_dies_late_is_not_replaced(transport: Transport) -> None:
    """A server that takes its time before it leaves was at work: the request is not sent again."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(OK)
        await peer.receive()
        await asyncio.sleep(1.2)  # longer than a stale connection needs to be known for one
        peer.reset()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is UnreachableReason.RESET
        assert len(provider.requests) == 2


async def test_the_replacement_of_a_stale_connection_is_bounded(transport: Transport) -> None:
    """The deadline of the request holds for its second connection too."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        if peer is provider.peers[0]:
            peer.write(OK)
            await peer.receive()
            peer.reset()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        begun = time.monotonic()
        with pytest.raises(Silent):
            await post(transport, provider.url(), within_s=0.1)
        assert time.monotonic() - begun < 1.0
        assert [len(peer.requests) for peer in provider.peers] == [2, 1]


async def test_a_fresh_connection_is_not_replaced(transport: Transport) -> None:
    """A server that closes a new connection unanswered is asked once."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.close()

    async with serve(script) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is UnreachableReason.RESET
        assert len(provider.requests) == 1


async def test_a_request_goes_out_twice_at_most(transport: Transport) -> None:
    """When the connection that replaces a stale one dies too, that is the end of it."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        if peer is provider.peers[0]:
            peer.write(OK)
            await peer.receive()
        peer.close()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is UnreachableReason.RESET
        assert [len(peer.requests) for peer in provider.peers] == [2, 1]


@pytest.mark.parametrize("begun", [b"H", b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200 OK\r\n"])
async def test_a_reply_that_began_is_not_asked_for_again(
    transport: Transport, begun: bytes
) -> None:
    """After a byte of a reply the server is at work: the request does not go out again."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(OK)
        await peer.receive()
        peer.write(begun)
        await peer.drain()
        peer.close()

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is UnreachableReason.RESET
        assert len(provider.requests) == 2


async def test_a_replaced_connection_keeps_its_place() -> None:
    """With one place and others waiting, the stale one's request still goes first."""
    transport = Transport(connections_per_origin=1)
    dying = asyncio.Event()

    async def script(peer: Peer) -> None:
        while True:
            await peer.receive()
            if peer is provider.peers[0] and len(peer.requests) == 2:
                await dying.wait()
                peer.reset()
                return
            peer.write(OK)

    async with serve(script) as provider:
        assert await get(transport, provider.url()) == b"ok"
        first = asyncio.create_task(get(transport, provider.url("/first")))
        await until(lambda: len(provider.requests) == 2)
        second = asyncio.create_task(get(transport, provider.url("/second")))
        await asyncio.sleep(0)
        dying.set()
        assert await first == await second == b"ok"
        paths = [request.split(b" ")[1] for request in provider.requests]
        assert paths == [b"/v1/chat", b"/first", b"/first", b"/second"]
    await transport.aclose()


async def test_a_finished_stream_keeps_its_connection(transport: Transport) -> None:
    """What follows a format's own end mark is dropped as it comes, and the connection kept."""
    taken = asyncio.Semaphore(0)

    async def script(peer: Peer) -> None:
        while True:
            await peer.receive()
            peer.write(CHUNKED_HEAD + chunk(b"data: [DONE]\n\n"))
            await taken.acquire()
            await peer.write_apart(chunk(b": bye\n\n"), LAST_CHUNK)

    async def ask() -> Exchange:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == b"data: [DONE]\n\n"
        exchange.finish()
        taken.release()
        return exchange

    async with serve(script) as provider:
        await ask()
        for _ in range(10):
            await asyncio.sleep(0.001)
        exchange = await ask()
        assert len(provider.peers) == 1
        with pytest.raises(Broken):
            await exchange.read()


async def test_finishing_what_has_ended_closes_it(transport: Transport) -> None:
    """With the end already there, `finish` is `close`, and so is a second time of either."""
    async with serve(answer(chunked(b"all"))) as provider:
        for _ in range(3):
            exchange = await post(transport, provider.url())
            assert await exchange.read() == b"all"
            exchange.finish()
            exchange.finish()
            exchange.close()
        assert len(provider.peers) == 1


async def test_a_stream_that_does_not_end_is_cut(transport: Transport) -> None:
    """When the end stays away, the socket is closed after a quarter of a second."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"data: [DONE]\n\n"))) as provider:
        exchange = await post(transport, provider.url())
        await exchange.read()
        begun = time.monotonic()
        exchange.finish()
        assert 0.2 <= await provider.peers[0].left() - begun < 2.5


async def test_a_stream_that_goes_on_is_cut(transport: Transport) -> None:
    """When much more than an end comes, the socket is closed at once."""
    more = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD + chunk(b"data: [DONE]\n\n"))
        await more.wait()
        while True:
            peer.write(chunk(b"x" * 8_192))
            await peer.drain()

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        await exchange.read()
        more.set()
        begun = time.monotonic()
        exchange.finish()
        assert await provider.peers[0].left() - begun < 0.2
