"""What bounds the framings: no frame is longer than the limit, nor is what they hold."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.framing import FrameTooLong, NdjsonFrames, SseFrames

LIMIT = 12

PIECES = st.sampled_from(
    [b"data: ", b"data:", b"x", b"xxxxxx", b"\n", b"\n\n", b"\r", b"\r\n", b"\xef\xbb\xbf", b": "]
)
STREAMS = st.lists(PIECES, max_size=20).map(b"".join)

of_both_framings = pytest.mark.parametrize("framing", [SseFrames, NdjsonFrames])


def feed(framing: type[SseFrames | NdjsonFrames], pieces: list[bytes]) -> list[bytes] | None:
    """Frame what comes in some reads; None when a frame is too long."""
    frames = framing(LIMIT)
    found: list[bytes] = []
    try:
        for piece in pieces:
            found += frames.feed(piece)
            # The end of a line may still turn out to be no part of it.
            assert len(frames.pending) <= LIMIT + 1
    except FrameTooLong:
        return None
    assert all(len(frame) <= LIMIT for frame in found)
    return found


@of_both_framings
@given(stream=STREAMS, data=st.data())
def test_a_frame_is_too_long_whatever_the_reads(
    framing: type[SseFrames | NdjsonFrames], stream: bytes, data: st.DataObject
) -> None:
    """Frames, or the refusal of one that is too long, do not depend on where reads end."""
    cuts = data.draw(st.lists(st.integers(0, len(stream)), max_size=8))
    pieces = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    assert feed(framing, pieces) == feed(framing, [stream])
    assert feed(framing, [bytes([byte]) for byte in stream]) == feed(framing, [stream])


@of_both_framings
@given(stream=STREAMS)
def test_only_what_is_too_long_is_refused(
    framing: type[SseFrames | NdjsonFrames], stream: bytes
) -> None:
    """A stream is refused when one of its frames, or what is left, is over the limit."""
    text = stream.replace(b"\r\n", b"\n")
    if framing is SseFrames:
        text = text.replace(b"\r", b"\n")
        too_long = any(len(frame.strip(b"\n")) > LIMIT for frame in text.split(b"\n\n"))
    else:
        *lines, rest = text.split(b"\n")
        too_long = any(len(line) > LIMIT for line in lines) or len(rest.removesuffix(b"\r")) > LIMIT
    assert (feed(framing, [stream]) is None) == too_long
