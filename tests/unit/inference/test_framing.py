"""The framing of server-sent events."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.framing import MAX_FRAME, FrameTooLong, SseFrames

# What a stream is made of, so that random sequences hit its rules.
PIECES = st.sampled_from(
    [
        b"data: one",
        b"data:two",
        b"data:  three",
        b"data",
        b"data:",
        b"database: 1",
        b": comment",
        b"event: message",
        b"id: 7",
        b"retry: 10",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\xef\xbb\xbf",
        b" ",
        "\u2028\x85日本".encode(),
        b"\x00\xff",
        b'data: {"a": 1}\n\n',
        b'event: a\ndata: {"b": 2}\n\n',
    ]
)
STREAMS = st.lists(PIECES, max_size=20).map(b"".join)


def feed(pieces: list[bytes]) -> list[bytes]:
    """Frame what comes in some reads."""
    frames = SseFrames()
    return [frame for piece in pieces for frame in frames.feed(piece)]


def parse(stream: bytes) -> list[bytes]:
    """Parse a stream the way the specification says it, line by line."""
    text = stream.replace(b"\r\n", b"\n").replace(b"\r", b"\n").removeprefix(b"\xef\xbb\xbf")
    events: list[bytes] = []
    data: list[bytes] = []
    # What follows the last end of line is no line yet.
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        if not line:
            if data:
                events.append(b"\n".join(data))
            data = []
        elif field == b"data":
            data.append(value.removeprefix(b" "))
    return events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"data: a\n\n", [b"a"]),
        (b"data: a\n\ndata: b\n\n", [b"a", b"b"]),
        (b"data: a\r\n\r\ndata: b\r\r", [b"a", b"b"]),
        (b"data:a\n\n", [b"a"]),
        (b"data:  a\n\n", [b" a"]),
        (b"data: a\ndata: b\n\n", [b"a\nb"]),
        (b"data\n\n", [b""]),
        (b": keep-alive\n\ndata: a\n\n", [b"a"]),
        (b"event: x\nid: 1\nretry: 1\ndata: a\n\n", [b"a"]),
        (b"event: x\n\n", []),
        (b"database: a\n\n", []),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
        (b"\n\n\ndata: a\n\n\n\ndata: b\n\n", [b"a", b"b"]),
        ("data: a\u2028b\x85c\n\n".encode(), ["a\u2028b\x85c".encode()]),
        (b"data: a\n\ndata: b\n", [b"a"]),
        (b"data: a", []),
        (b"", []),
    ],
)
def test_events_are_cut_as_the_specification_says(stream: bytes, events: list[bytes]) -> None:
    """The rules of the specification, one by one."""
    assert feed([stream]) == events


@given(STREAMS, st.data())
def test_the_same_events_whatever_the_reads(stream: bytes, data: st.DataObject) -> None:
    """Any stream has the events of a plain parse, wherever the reads are cut."""
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    pieces = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    assert feed(pieces) == parse(stream)


@given(STREAMS)
def test_the_same_events_byte_by_byte(stream: bytes) -> None:
    """Any stream has the events of a plain parse when it comes byte by byte."""
    assert feed([stream[place : place + 1] for place in range(len(stream))]) == parse(stream)


@given(st.binary(max_size=2000))
def test_any_bytes_are_framed(stream: bytes) -> None:
    """Bytes that are no stream at all raise nothing."""
    assert feed([stream]) == parse(stream)


def test_an_unfinished_frame_is_pending() -> None:
    """What no blank line ends is no event, and can be looked at."""
    frames = SseFrames()
    assert frames.feed(b"data: a\n\n<html>\r\n<body>") == [b"a"]
    assert frames.pending == b"<html>\n<body>"
    assert frames.feed(b"\n\n") == []
    assert frames.pending == b""


@pytest.mark.parametrize("read", [1 << 16, 1 << 24])
def test_the_longest_frame_passes_and_a_longer_one_does_not(read: int) -> None:
    """A frame has at most 16 MiB, however it comes."""
    longest = b"data: " + b"x" * (MAX_FRAME - len(b"data: "))

    def cut(stream: bytes) -> list[bytes]:
        return [stream[start : start + read] for start in range(0, len(stream), read)]

    (frame,) = feed(cut(longest + b"\n\n"))
    assert len(frame) == MAX_FRAME - len(b"data: ")
    assert feed([*cut(longest), b"\n", b"\n"]) == [frame]
    with pytest.raises(FrameTooLong):
        feed(cut(longest + b"x\n\n"))
    with pytest.raises(FrameTooLong):
        feed([longest + b"x\n\n"])
    with pytest.raises(FrameTooLong):
        feed(cut(longest + b"x"))


def test_a_long_frame_in_small_reads_costs_no_more_than_its_bytes() -> None:
    """Twice the bytes cost about twice the time: nothing is searched again."""

    def measure(size: int) -> float:
        pieces = [b"data: ", *[b"x" * 10] * (size // 10), b"\n\n"]
        started = time.process_time()
        assert len(feed(pieces)) == 1
        return time.process_time() - started

    # A search that began anew with every read would take hundreds of times as long.
    small = min(measure(200_000) for _ in range(3))
    assert measure(4_000_000) < 10 * 20 * small
