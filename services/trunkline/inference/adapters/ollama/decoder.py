"""Decode the reply to a chat, as a stream of lines or as one JSON document.

Source: https://docs.ollama.com/api/streaming and https://docs.ollama.com/api/errors. The line
with `done: true` is the terminator, and brings the usage; without it an answer is not whole.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.bodies import DocumentDecoder
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.losses import passed_over
from trunkline.inference.adapters.ollama.answer import Answer
from trunkline.inference.adapters.ollama.errors import in_stream
from trunkline.inference.adapters.ollama.lines import Line, decode, is_plain
from trunkline.inference.adapters.ollama.usage import read_usage
from trunkline.inference.adapters.ollama.words import read_words
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, NdjsonFrames
from trunkline.inference.v1 import chat_pb2, result_pb2

_MAX_HEAD: Final = 64 * 1024


class StreamDecoder:
    """The reading of one stream; see `Decoder`.

    What comes after the line that ends the answer is passed over, so that it makes no
    difference how much of it arrived in the same read.
    """

    __slots__ = (
        "_answer",
        "_frames",
        "_head",
        "_may_skip",
        "_skipped",
        "_target",
        "_usage",
        "complete",
        "finished",
    )

    def __init__(self, target: Target, request: chat_pb2.ChatRequest) -> None:
        self.finished = False
        self.complete = False
        self._target = target
        self._answer = _answer(target, request)
        self._frames = NdjsonFrames()
        # A document with a hole in it may still be JSON, and say something else.
        self._may_skip = 0 if request.HasField("response_format") else 1
        self._skipped = 0
        self._usage: result_pb2.Usage | None = None
        # Lines that cannot be decoded before the first that can: they may be another document.
        self._head: bytearray | None = bytearray()

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Decode the next bytes; see `Decoder.feed`."""
        if self.complete:
            return
        try:
            frames = self._frames.feed(data)
        except FrameTooLong:
            raise broken(self._target, "has a frame that is too long") from None
        self._read(frames, drafts)

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if not self.finished:
            # The last line may be ended by the body's end alone.
            pending = self._frames.pending.strip()
            if _line(pending) is None:
                raise self._unfinished(pending)
            self._read([pending], drafts)
        if not self.finished:
            raise self._unfinished(b"")
        return self._answer.ending(self._usage, (passed_over(),) if self._skipped else ())

    def _read(self, frames: list[bytes], drafts: Drafts) -> None:
        """Decode some lines."""
        answer = self._answer
        say: Callable[[str], None] | None = None
        for frame in frames:
            try:
                line = decode(frame)
            except (ValueError, RecursionError):
                self._undecodable(frame)
                continue
            if self._head is not None:
                self._begin(bytes(self._head))
            if line.error:
                raise in_stream(self._target, read_words(frame) or Words(), frame)
            message = line.message
            if message is not None:
                if say is not None and is_plain(message):
                    say(message.content)  # type: ignore[arg-type] # a text, since it is plain
                else:
                    answer.add(message, drafts)
                    say = answer.text_sink(drafts)
            if line.done:
                self._usage = read_usage(line)
                answer.finish(line.done_reason, counted=self._usage is not None)
                self.finished = self.complete = True
                return

    def _begin(self, head: bytes) -> None:
        """Note that a line could be decoded: it is a stream of lines, and so was the head."""
        self._head = None
        if self._skipped > self._may_skip:
            raise broken(self._target, "cannot be decoded", head)

    def _undecodable(self, frame: bytes) -> None:
        """Pass over a frame that is no line of an answer, when that may be done."""
        if not frame.strip():
            return
        self._skipped += 1
        if self._head is not None and len(self._head) < _MAX_HEAD:
            # Only the end, or a line that can be decoded, tells what this is.
            self._head += frame[: _MAX_HEAD - len(self._head)] + b"\n"
        elif self._head is not None:
            raise self._unfinished(b"")
        elif self._skipped > self._may_skip or self._answer.calling:
            raise broken(self._target, "cannot be decoded", frame)

    def _unfinished(self, rest: bytes) -> ProviderFailed:
        """Return the failure of a body that ended too early, in the middle of `rest`."""
        if self._head is None:
            return broken(self._target, "broke off before its end")
        head = (bytes(self._head) + rest)[:_MAX_HEAD].strip()
        if not head:
            return broken(self._target, "is empty")
        # An error, or what else stands in the place of a stream of lines.
        words = read_words(head)
        if words is not None:
            return in_stream(self._target, words, head)
        if head.startswith(b'{"'):
            return broken(self._target, "broke off before its end")
        return broken(self._target, "is no stream of lines", head)


class WholeDecoder(DocumentDecoder):
    """The reading of an answer that comes as one JSON document; see `Decoder`."""

    __slots__ = ("_answer",)

    def __init__(self, target: Target, request: chat_pb2.ChatRequest) -> None:
        super().__init__(target)
        self._answer = _answer(target, request)

    def _read(self, body: bytes, drafts: Drafts) -> Ending:
        """Decode the document; see `DocumentDecoder`."""
        line = _line(body)
        if line is None or line.error or line.message is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
        if line is None or line.message is None:
            raise broken(self._target, "is no answer of a chat", body)
        if not line.done:
            raise broken(self._target, "ended without `done`")
        usage = read_usage(line)
        self._answer.add(line.message, drafts)
        self._answer.finish(line.done_reason, counted=usage is not None)
        return self._answer.ending(usage, ())


def _line(frame: bytes) -> Line | None:
    """Decode a line; None when it is none."""
    try:
        return decode(frame)
    except (ValueError, RecursionError):
        return None


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    return Answer(target, thoughts=are_wanted(request.reasoning))
