"""Decode the reply to a chat, as a stream of events or as one JSON document.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStream.html.
`messageStop` is the terminator: an answer without it broke off, whatever was said. What it took
follows in `metadata`, which some put before it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.bedrock.answer import Answer
from trunkline.inference.adapters.bedrock.errors import in_stream
from trunkline.inference.adapters.bedrock.events import Document, Event, decode, decode_document
from trunkline.inference.adapters.bedrock.families import family_of
from trunkline.inference.adapters.bedrock.frames import EventFrames, EventMessage, FrameBroken
from trunkline.inference.adapters.bedrock.tools import names_of
from trunkline.inference.adapters.bedrock.usage import read_usage
from trunkline.inference.adapters.bedrock.words import message_words, read_words
from trunkline.inference.adapters.bodies import DocumentDecoder, Head
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.gaps import Gaps
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong
from trunkline.inference.v1 import chat_pb2, result_pb2

# A stream begins with the length of its first message, of which the highest byte is zero;
# anything readable does not.
_FIRST_BYTE: Final = b"\0"


class StreamDecoder:
    """The reading of one stream; see `Decoder`.

    What comes after `complete` is passed over, so that it makes no difference how much of it
    arrived in the same read.
    """

    __slots__ = (
        "_answer",
        "_frames",
        "_gaps",
        "_head",
        "_is_stream",
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
        self._frames = EventFrames()
        self._gaps = Gaps(target, request, read_words, in_stream)
        self._usage: result_pb2.Usage | None = None
        # What came, as long as it may be no stream.
        self._head = Head()
        self._is_stream: bool | None = None

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Decode the next bytes; see `Decoder.feed`."""
        if self._is_stream is None:
            self._is_stream = data.startswith(_FIRST_BYTE)
        if not self._is_stream:
            self._head.feed(data, proven=False)
            return
        if self.complete:
            return
        try:
            self._read(data, drafts)
        except (FrameTooLong, FrameBroken) as fault:
            if self.finished:
                self.complete = True
                return
            what = "is too long" if isinstance(fault, FrameTooLong) else "is damaged"
            raise broken(self._target, f"has a frame that {what}") from None

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if self._is_stream and not self.finished:
            raise broken(self._target, "broke off before its end")
        if not self.finished:
            raise self._head.unfinished(self._target, read_words, in_stream)
        return self._answer.ending(self._usage, self._gaps.losses)

    def _read(self, data: bytes, drafts: Drafts) -> None:
        """Take in the messages that are whole.

        Raises:
            ProviderFailed: as `feed`.
            FrameTooLong: a message is longer than any that is read.
            FrameBroken: a message makes no sense.
        """
        answer = self._answer
        say: Callable[[str], None] | None = None
        speaking = 0
        for message in self._frames.feed(data):
            if message.headers.get(":message-type") != "event":
                self._aside(message)
                continue
            try:
                event = decode(message.payload)
            except (ValueError, RecursionError):
                self._undecodable(message)
                continue
            delta = event.delta
            kind = message.headers.get(":event-type", "")
            if delta is not None and kind == "contentBlockDelta" and not self.finished:
                index = event.content_block_index
                if say is not None and index == speaking and delta.text is not None:
                    say(delta.text)
                    continue
                answer.add(index, delta, drafts)
                say, speaking = answer.text_sink(index, drafts), index
                continue
            self._other(kind, event, drafts)
            say = None
            if self.complete:
                return

    def _other(self, kind: str, event: Event, drafts: Drafts) -> None:
        """Take in an event that says no more of a block."""
        if kind == "metadata":
            if event.usage:
                self._usage = read_usage(event.usage)
            self.complete = self.finished
        elif self.finished:
            return
        elif kind == "contentBlockStart":
            self._answer.begin(event.content_block_index, event.start, drafts)
        elif kind == "contentBlockStop":
            index = event.content_block_index
            if not self._answer.stop(index, drafts) and self._gaps.skipped:
                # What was passed over began a block, such as a call without arguments.
                raise broken(self._target, "ends a block that never began")
        elif kind == "messageStop":
            if not event.stop_reason:
                raise broken(self._target, "ended without a stop reason")
            self._answer.raw = event.stop_reason
            self._answer.finish(drafts)
            self.finished = True
            self.complete = self._usage is not None

    def _aside(self, message: EventMessage) -> None:
        """Take in a message that is no event: a failure, or what is yet to be invented."""
        words = None if self.finished else message_words(message)
        if words is not None:
            raise in_stream(self._target, words, message.payload)

    def _undecodable(self, message: EventMessage) -> None:
        """Pass over a message whose payload is no event, when that may be done."""
        if not self.finished:
            self._gaps.pass_over(message.payload, fragile=self._answer.fragile)


class WholeDecoder(DocumentDecoder):
    """The reading of an answer that comes as one JSON document; see `Decoder`."""

    __slots__ = ("_answer",)

    def __init__(self, target: Target, request: chat_pb2.ChatRequest) -> None:
        super().__init__(target)
        self._answer = _answer(target, request)

    def _read(self, body: bytes, drafts: Drafts) -> Ending:
        """Decode the document; see `DocumentDecoder`."""
        try:
            document = decode_document(body)
        except (ValueError, RecursionError):
            document = Document()
        output = document.output
        if output is None or output.message is None or output.message.content is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
            raise broken(self._target, "is no message", body)
        if not document.stop_reason:
            raise broken(self._target, "ended without a stop reason")
        answer = self._answer
        answer.raw = document.stop_reason
        for index, block in enumerate(output.message.content):
            answer.take(index, block, drafts)
        answer.finish(drafts)
        usage = document.usage
        return answer.ending(read_usage(usage) if isinstance(usage, dict) and usage else None, ())


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    names = names_of(request, family_of(target.model))
    return Answer(target, names, thoughts=are_wanted(request.reasoning))
