"""What is said when there is no reply, or half of one."""

from __future__ import annotations

import asyncio
import socket

import pytest

from trunkline.inference.transport import (
    AddressForbidden,
    Broken,
    BrokenReason,
    Silent,
    Transport,
    TransportFault,
    Unreachable,
    UnreachableReason,
    Unsendable,
)
from trunkline.inference.transport.reply import MAX_HEAD
from trunkline.kernel.address import AddressRefused, AddressRule
from unit.inference.transport.provider import (
    CHUNKED_HEAD,
    LAST_CHUNK,
    Names,
    Peer,
    answer,
    chunk,
    post,
    serve,
    whole,
)


async def test_nobody_listens(transport: Transport) -> None:
    """A port without a server refuses."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable) as caught:
        await post(transport, f"http://127.0.0.1:{port}/")
    assert caught.value.reason is UnreachableReason.REFUSED


async def test_a_name_that_does_not_resolve() -> None:
    """A name without addresses is told as such."""
    transport = Transport(resolve=Names())
    with pytest.raises(Unreachable) as caught:
        await post(transport, "https://nowhere.test/")
    assert caught.value.reason is UnreachableReason.NAME
    await transport.aclose()


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("sent", [b"", b"HTTP/1.1 20", b"HTTP/1.1 200 OK\r\nx: y\r\n"])
async def test_no_head_is_unreachable(transport: Transport, sent: bytes, reset: bool) -> None:
    """A connection that ends before the head is whole, in order or not, was no answer."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        await peer.write_apart(sent)
        if reset:
            peer.reset()
        else:
            peer.close()

    async with serve(script) as provider:
        with pytest.raises(Unreachable) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is UnreachableReason.RESET


@pytest.mark.parametrize("reset", [True, False])
@pytest.mark.parametrize("reply", [CHUNKED_HEAD + chunk(b"hello"), whole(b"hello, world")[:-7]])
async def test_half_a_body_is_broken(transport: Transport, reply: bytes, reset: bool) -> None:
    """What came is handed out, then the cut is told, every time one asks."""
    got = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(reply)
        await got.wait()
        if reset:
            peer.reset()
        else:
            peer.close()

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == b"hello"
        got.set()
        for _ in range(2):
            with pytest.raises(Broken) as caught:
                await exchange.read()
            assert caught.value.reason is (BrokenReason.RESET if reset else BrokenReason.CUT)
        exchange.close()


async def test_what_came_before_a_cut_is_not_lost(transport: Transport) -> None:
    """Bytes that lie unread when the connection ends are read first."""

    async def script(peer: Peer) -> None:
        await peer.receive()
        peer.write(CHUNKED_HEAD + chunk(b"hello"))
        peer.close()

    async with serve(script) as provider:
        exchange = await post(transport, provider.url())
        await provider.peers[0].left()
        assert await exchange.read() == b"hello"
        with pytest.raises(Broken) as caught:
            await exchange.read()
        assert caught.value.reason is BrokenReason.CUT
        exchange.close()


async def test_a_body_that_turns_into_something_else(transport: Transport) -> None:
    """What is no chunk after a chunk breaks the body, and the socket is closed at once."""
    async with serve(answer(CHUNKED_HEAD + chunk(b"hello"), b"not a chunk\r\n")) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == b"hello"
        with pytest.raises(Broken) as caught:
            await exchange.read()
        assert caught.value.reason is BrokenReason.MALFORMED
        await provider.peers[0].left()
        exchange.close()


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        (b"<html>busy</html>", BrokenReason.MALFORMED),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * (MAX_HEAD + 1), BrokenReason.TOO_LARGE),
        (whole(b"x", b"content-encoding: gzip"), BrokenReason.ENCODED),
        (whole(b"x", b"Content-Encoding: br"), BrokenReason.ENCODED),
        (
            whole(b"x", b"content-encoding: identity", b"content-encoding: gzip"),
            BrokenReason.ENCODED,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: gzip, chunked\r\n\r\n" + LAST_CHUNK,
            BrokenReason.ENCODED,
        ),
    ],
)
async def test_a_reply_that_cannot_be_used(
    transport: Transport, reply: bytes, reason: BrokenReason
) -> None:
    """A reply that is not HTTP, too long or compressed is refused, and no body handed out."""
    async with serve(answer(reply)) as provider:
        with pytest.raises(Broken) as caught:
            await post(transport, provider.url())
        assert caught.value.reason is reason


@pytest.mark.parametrize(
    "reply", [b"<html>", CHUNKED_HEAD.replace(b"text/plain", b"x\r\ncontent-encoding: gzip")]
)
async def test_an_unusable_reply_under_way_is_cut(transport: Transport, reply: bytes) -> None:
    """Whoever goes on sending what cannot be used sees the connection end."""
    async with serve(answer(reply)) as provider:
        with pytest.raises(Broken):
            await post(transport, provider.url())
        await provider.peers[0].left()


async def test_identity_is_no_encoding(transport: Transport) -> None:
    """A server may say that it compressed nothing."""
    async with serve(answer(whole(b"x", b"content-encoding: Identity"))) as provider:
        exchange = await post(transport, provider.url())
        assert await exchange.read() == b"x"
        exchange.close()


REFUSED = AddressRefused(AddressRule.PRIVATE, "This is private.", "Use another.")


@pytest.mark.parametrize(
    "fault",
    [
        *(Unreachable(reason) for reason in UnreachableReason),
        *(Broken(reason) for reason in BrokenReason),
        Silent(head_received=True),
        Silent(head_received=False),
        Unsendable("A header is wrong."),
        AddressForbidden(REFUSED),
    ],
    ids=lambda fault: f"{type(fault).__name__}-{getattr(fault, 'reason', '')}",
)
def test_every_fault_is_one_sentence(fault: TransportFault) -> None:
    """A fault reads as a sentence, which is all that it shows."""
    assert fault.message[0].isupper()
    assert fault.message.endswith(".")
    assert fault.message.count(". ") == 0
    assert str(fault) == fault.message


def test_a_forbidden_address_tells_rule_and_advice() -> None:
    """The rule and the advice of the address rules come through."""
    fault = AddressForbidden(REFUSED)
    assert fault.reason is UnreachableReason.FORBIDDEN
    assert (fault.rule, fault.message, fault.advice) == (
        AddressRule.PRIVATE,
        "This is private.",
        "Use another.",
    )
