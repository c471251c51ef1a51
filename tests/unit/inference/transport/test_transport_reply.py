"""The reading of a reply, without a socket: what is taken, what is refused, where it ends."""

from __future__ import annotations

import gc
import weakref
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.transport.faults import (
    Broken,
    BrokenReason,
    Unreachable,
    UnreachableReason,
)
from trunkline.inference.transport.reply import MAX_HEAD, Reply
from unit.inference.transport.provider import CHUNKED_HEAD, chunk, chunked, whole

OK = b"HTTP/1.1 200 OK\r\n"


def read(*pieces: bytes, head_only: bool = False) -> tuple[Reply, bytes]:
    """Return a reply that was fed, and the body that came out of it."""
    reply = Reply(head_only=head_only)
    body = b""
    for piece in filter(None, pieces):
        reply.feed(piece)
        body += reply.take()
    return reply, body


def refusal(*pieces: bytes) -> BrokenReason | None:
    """Return why a reply is refused, None when it is not."""
    try:
        read(*pieces)
    except Broken as broken:
        return broken.reason
    return None


@given(
    parts=st.lists(st.binary(min_size=1, max_size=40), max_size=8),
    cuts=st.lists(st.integers(0, 500), max_size=12),
    kind=st.sampled_from(["chunks", "length"]),
)
def test_a_reply_is_the_same_however_it_is_cut(
    parts: list[bytes], cuts: list[int], kind: str
) -> None:
    """Any cutting of a reply gives the same body, and its end with the last byte."""
    data = chunked(*parts) if kind == "chunks" else whole(b"".join(parts))
    edges = sorted({0, len(data), *(min(cut, len(data)) for cut in cuts)})
    pieces = [data[start:end] for start, end in pairwise(edges)]
    reply, body = read(*pieces)
    assert body == b"".join(parts)
    assert reply.ended
    assert reply.reusable


def test_a_head_ends_with_its_last_byte_and_no_earlier() -> None:
    """A connection that ends within the head has brought no answer."""
    for size in range(len(CHUNKED_HEAD)):
        reply, _ = read(CHUNKED_HEAD[:size])
        assert not reply.headed
        assert reply.begun is (size > 0)
        with pytest.raises(Unreachable) as caught:
            reply.end()
        assert caught.value.reason is UnreachableReason.RESET
    assert read(CHUNKED_HEAD)[0].headed


def test_a_body_ends_with_its_last_byte_and_no_earlier() -> None:
    """A connection that ends within the chunks, or their end, has cut the body."""
    data = chunked(b"hello")
    for size in range(len(CHUNKED_HEAD), len(data)):
        reply, _ = read(data[:size])
        assert not reply.ended
        with pytest.raises(Broken) as caught:
            reply.end()
        assert caught.value.reason is BrokenReason.CUT
    assert read(data)[0].ended


@pytest.mark.parametrize("size", range(5))
def test_a_length_that_is_not_reached_is_a_cut(size: int) -> None:
    """A connection that ends before the length is reached has cut the body."""
    reply, body = read(whole(b"hello")[: -5 + size])
    assert body == b"hello"[:size]
    with pytest.raises(Broken) as caught:
        reply.end()
    assert caught.value.reason is BrokenReason.CUT


def test_a_body_without_framing_ends_with_the_connection() -> None:
    """The end of the connection is the end of such a body, and the connection is spent."""
    reply, body = read(OK + b"\r\n", b"one", b"two")
    before = reply.ended
    reply.end()
    assert body == b"onetwo"
    assert (before, reply.ended) == (False, True)
    assert not reply.reusable


