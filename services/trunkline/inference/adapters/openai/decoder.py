"""Decode the reply to a chat, as a stream of events or as one JSON document.

Source: https://platform.openai.com/docs/api-reference/chat-streaming, and what services that
imitate it do differently. `finish_reason` is the terminator: `[DONE]` and the end of the body
may be missing or come early, and alone they prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.bodies import DocumentDecoder, Head
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.gaps import Gaps
from trunkline.inference.adapters.openai.answer import Answer
from trunkline.inference.adapters.openai.chunks import Chunk, decode, is_plain
from trunkline.inference.adapters.openai.errors import in_stream
from trunkline.inference.adapters.openai.messages import text_to_continue
from trunkline.inference.adapters.openai.openings import Echo, Opening, Tags
from trunkline.inference.adapters.openai.services import find_service
from trunkline.inference.adapters.openai.words import read_words
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import Json
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, SseFrames
from trunkline.inference.v1 import chat_pb2

_DONE: Final = b"[DONE]"

# OpenRouter and Mistral; DeepSeek when it is overloaded.
_FAILED: Final = frozenset({"error", "insufficient_system_resource"})


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
        self._usage: Json | None = None
        self._head = Head()

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Decode the next bytes; see `Decoder.feed`."""
        try:
            frames = self._frames.feed(data)
        except FrameTooLong:
            if self.finished:
                self.complete = True
                return
            raise broken(self._target, "has a frame that is too long") from None
        if not self._head.proven:
            self._head.feed(data, proven=bool(frames))
        answer = self._answer
        say: Callable[[str], None] | None = None
        for frame in frames:
            if self.complete:
                return
            try:
                chunk = decode(frame)
            except (ValueError, RecursionError):
                self._undecodable(frame)
                continue
            choices = chunk.choices
            if not choices or chunk.error is not None or chunk.x_groq is not None:
                self._aside(chunk, frame)
                if not choices:
                    continue
            choice = choices[0]
            if self.finished:
                # Only usage may follow.
                if choice.usage is not None or chunk.usage is not None:
                    self._used(chunk.usage or choice.usage)
                continue
            delta = choice.delta
            if delta is not None:
                if say is not None and is_plain(delta):
                    say(delta.content)  # type: ignore[arg-type] # a text, since it is plain
                else:
                    answer.add(delta, drafts)
                    say = answer.text_sink(drafts)
            if chunk.usage is not None or choice.usage is not None:
                self._used(chunk.usage or choice.usage)
            if choice.finish_reason:
                self._finish(choice.finish_reason, frame, drafts)
                # Usage that came with an earlier chunk may be of a part only.
                self.complete = bool(chunk.usage or choice.usage or _groq_usage(chunk))

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if not self.finished:
            raise self._head.unfinished(self._target, read_words, in_stream)
        return self._answer.ending(self._usage, self._gaps.losses)

    def _finish(self, reason: str, frame: bytes, drafts: Drafts) -> None:
        """Take in the finish reason."""
        if reason in _FAILED:
            raise in_stream(self._target, read_words(frame) or Words(codes=(reason,)), frame)
        self._answer.finish(reason, drafts)
        self.finished = True

    def _used(self, usage: Json | None) -> None:
        """Keep the last usage: where it comes with every chunk it counts from the start."""
        if usage is not None:
            self._usage = usage
            self.complete = self.finished

    def _aside(self, chunk: Chunk, frame: bytes) -> None:
        """Take in a chunk that is no plain piece of the answer."""
        if not self.finished:
            # Afterwards the answer is whole, and nothing can make it a failure.
            words = read_words(frame)
            if words is not None:
                raise in_stream(self._target, words, frame)
        self._used(chunk.usage or _groq_usage(chunk))

    def _undecodable(self, frame: bytes) -> None:
        """Pass over a frame that is no chunk, when that may be done."""
        word = frame.strip()
        if word == _DONE:
            self.complete = self.finished
            if not self.finished:
                raise broken(self._target, "ended without a finish reason")
        elif word and not self.finished:
            self._gaps.pass_over(frame, fragile=self._answer.calling)


class WholeDecoder(DocumentDecoder):
    """The reading of an answer that comes as one JSON document; see `Decoder`."""

    __slots__ = ("_answer",)

    def __init__(self, target: Target, request: chat_pb2.ChatRequest) -> None:
        super().__init__(target)
        self._answer = _answer(target, request)

    def _read(self, body: bytes, drafts: Drafts) -> Ending:
        """Decode the document; see `DocumentDecoder`."""
        try:
            chunk = decode(body)
        except (ValueError, RecursionError):
            chunk = None
        choice = chunk.choices[0] if chunk is not None and chunk.choices else None
        if chunk is None or choice is None or chunk.error is not None or choice.error is not None:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
        if chunk is None or choice is None or choice.message is None:
            raise broken(self._target, "is no chat completion", body)
        reason = choice.finish_reason
        # xAI ends with "" when it calls tools; the document's own end must do there.
        if reason is None or not (reason or choice.message.tool_calls):
            raise broken(self._target, "ended without a finish reason")
        if reason in _FAILED:
            raise in_stream(self._target, Words(codes=(reason,)), body)
        self._answer.add(choice.message, drafts)
        self._answer.finish(reason, drafts)
        used = chunk.usage or choice.usage or _groq_usage(chunk)
        return self._answer.ending(used or None, ())


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    service = find_service(target.type, target.model)
    opening: Opening | None = Tags() if service.thinks_in_text else None
    if service.prefill is not None and service.prefill.repeats:
        said = text_to_continue(request.messages[:], service)
        opening = Echo(said) if said else None
    return Answer(target, thoughts=are_wanted(request.reasoning), opening=opening)


def _groq_usage(chunk: Chunk) -> Json | None:
    """Return the usage where Groq puts it."""
    usage = chunk.x_groq.get("usage") if chunk.x_groq else None
    return usage if isinstance(usage, dict) else None
