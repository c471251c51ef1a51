"""Cut the bytes of a stream of server-sent events into the data of its events.

Works on bytes only: a text that is split into lines the way `str.splitlines` does it breaks
JSON at U+2028, and a character that is cut between two reads has no text yet.

Source: HTML Living Standard, section 9.2.6 "Interpreting an event stream"
(https://html.spec.whatwg.org/multipage/server-sent-events.html). `event`, `id` and `retry`
mean nothing to the formats that are read here and are passed over like comments.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.framing.frame import MAX_FRAME, FrameTooLong

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_FIRST: Final = b"data: "
_BETWEEN: Final = b"\n\ndata: "

# Comments, and the fields that are passed over.
_OTHER_FIELDS: Final = (b":", b"event", b"id", b"retry")
_MAX_STRAYS: Final = 64 * 1024
_NAMED: Final = b"event: "
_NAMED_FRAMES: Final = re.compile(rb"^event: [^\n]*\ndata: ([^\n]*)\n\n", re.MULTILINE)


class SseFrames:
    """The framing of one stream; an object with a life, one per reply.

    The cost is linear in the bytes, however they are cut: what is held back is never
    searched again.

    Args:
        limit: the longest event, in bytes, without the blank line that ends it.
    """

    __slots__ = ("_after_return", "_begun", "_held", "_limit", "_strays")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._held = bytearray()
        self._limit = limit
        self._after_return = False
        self._begun = False
        self._strays = bytearray()

    @property
    def strays(self) -> bytes:
        """Return the lines since the last event that belong to no field of one.

        By the specification they mean nothing, but it is there that some services say why the
        stream ends. The lines of the unfinished frame are among them; at most 64 KiB.
        """
        known = (b"data", *_OTHER_FIELDS)
        pending = [line for line in bytes(self._held).split(b"\n") if not line.startswith(known)]
        return (bytes(self._strays) + b"\n".join(pending))[:_MAX_STRAYS]

    @property
    def pending(self) -> bytes:
        """The bytes of a frame that has not ended, with `\\n` for every line end.

        By the specification an unfinished frame is no event, so that what stands here when
        the body ends is to be left alone; it tells a page of HTML from an empty reply.
        """
        return bytes(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Return the data of each event that is complete now, in order.

        Args:
            data: the next bytes of the body, cut anywhere.

        Returns:
            Per event the values of its `data` lines, joined by `\\n`; may be empty.

        Raises:
            FrameTooLong: an event is longer than the limit.
        """
        if self._after_return or b"\r" in data:
            data = self._with_newlines(data)
        held = self._held
        if not held:
            return self._cut(data)
        if held[-1] == 0x0A and data[:1] == b"\n":
            # The blank line was cut in two.
            del held[-1]
            end, rest = 0, 1
        else:
            end = data.find(b"\n\n")
            rest = end + 2
        if end < 0:
            self._hold(data)
            return []
        self._hold(data[:end])
        first = bytes(held)
        held.clear()
        return [*self._read(first), *self._cut(data[rest:])]

    def _cut(self, data: bytes) -> list[bytes]:
        """Return the events of bytes that begin with a frame; hold what is unfinished."""
        end = data.rfind(b"\n\n")
        if end < 0:
            self._hold(data)
            return []
        if end + 2 < len(data):
            self._hold(data[end + 2 :])
        if data.startswith(_FIRST) and end <= self._limit:
            # What nearly every read looks like. Two newlines stand between two frames and
            # none elsewhere: then this split is the parse.
            frames = data[len(_FIRST) : end].split(_BETWEEN)
            if data.count(b"\n", 0, end) == 2 * (len(frames) - 1):
                self._begun = True
                self._strays.clear()
                return frames
        elif data.startswith(_NAMED) and end <= self._limit:
            # The same where every event has a name (Anthropic): three newlines in each frame
            # and none elsewhere, hence nothing between them either.
            frames = _NAMED_FRAMES.findall(data, 0, end + 2)
            if data.count(b"\n", 0, end + 2) == 3 * len(frames):
                self._begun = True
                self._strays.clear()
                return frames
        return [event for frame in data[:end].split(b"\n\n") for event in self._read(frame)]

    def _read(self, frame: bytes) -> list[bytes]:
        """Return the data of one frame: one event or, without `data` lines, none."""
        # Further blank lines around a frame are no part of it.
        if len(frame) > self._limit and len(frame.strip(b"\n")) > self._limit:
            raise FrameTooLong
        if not self._begun:
            self._begun = True
            frame = frame.removeprefix(_BYTE_ORDER_MARK)
        values = []
        strays = []
        for line in frame.split(b"\n"):
            if line.startswith(b"data:"):
                values.append(line[6:] if line.startswith(_FIRST) else line[5:])
            elif line == b"data":
                values.append(b"")
            elif line and not line.startswith(_OTHER_FIELDS):
                strays.append(line)
        if values:
            self._strays.clear()
        if strays:
            self._stray(strays)
        return [b"\n".join(values)] if values else []

    def _stray(self, lines: list[bytes]) -> None:
        """Keep lines that belong to no field, as far as there is room."""
        for line in lines:
            room = _MAX_STRAYS - len(self._strays)
            if room <= 0:
                return
            self._strays += line[:room] + b"\n"

    def _hold(self, data: bytes) -> None:
        """Keep the bytes of an unfinished frame."""
        held = self._held
        if not held and data.startswith(b"\n"):
            # A blank line after a blank line; a byte order mark after it is none.
            data = data.lstrip(b"\n")
            self._begun = True
        held += data
        # The newline that may turn out to begin the blank line is no part of the frame.
        if len(held) > self._limit and len(held) - (held[-1] == 0x0A) > self._limit:
            raise FrameTooLong

    def _with_newlines(self, data: bytes) -> bytes:
        """Turn `\\r\\n` and a lone `\\r` into `\\n`, also where a read cut them in two."""
        if not data:
            return data
        if self._after_return and data[:1] == b"\n":
            # The line end was counted when its first half came.
            data = data[1:]
            self._after_return = False
            if not data:
                return data
        self._after_return = data[-1] == 0x0D
        # A search for the pair would cost more than all the rest of the framing.
        first, *others = data.split(b"\r")
        return b"".join([first, *[line if line[:1] == b"\n" else b"\n" + line for line in others]])
