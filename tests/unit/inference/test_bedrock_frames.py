"""The framing of AWS's event streams: cut anywhere, damaged anywhere, and as botocore reads it."""

from __future__ import annotations

import struct
import zlib

import pytest
from botocore.eventstream import EventStreamBuffer, ParserError
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.bedrock.frames import EventFrames, EventMessage, FrameBroken
from trunkline.inference.framing import MAX_FRAME, FrameTooLong
from unit.inference.conformance.bedrock_failures import prelude
from unit.inference.conformance.bedrock_wire import START, end, message, metadata, text
from unit.inference.conformance.suite import split

# Composed by hand, with the checksums written out.
SAMPLE = bytes.fromhex(
    "000000760000005296d5fade0b3a6576656e742d7479706507000c6d65737361676553746172740d3a636f6e74"
    "656e742d747970650700106170706c69636174696f6e2f6a736f6e0d3a6d6573736167652d747970650700056576"
    "656e747b22726f6c65223a22617373697374616e74227d6fa8c599"
)
STREAM = START + text("Hello, 日本") + end() + metadata()

HEADERS = st.dictionaries(
    st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=20),
    st.text(max_size=20),
    max_size=4,
)
MESSAGES = st.lists(st.tuples(HEADERS, st.binary(max_size=40)), max_size=5)


def read(body: bytes, cuts: list[int] | None = None, limit: int = MAX_FRAME) -> list[EventMessage]:
    """Return the messages of a body."""
    frames = EventFrames(limit)
    return [found for piece in split(body, cuts or []) for found in frames.feed(piece)]


def test_a_message_that_was_written_by_hand() -> None:
    """Headers and payload are those of the sample, which the tests' own writer makes too."""
    headers = {
        ":event-type": "messageStart",
        ":content-type": "application/json",
        ":message-type": "event",
    }
    assert read(SAMPLE) == [EventMessage(headers, b'{"role":"assistant"}')]
    assert message(headers, b'{"role":"assistant"}') == SAMPLE


@given(MESSAGES, st.lists(st.integers(0, 400), max_size=6))
def test_messages_come_back_wherever_they_are_cut(
    given_messages: list[tuple[dict[str, str], bytes]], cuts: list[int]
) -> None:
    """What was written by the specification is read, by this and by botocore alone."""
    body = b"".join(message(headers, payload) for headers, payload in given_messages)
    assert read(body, cuts) == [EventMessage(*each) for each in given_messages]
    buffer = EventStreamBuffer()
    buffer.add_data(body)
    assert [(each.headers, each.payload) for each in buffer] == given_messages


def test_every_message_comes_at_its_last_byte() -> None:
    """Nothing waits for what follows."""
    frames = EventFrames()
    ends = []
    for place, byte in enumerate(STREAM):
        ends += [place + 1 for _ in frames.feed(bytes([byte]))]
    lengths = [len(START), len(text("Hello, 日本")), len(end()), len(metadata())]
    assert ends == [sum(lengths[:count]) for count in range(1, 5)]


@pytest.mark.parametrize("bit", range(8))
def test_no_flipped_bit_goes_unseen(bit: int) -> None:
    """One bit of a stream that is another: that message is refused, or never ends."""
    whole = read(STREAM)
    for place in range(len(STREAM)):
        damaged = bytearray(STREAM)
        damaged[place] ^= 1 << bit
        frames = EventFrames()
        seen: list[EventMessage] = []
        try:
            seen += frames.feed(bytes(damaged))
        except (FrameBroken, FrameTooLong):
            pass
        else:
            pytest.fail(f"bit {bit} of byte {place} was not seen")
        assert seen == whole[: len(seen)]
        assert len(seen) < len(whole)


@given(MESSAGES, st.data())
def test_damage_is_judged_as_botocore_judges_it(
    given_messages: list[tuple[dict[str, str], bytes]], data: st.DataObject
) -> None:
    """Bytes that are others, or fewer: both read the same messages, and refuse the same."""
    body = bytearray(b"".join(message(headers, payload) for headers, payload in given_messages))
    for place in data.draw(st.lists(st.integers(0, max(len(body) - 1, 0)), max_size=2)):
        if body:
            body[place] ^= data.draw(st.integers(1, 255))
    del body[data.draw(st.integers(0, len(body))) :]
    buffer = EventStreamBuffer()
    buffer.add_data(bytes(body))
    theirs: list[tuple[dict[str, str], bytes]] = []
    refused = False
    try:
        theirs.extend((each.headers, each.payload) for each in buffer)
    except ParserError:
        refused = True
    ours: list[EventMessage] = []
    try:
        ours.extend(EventFrames().feed(bytes(body)))
    except (FrameBroken, FrameTooLong):
        assert refused
    else:
        assert not refused
    assert [(dict(each.headers), each.payload) for each in ours] == theirs


def test_what_came_before_the_damage_is_read() -> None:
    """Messages before a wrong one are given, however the bytes arrive."""
    damaged = START + text("Hello") + end()[:-1] + b"?"
    for cuts in ([], list(range(len(damaged)))):
        frames = EventFrames()
        found = (each for piece in split(damaged, cuts) for each in frames.feed(piece))
        seen: list[EventMessage] = []
        with pytest.raises(FrameBroken):
            seen.extend(found)
        assert seen == read(START + text("Hello"))


def test_a_length_is_bounded_before_its_bytes_come() -> None:
    """A message that is too long is refused at its prelude, right checksum or not."""
    assert len(read(text("a" * 900), limit=1100)) == 1
    with pytest.raises(FrameTooLong):
        read(prelude(1101, 0), limit=1100)
    for length in (MAX_FRAME + 1, 2**32 - 1):
        with pytest.raises(FrameTooLong):
            read(prelude(length, 0))
    for length, headers in ((0, 0), (15, 0), (16, 1), (200_000, 150_000)):
        with pytest.raises(FrameBroken):
            read(prelude(length, headers))


def test_headers_of_every_type() -> None:
    """Values that are no text are left out, and what stands after them is read."""
    values = (
        (0, b""),
        (1, b""),
        (2, b"\xff"),
        (3, b"\xff\xfe"),
        (4, b"\0\0\0\1"),
        (5, b"\0" * 8),
        (6, b"\0\2ab"),
        (8, b"\0" * 8),
        (9, b"u" * 16),
        (7, b"\0\2ab"),
    )
    head = b"".join(b"\1%c%c" % (97 + kind, kind) + value for kind, value in values)
    body = struct.pack(">II", 16 + len(head), len(head))
    body += struct.pack(">I", zlib.crc32(body)) + head
    (found,) = read(body + struct.pack(">I", zlib.crc32(body)))
    assert found == EventMessage({"h": "ab"}, b"")


@given(st.binary(max_size=200))
def test_nonsense(body: bytes) -> None:
    """Any bytes are refused or waited for; nothing else comes of them."""
    try:
        assert read(body) == []
    except (FrameBroken, FrameTooLong):
        assert len(body) >= 12
