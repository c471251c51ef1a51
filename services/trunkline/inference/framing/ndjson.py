"""Cut the bytes of a stream of JSON lines into its lines.

Works on bytes only, and only at `\\n`: `str.splitlines` would also cut at U+2028 and U+0085,
which stand unescaped inside of JSON strings.

Source: Newline Delimited JSON, section 3 (https://github.com/ndjson/ndjson-spec): a line ends
with `\\n`, a `\\r` before it is not part of the line, and empty lines are passed over.
"""

from __future__ import annotations

from trunkline.inference.framing.frame import MAX_FRAME, FrameTooLong


class NdjsonFrames:
    """The framing of one stream; an object with a life, one per reply.

    The cost is linear in the bytes, however they are cut: what is held back is never
    searched again.

    Args:
        limit: the longest line, in bytes, without its end.
    """

    __slots__ = ("_held", "_limit")

    def __init__(self, limit: int = MAX_FRAME) -> None:
        self._held = bytearray()
        self._limit = limit

    @property
    def pending(self) -> bytes:
        """The bytes of the last line as long as nothing ends it.

        The end of the body may be what ends it: then they are the last frame.
        """
        return bytes(self._held)

    def feed(self, data: bytes) -> list[bytes]:
        """Return each line that is complete now, in order.

        Args:
            data: the next bytes of the body, cut anywhere.

        Returns:
            The lines without their ends; none is empty.

        Raises:
            FrameTooLong: a line is longer than the limit.
        """
        end = data.rfind(b"\n")
        if end < 0:
            self._hold(data)
            return []
        held = self._held
        lines = data[:end].split(b"\n")
        if held:
            held += lines[0]
            lines[0] = bytes(held)
            held.clear()
        if b"\r" in data or lines[0].endswith(b"\r"):
            lines = [line.removesuffix(b"\r") for line in lines]
        # The first may be longer than this read, all others are parts of it.
        if (len(data) > self._limit or len(lines[0]) > self._limit) and any(
            len(line) > self._limit for line in lines
        ):
            raise FrameTooLong
        self._hold(data[end + 1 :])
        return [line for line in lines if line]

    def _hold(self, data: bytes) -> None:
        """Keep the bytes of an unfinished line."""
        held = self._held
        held += data
        # The `\r` that may turn out to belong to the line's end is no part of the line.
        if len(held) > self._limit and len(held) - (held[-1] == 0x0D) > self._limit:
            raise FrameTooLong
