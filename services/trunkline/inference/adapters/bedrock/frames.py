"""Cut the bytes of a stream into its messages, in the framing of AWS's event streams.

A message is, with integers unsigned and big-endian: its length, the length of its headers,
the CRC-32 of these eight bytes, headers, payload, and the CRC-32 of all before it. Every header
is a name, the number of a type, and a value. Source: "Event stream encoding",
https://docs.aws.amazon.com/transcribe/latest/dg/streaming-setting-up.html#streaming-event-stream.

botocore's parser takes a message apart. It would hold whatever it is given, copy what follows a
message once for each of them, and keep silent about a stream that ends within one, so that
messages are found here.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Final, NamedTuple

from botocore.eventstream import EventStreamBuffer, ParserError

from trunkline.inference.framing import MAX_FRAME, FrameTooLong

_PRELUDE: Final = 12
_MIN_MESSAGE: Final = 16

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

    headers: dict[str, str]
    payload: bytes


class EventFrames:
    """The framing of one stream; an object with a life, one per reply.

    Args:
        limit: the longest message, in bytes.
    """

    __slots__ = ("_held", "_length", "_limit", "_parser")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._held = bytearray()
        self._length = 0
        self._limit = limit
        self._parser = EventStreamBuffer()

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
            while len(held) - start >= _PRELUDE:
                if not self._length:
                    self._length = self._begin(bytes(held[start : start + _PRELUDE]))
                end = start + self._length
                if len(held) < end:
                    break
                message = self._finish(bytes(held[start + _PRELUDE : end]))
                start, self._length = end, 0
                yield message
        finally:
            del held[:start]

    def _begin(self, prelude: bytes) -> int:
        """Return the length of the message that begins; wrong lengths show before they come."""
        length = int.from_bytes(prelude[:4])
        self._parse(prelude)
        if length < _MIN_MESSAGE + int.from_bytes(prelude[4:8]):
            raise FrameBroken
        if length > self._limit:
            raise FrameTooLong
        return length

    def _finish(self, rest: bytes) -> EventMessage:
        """Return the message that has come whole."""
        headers, payload = self._parse(rest)
        return EventMessage(headers, payload)

    def _parse(self, data: bytes) -> tuple[dict[str, str], bytes]:
        """Give bytes to the parser; return the message that they complete, or an empty one."""
        parser = self._parser
        parser.add_data(data)
        try:
            message = next(parser, None)
        except _NONSENSE:
            raise FrameBroken from None
        if message is None:
            return {}, b""
        headers = {name: said for name, said in message.headers.items() if isinstance(said, str)}
        return headers, message.payload
