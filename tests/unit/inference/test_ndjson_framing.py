"""The framing of JSON lines."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.framing import MAX_FRAME, FrameTooLong, NdjsonFrames

# What a stream is made of, so that random sequences hit its rules.
PIECES = st.sampled_from(
    [
        b'{"a": 1}',
        b'{"a": 1}\n',
        b"{",
        b"\n",
        b"\n\n",
        b"\r",
        b"\r\n",
        b"\r\r\n",
        b" ",
        b"\xef\xbb\xbf",
        "\u2028\u2029\x85\x0b\x0c\x1c日本".encode(),
        b"\x00\xff",
    ]
)
STREAMS = st.lists(PIECES, max_size=20).map(b"".join)


def feed(pieces: list[bytes]) -> tuple[list[bytes], bytes]:
    """Frame what comes in some reads; return the lines, and what is left."""
    frames = NdjsonFrames()
    return [frame for piece in pieces for frame in frames.feed(piece)], frames.pending


def parse(stream: bytes) -> tuple[list[bytes], bytes]:
    """Do the same to the whole stream at once, in the plainest way."""
    *lines, rest = stream.split(b"\n")
    return [line for line in (line.removesuffix(b"\r") for line in lines) if line], rest


@pytest.mark.parametrize(
    ("stream", "lines", "rest"),
    [
        (b'{"a":1}\n', [b'{"a":1}'], b""),
        (b'{"a":1}\n{"b":2}\n', [b'{"a":1}', b'{"b":2}'], b""),
        (b'{"a":1}\r\n{"b":2}\r\n', [b'{"a":1}', b'{"b":2}'], b""),
        (b"a\rb\n", [b"a\rb"], b""),
        (b"\n\r\n\na\n\n", [b"a"], b""),
        (b"a\nb", [b"a"], b"b"),
        (b"a\nb\r", [b"a"], b"b\r"),
        (b"", [], b""),
        ("a\u2028b\x85c\n".encode(), ["a\u2028b\x85c".encode()], b""),
    ],
)
def test_lines_are_cut_at_newlines_only(stream: bytes, lines: list[bytes], rest: bytes) -> None:
    """The rules, one by one."""
    assert feed([stream]) == (lines, rest)


@given(STREAMS, st.data())
def test_the_same_lines_whatever_the_reads(stream: bytes, data: st.DataObject) -> None:
    """Any stream has the lines of a plain parse, wherever the reads are cut."""
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    pieces = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    assert feed(pieces) == parse(stream)


@given(STREAMS | st.binary(max_size=300))
def test_the_same_lines_byte_by_byte(stream: bytes) -> None:
    """Any bytes have the lines of a plain parse when they come one by one."""
    assert feed([stream[place : place + 1] for place in range(len(stream))]) == parse(stream)


@given(STREAMS | st.binary(max_size=300))
def test_no_byte_is_lost(stream: bytes) -> None:
    """What comes out is what went in, less the ends of lines."""
    lines, rest = feed([stream])
    assert b"".join([*lines, rest]).replace(b"\r", b"") == (
        stream.replace(b"\n", b"").replace(b"\r", b"")
    )


@pytest.mark.parametrize("read", [1 << 16, 1 << 25])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_the_longest_line_passes_and_a_longer_one_does_not(read: int, end: bytes) -> None:
    """A line has at most 16 MiB, however it comes."""
    longest = b"x" * MAX_FRAME

    def cut(stream: bytes) -> list[bytes]:
        return [stream[start : start + read] for start in range(0, len(stream), read)]

    assert feed(cut(longest + end)) == ([longest], b"")
    assert feed([*cut(longest), *(end[place : place + 1] for place in range(len(end)))]) == (
        [longest],
        b"",
    )
    for too_long in (longest + b"x" + end, longest + b"x"):
        with pytest.raises(FrameTooLong):
            feed(cut(too_long))


def test_a_long_line_in_small_reads_costs_no_more_than_its_bytes() -> None:
    """Twice the bytes cost about twice the time: nothing is searched again."""

    def measure(size: int) -> float:
        pieces = [*[b"x" * 10] * (size // 10), b"\n"]
        started = time.process_time()
        assert len(feed(pieces)[0]) == 1
        return time.process_time() - started

    # A search that began anew with every read would take hundreds of times as long.
    small = min(measure(200_000) for _ in range(3))
    assert measure(4_000_000) < 10 * 20 * small
