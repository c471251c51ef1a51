"""What is done with a frame of a stream that cannot be decoded: one rule for every format."""

from __future__ import annotations

from collections.abc import Callable

from trunkline.inference.adapters.adapter import ProviderFailed, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.losses import passed_over
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import chat_pb2, result_pb2


class Gaps:
    """The frames of one stream that were passed over: one at most, and only in plain text.

    Args:
        target: who answers.
        request: a document that was asked for may have no hole: it may still be JSON then,
            and say something else.
        read_words: reads an error in the place of a frame.
        in_stream: makes a failure of such an error.
    """

    __slots__ = ("_in_stream", "_may_skip", "_read_words", "_target", "skipped")

    def __init__(
        self,
        target: Target,
        request: chat_pb2.ChatRequest,
        read_words: Callable[[bytes], Words | None],
        in_stream: Callable[[Target, Words, bytes], ProviderFailed],
    ) -> None:
        self._target = target
        self._may_skip = not request.HasField("response_format")
        self._read_words = read_words
        self._in_stream = in_stream
        self.skipped = False

    @property
    def losses(self) -> tuple[result_pb2.Loss, ...]:
        """Return what is told of it with the answer."""
        return (passed_over(),) if self.skipped else ()

    def pass_over(self, frame: bytes, *, fragile: bool) -> None:
        """Pass over a frame, when that may be done.

        Args:
            frame: that cannot be decoded.
            fragile: something is open that a missing frame would spoil, such as a call.

        Raises:
            ProviderFailed: the frame is an error, or may not be passed over (BROKEN_STREAM).
        """
        words = self._read_words(frame)
        if words is not None:
            raise self._in_stream(self._target, words, frame)
        if self.skipped or not self._may_skip or fragile:
            raise broken(self._target, "cannot be decoded", frame)
        self.skipped = True