@pytest.mark.parametrize(
    "data",
    [
        b"<html>",
        b"\x15\x03\x03\x00\x02\x02\x50",  # an alert of TLS
        b"SSH-2.0-x\r\n",
        b"HTTP/1.1 2000 OK\r\n\r\n",
        b"HTTP/1.1 099 Low\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\nx",
        b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\nx",
        OK + b"content-length: 1\r\ncontent-length: 2\r\n\r\nx",
        OK + b"content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n",
        OK + b"content-length: x\r\n\r\n",
        OK + b"content-length: -1\r\n\r\n",
        OK + b"content-length: 99999999999999999999\r\n\r\n",
        OK + b"a b: 1\r\n\r\n",
        OK + b"a : 1\r\n\r\n",
        OK + b"a: 1\r\n folded\r\n\r\n",
        OK + b"a: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\na: 1\n\n",
        CHUNKED_HEAD + b"z\r\n",
        CHUNKED_HEAD + b"-1\r\n",
        CHUNKED_HEAD + b"fffffffffffffffff\r\n",
        CHUNKED_HEAD + b"3\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_what_is_not_http_is_refused(data: bytes) -> None:
    """A reply that parsers could read in different ways, or none, is broken."""
    assert refusal(data) is BrokenReason.MALFORMED
    assert refusal(*(bytes([byte]) for byte in data)) is BrokenReason.MALFORMED


@pytest.mark.parametrize(
    "fields",
    [
        b"Transfer-Encoding: gzip, chunked\r\n",
        b"transfer-encoding: gzip\r\n",
        b"transfer-encoding: identity\r\n",
        b"transfer-encoding: chunked\r\ntransfer-encoding: gzip\r\n",
    ],
)
def test_a_foreign_transfer_coding_is_refused(fields: bytes) -> None:
    """Bytes that are compressed below the body are not taken for it."""
    reply = Reply()
    with pytest.raises(Broken):
        reply.feed(OK + fields + b"\r\n2\r\nhi\r\n0\r\n\r\n")
    assert not reply.headed
    assert reply.parts == []


@pytest.mark.parametrize("step", [1_000, 70_000, 10**9])
@pytest.mark.parametrize("interim", [b"", b"HTTP/1.1 100 Continue\r\n\r\n"])
def test_a_head_is_bounded(step: int, interim: bytes) -> None:
    """A head of `MAX_HEAD` bytes is taken and one of a byte more is not, however it comes."""
    for excess in (0, 1):
        frame = interim + OK + b"content-length: 2\r\nx: " + b"\r\n\r\n"
        head = frame[:-4] + b"y" * (MAX_HEAD + excess - len(frame)) + b"\r\n\r\n"
        data = head + b"hi"
        pieces = [data[start : start + step] for start in range(0, len(data), step)]
        if excess:
            assert refusal(*pieces) is BrokenReason.TOO_LARGE
        else:
            assert read(*pieces)[1] == b"hi"


def test_interim_responses_without_end_are_refused() -> None:
    """A server that never comes to its reply is stopped at the bound of a head."""
    interim = b"HTTP/1.1 100 Continue\r\n\r\n"
    enough = MAX_HEAD // len(interim)
    assert refusal(*[interim] * enough) is None
    assert refusal(*[interim] * (enough + 1)) is BrokenReason.TOO_LARGE


@pytest.mark.parametrize(
    ("start", "more"),
    [
        (CHUNKED_HEAD + b"0\r\nx-trailer: ", b"y" * 1_000),
        (CHUNKED_HEAD + b"5;extension=", b"y" * 1_000),
        (CHUNKED_HEAD + b"0\r\n", b"x-trailer: yyyyyyyyyyyyyyyyyyyyyy\r\n" * 30),
    ],
)
def test_what_is_no_body_is_bounded_within_it(start: bytes, more: bytes) -> None:
    """Trailers and extensions of chunks cannot grow without end."""
    some = (MAX_HEAD - len(start)) // len(more)
    assert refusal(start, *[more] * some) is None
    assert refusal(start, *[more] * (some + 2)) is BrokenReason.TOO_LARGE


def test_trailers_are_dropped() -> None:
    """A trailer is no header, and the body ends after it."""
    reply, body = read(CHUNKED_HEAD + chunk(b"hi") + b"0\r\nx-trailer: 1\r\n\r\n")
    assert body == b"hi"
    assert reply.ended
    assert reply.values(b"x-trailer") == []


def test_a_second_reply_spoils_the_connection_and_not_the_body() -> None:
    """Bytes after the end are never part of the body; the connection is not used again."""
    for pieces in (
        (whole(b"hi") + whole(b"evil"),),
        (whole(b"hi"), whole(b"evil")),
        (chunked(b"hi") + b"junk",),
        (chunked(b"hi"), b"j"),
    ):
        reply, body = read(*pieces)
        assert body == b"hi"
        assert reply.ended
        assert not reply.reusable


def test_a_reply_to_head_takes_no_body() -> None:
    """What a server sends all the same after the head is not handed out."""
    reply, body = read(whole(b"evil"), head_only=True)
    assert body == b""
    assert reply.ended
    assert not reply.reusable


@pytest.mark.parametrize(
    ("head", "reusable"),
    [
        (b"HTTP/1.1 200 OK\r\n", True),
        (b"HTTP/1.1 200 OK\r\nconnection: close\r\n", False),
        (b"HTTP/1.1 200 OK\r\nConnection: Close\r\n", False),
        (b"HTTP/1.0 200 OK\r\n", False),
        (b"HTTP/1.0 200 OK\r\nconnection: keep-alive\r\n", True),
    ],
)
def test_the_server_says_whether_the_connection_stays(head: bytes, reusable: bool) -> None:
    """The connection is kept by the rules of RFC 9112 §9.3."""
    reply, body = read(head + b"content-length: 2\r\n\r\nhi")
    assert body == b"hi"
    assert reply.ended
    assert reply.reusable is reusable


def test_an_offer_to_upgrade_changes_nothing() -> None:
    """Some servers offer HTTP/2 with every reply."""
    reply, body = read(OK + b"connection: upgrade\r\nupgrade: h2c\r\ncontent-length: 2\r\n\r\nhi")
    assert body == b"hi"
    assert reply.ended


@given(st.lists(st.binary(max_size=60), max_size=6))
def test_nothing_a_server_sends_raises_anything_else(pieces: list[bytes]) -> None:
    """Whatever comes is a reply, the beginning of one, or a fault of this package."""
    reply = Reply()
    broken = False
    try:
        for piece in (CHUNKED_HEAD, *pieces):
            reply.feed(piece)
        reply.end()
    except Broken:
        broken = True
    assert broken is not reply.ended


@pytest.mark.parametrize("data", [whole(b"hi"), b"garbage", b"HTTP/1.1 200 OK\r\n"])
def test_a_reply_is_gone_when_it_is_let_go(data: bytes) -> None:
    """The circle of parser and reply is broken, so that no collector is needed."""

    class Tracked(Reply):
        __slots__ = ("__weakref__",)

    reply = Tracked()
    seen = weakref.ref(reply)
    gc.disable()
    try:
        try:
            reply.feed(data)
        except Broken:
            pass
        else:
            reply.discard()
        del reply
        assert seen() is None
    finally:
        gc.enable()
