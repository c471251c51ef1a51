"""Decode the reply to a chat, as a stream of events or as one JSON document.

Source: https://platform.claude.com/docs/en/build-with-claude/streaming. `message_stop` is the
terminator: an answer without it broke off, whatever was said.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.anthropic.answer import Answer
from trunkline.inference.adapters.anthropic.errors import in_stream
from trunkline.inference.adapters.anthropic.events import (
    Delta,
    Event,
    Message,
    decode,
    decode_message,
)
from trunkline.inference.adapters.anthropic.usage import read_usage, update_usage
from trunkline.inference.adapters.anthropic.words import read_words
from trunkline.inference.adapters.bodies import DocumentDecoder, Head
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.gaps import Gaps
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import Json
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, SseFrames
from trunkline.inference.v1 import chat_pb2


class StreamDecoder:
    """The reading of one stream; see `Decoder`.

    What comes after `message_stop` is passed over, so that it makes no difference how much of
    it arrived in the same read.
    """

    __slots__ = (
        "_answer",
        "_frames",
        "_gaps",
        "_head",
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
        self._frames = SseFrames()
        self._gaps = Gaps(target, request, read_words, in_stream)
        self._usage: Json = {}
        self._head = Head()

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Decode the next bytes; see `Decoder.feed`."""
        try:
            frames = self._frames.feed(data)
        except FrameTooLong:
            if self.finished:
                return
            raise broken(self._target, "has a frame that is too long") from None
        if not self._head.proven:
            self._head.feed(data, proven=bool(frames))
        answer = self._answer
        say: Callable[[str], None] | None = None
        speaking: int | None = None
        for frame in frames:
            if self.finished:
                return
            try:
                event = decode(frame)
            except (ValueError, RecursionError):
                self._undecodable(frame)
                continue
            delta = event.delta
            if delta is not None and event.type == "content_block_delta":
                index = event.index or 0
                if say is not None and index == speaking and delta.text is not None:
                    say(delta.text)
                    continue
                answer.add(index, delta, drafts)
                say, speaking = answer.text_sink(index, drafts), index
            else:
                self._other(event, delta, frame, drafts)
                say = None

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if not self.finished:
            raise self._head.unfinished(self._target, read_words, in_stream)
        usage = read_usage(self._usage) if self._usage else None
        return self._answer.ending(usage, self._gaps.losses)

    def _other(self, event: Event, delta: Delta | None, frame: bytes, drafts: Drafts) -> None:
        """Take in an event that says no more of a block."""
        answer = self._answer
        match event.type:
            case "content_block_start":
                answer.begin(event.index or 0, event.content_block, drafts)
            case "content_block_stop":
                if not answer.stop(event.index or 0, drafts) and self._gaps.skipped:
                    # What was passed over began a block, such as a call without arguments.
                    raise broken(self._target, "ends a block that never began")
            case "message_start":
                self._start(event, drafts)
            case "message_delta":
                if delta is not None and delta.stop_reason:
                    answer.raw = delta.stop_reason
                    answer.stop_sequence = delta.stop_sequence or ""
                if event.usage:
                    update_usage(self._usage, event.usage)
            case "message_stop":
                if not answer.raw:
                    raise broken(self._target, "ended without a stop reason")
                answer.finish(drafts)
                self.finished = self.complete = True
            case "ping":
                pass
            case _:
                # An error, or what is yet to be invented.
                words = read_words(frame)
                if words is not None:
                    raise in_stream(self._target, words, frame)

    def _start(self, event: Event, drafts: Drafts) -> None:
        """Take in the start of the answer, of which a stream may have a second."""
        self._answer.restart(drafts)
        self._usage = {}
        try:
            message = decode_message(event.message)
        except (ValueError, RecursionError):
            message = Message()
        if message.usage:
            update_usage(self._usage, message.usage)

    def _undecodable(self, frame: bytes) -> None:
        """Pass over a frame that is no event, when that may be done."""
        if not frame.strip():
            return
        self._gaps.pass_over(frame, fragile=self._answer.fragile)


class WholeDecoder(DocumentDecoder):
    """The reading of an answer that comes as one JSON document; see `Decoder`."""

    __slots__ = ("_answer",)

    def __init__(self, target: Target, request: chat_pb2.ChatRequest) -> None:
        super().__init__(target)
        self._answer = _answer(target, request)

    def _read(self, body: bytes, drafts: Drafts) -> Ending:
        """Decode the document; see `DocumentDecoder`."""
        try:
            message: Message | None = decode_message(body)
        except (ValueError, RecursionError):
            message = None
        if message is None or message.error is not None or message.content is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
        if message is None or message.content is None:
            raise broken(self._target, "is no message", body)
        if not message.stop_reason:
            raise broken(self._target, "ended without a stop reason")
        answer = self._answer
        answer.raw = message.stop_reason
        answer.stop_sequence = message.stop_sequence or ""
        for index, block in enumerate(message.content):
            answer.begin(index, block, drafts)
            answer.stop(index, drafts)
        answer.finish(drafts)
        return answer.ending(read_usage(message.usage) if message.usage else None, ())


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    return Answer(target, thoughts=are_wanted(request.reasoning))
