"""Decode the reply to a chat, as a stream of events or as one JSON document.

Source: https://ai.google.dev/api/generate-content. The finish reason is the terminator; what
ends the body is its end alone, before which an error may stand that is no event.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.bodies import DocumentDecoder, Head
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.gaps import Gaps
from trunkline.inference.adapters.google.answer import Answer
from trunkline.inference.adapters.google.chunks import Candidate, Chunk, decode, is_plain
from trunkline.inference.adapters.google.errors import blocked, in_stream
from trunkline.inference.adapters.google.usage import read_usage
from trunkline.inference.adapters.google.words import read_words
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.values import load
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, SseFrames
from trunkline.inference.v1 import chat_pb2, result_pb2

# Finish reasons of an answer that came to nothing, the provider's fault or the question's.
_FAILED: Final = frozenset(
    {
        "OTHER",
        "MALFORMED_FUNCTION_CALL",
        "MALFORMED_RESPONSE",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "PUP_LIMITED_DISABLED",
    }
)

# What some services write where there is no reason yet.
_NO_REASON: Final = frozenset({"", "FINISH_REASON_UNSPECIFIED"})


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
        self._usage = msgspec.Raw()
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
            if chunk.usage_metadata:
                # Counted from the start of the answer in every frame.
                self._usage = chunk.usage_metadata
            if self.finished:
                self.complete = bool(chunk.usage_metadata)
                continue
            candidates = chunk.candidates
            if not candidates or chunk.error:
                self._aside(chunk, frame)
                if not candidates:
                    continue
            candidate = candidates[0]
            content = candidate.content
            if content is not None and content.parts:
                for index, part in enumerate(content.parts):
                    if say is not None and is_plain(part):
                        say(part.text)  # type: ignore[arg-type] # a text, since it is plain
                    else:
                        answer.add(part, frame, index, drafts)
                        say = answer.text_sink(drafts)
            if candidate.finish_reason is not None:
                self._finish(candidate, chunk, frame)

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if not self.finished:
            raise self._unfinished()
        return self._answer.ending(_usage(self._usage), self._gaps.losses)

    def _finish(self, candidate: Candidate, chunk: Chunk, frame: bytes) -> None:
        """Take in the finish reason, when it is one."""
        _check_reason(self._target, candidate, frame)
        if candidate.finish_reason not in _NO_REASON:
            self._answer.raw = candidate.finish_reason or ""
            self.finished = True
            # Usage from an earlier frame may be of a part only.
            self.complete = bool(chunk.usage_metadata)

    def _aside(self, chunk: Chunk, frame: bytes) -> None:
        """Take in a frame without a piece of the answer."""
        words = read_words(frame)
        if words is not None:
            raise in_stream(self._target, words, frame)
        _check_prompt(self._target, chunk, frame)

    def _undecodable(self, frame: bytes) -> None:
        """Pass over a frame that is no chunk, when that may be done."""
        if self.finished or not frame.strip():
            return
        # A thought may have lost its signature, and a call its sibling.
        self._gaps.pass_over(frame, fragile=not self._answer.is_plain)

    def _unfinished(self) -> ProviderFailed:
        """Return the failure of a body that ended too early."""
        # An error may follow as bare JSON that is no event (vercel/ai#5217).
        tail = self._frames.strays.strip()
        words = read_words(tail) if tail else None
        if words is not None:
            return in_stream(self._target, words, tail)
        return self._head.unfinished(self._target, read_words, in_stream)


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
            chunk = Chunk()
        if not chunk.candidates or chunk.error:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
        _check_prompt(self._target, chunk, body)
        if not chunk.candidates:
            raise broken(self._target, "is no generated content", body)
        candidate = chunk.candidates[0]
        _check_reason(self._target, candidate, body)
        if (candidate.finish_reason or "") in _NO_REASON:
            raise broken(self._target, "ended without a finish reason")
        content = candidate.content
        for index, part in enumerate((content.parts if content is not None else None) or ()):
            self._answer.add(part, body, index, drafts)
        self._answer.raw = candidate.finish_reason or ""
        return self._answer.ending(_usage(chunk.usage_metadata), ())


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    return Answer(target, thoughts=are_wanted(request.reasoning))


def _usage(raw: msgspec.Raw) -> result_pb2.Usage | None:
    """Return the usage; None when none that is legible was told."""
    try:
        said = load(bytes(raw))
    except ValueError:
        return None
    return read_usage(said) if isinstance(said, dict) else None


def _check_reason(target: Target, candidate: Candidate, frame: bytes) -> None:
    """Refuse a finish reason that is a failure.

    Raises:
        ProviderFailed: of the kind that the reason means.
    """
    reason = candidate.finish_reason or ""
    if reason in _FAILED:
        words = Words(message=candidate.finish_message or "", codes=(reason,))
        raise in_stream(target, words, frame)


def _check_prompt(target: Target, chunk: Chunk, frame: bytes) -> None:
    """Refuse an answer that does not come since the filter refused the prompt.

    Raises:
        ProviderFailed: CONTENT_FILTERED.
    """
    feedback = chunk.prompt_feedback
    if not chunk.candidates and feedback is not None and feedback.block_reason:
        words = Words(message=feedback.block_reason_message or "", codes=(feedback.block_reason,))
        raise blocked(target, words, frame)
