"""Cut the bytes of a stream into its messages, in the framing of AWS's event streams.

A message is, with integers unsigned and big-endian: its length, the length of its headers,
the CRC-32 of these eight bytes, headers, payload, and the CRC-32 of all before it. Every header
is a name, the number of a type, and a value. Source: "Event stream encoding",
https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream.

botocore's parser takes the headers apart. Its buffer is not used: it would hold whatever it is
given, copy what follows a message once for each of them, keep silent about a stream that ends
within one, and parse the headers anew for every token, which are always the same.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final, NamedTuple
from zlib import crc32

from botocore.eventstream import EventStreamHeaderParser, ParserError

from trunkline.inference.framing import MAX_FRAME, FrameTooLong

MAX_HEADERS: Final = 128 * 1024
"""The longest headers of a message, in bytes, as in the specification."""

_PRELUDE: Final = struct.Struct(">III")
_CHECKSUM: Final = struct.Struct(">I")
_MIN_MESSAGE: Final = _PRELUDE.size + _CHECKSUM.size
_REMEMBERED: Final = 1024

# What the parser raises: its own errors, and for headers that cannot be taken apart also those of
# the language: a value that is cut, a text that is no UTF-8, a type that there is not.
_NONSENSE: Final = (ParserError, struct.error, UnicodeDecodeError, KeyError)


class FrameBroken(Exception):
    """A message has a wrong checksum, a wrong length, or headers that make no sense."""


class EventMessage(NamedTuple):
    """A message of a stream.

    Attributes:
        headers: by name; values that are no text are left out.
        payload: as it came.
    """

    headers: Mapping[str, str]
    payload: bytes


class EventFrames:
    """The framing of one stream; an object with a life, one per reply.

    The cost is linear in the bytes, however they are cut.

    Args:
        limit: the longest message, in bytes.
    """

    __slots__ = ("_held", "_length", "_limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._held = bytearray()
        # Of the message that has begun, its prelude checked; 0: none has.
        self._length = 0
        self._limit = limit

    def feed(self, data: bytes) -> Iterator[EventMessage]:
        """Yield each message that is complete now, in order.

        Args:
            data: the next bytes of the body, cut anywhere.

        Raises:
            FrameTooLong: a message is longer than the limit.
            FrameBroken: one makes no sense; nothing can be read after it.
        """
        held = self._held
        held += data
        start = 0
        try:
            while len(held) - start >= _PRELUDE.size:
                if not self._length:
                    self._length = self._begin(start)
                end = start + self._length
                if len(held) < end:
                    break
                message = _take_apart(bytes(held[start:end]))
                start, self._length = end, 0
                yield message
        finally:
            del held[:start]

    def _begin(self, start: int) -> int:
        """Return the length of the message that begins; wrong lengths show before they come."""
        length, headers, checksum = _PRELUDE.unpack_from(self._held, start)
        if crc32(self._held[start : start + 8]) != checksum:
            raise FrameBroken
        if headers > MAX_HEADERS or length < _MIN_MESSAGE + headers:
            raise FrameBroken
        if length > self._limit:
            raise FrameTooLong
        return int(length)


def _take_apart(message: bytes) -> EventMessage:
    """Return a message that has come whole, and whose prelude is right.

    Raises:
        FrameBroken: it has a wrong checksum, or headers that make no sense.
    """
    (checksum,) = _CHECKSUM.unpack_from(message, len(message) - _CHECKSUM.size)
    if crc32(memoryview(message)[: -_CHECKSUM.size]) != checksum:
        raise FrameBroken
    end = _PRELUDE.size + int.from_bytes(message[4:8])
    block = message[_PRELUDE.size : end]
    headers = _known_headers(block) if len(block) <= _REMEMBERED else _headers(block)
    return EventMessage(headers, message[end : -_CHECKSUM.size])


def _headers(block: bytes) -> Mapping[str, str]:
    """Take headers apart.

    Raises:
        FrameBroken: they make no sense.
    """
    try:
        parsed = EventStreamHeaderParser().parse(block)
    except _NONSENSE:
        raise FrameBroken from None
    return MappingProxyType({name: said for name, said in parsed.items() if isinstance(said, str)})


# A stream has few kinds of messages, and their headers are equal to the last byte.
_known_headers: Final = lru_cache(maxsize=256)(_headers)
