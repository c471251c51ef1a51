"""What stands between events and is none: where some services say why a stream ends."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.framing import SseFrames

PIECES = st.sampled_from(
    [b"data: a\n\n", b"data: b", b"\n", b"\n\n", b"\r\n", b"{", b'"a": 1', b": c\n", b"id: 7\n"]
)
STREAMS = st.lists(PIECES, max_size=20).map(b"".join)


def strays(*reads: bytes) -> bytes:
    """Return the strays of a body."""
    frames = SseFrames()
    for read in reads:
        frames.feed(read)
    return frames.strays


@pytest.mark.parametrize(
    ("body", "left"),
    [
        (b"", b""),
        (b"data: a\n\n", b""),
        (b'{"a": 1}', b'{"a": 1}'),
        (b'data: a\n\n{\n "a": 1\n}', b'{\n "a": 1\n}'),
        (b'data: a\r\n\r\n{\r\n "a": 1\r\n}\r\n\r\n', b'{\n "a": 1\n}\n'),
        (b'data: a\n{"a": 1}\n\n', b'{"a": 1}\n'),
        (b': hello\n\n{"a": 1}\n\n: hello\n\nevent: x\nid: 1\nretry: 2\n\n', b'{"a": 1}\n'),
        (b'{"a": 1}\n\ndata: a\n\n', b""),
        (b'data: a\n\n{"a": 1}\n\ndata: {"half', b'{"a": 1}\n'),
        (b"<p>\n\n<b>", b"<p>\n<b>"),
    ],
)
def test_what_is_left(body: bytes, left: bytes) -> None:
    """Lines since the last event that belong to no field."""
    assert strays(body) == left


@given(stream=STREAMS, data=st.data())
def test_what_is_left_whatever_the_reads(stream: bytes, data: st.DataObject) -> None:
    """It does not depend on where reads end."""
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    reads = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    assert strays(*reads) == strays(stream)


def test_what_is_left_is_bounded() -> None:
    """A page without end does not fill the memory."""
    assert len(strays(*[b"<p>" + b"x" * 1000 + b"\n\n"] * 200)) == 64 * 1024
    assert len(strays(b"x" * 100_000)) == 64 * 1024
