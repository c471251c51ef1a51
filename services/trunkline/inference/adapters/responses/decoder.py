"""Decode the reply to a chat, as a stream of events or as one JSON document.

Source: https://platform.openai.com/docs/guides/streaming-responses. `response.completed` and
`response.incomplete` are the terminators: `[DONE]` and the end of the body prove nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from trunkline.inference.adapters.adapter import Ending, Target
from trunkline.inference.adapters.bodies import DocumentDecoder, Head
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.gaps import Gaps
from trunkline.inference.adapters.responses.answer import Answer
from trunkline.inference.adapters.responses.errors import in_stream
from trunkline.inference.adapters.responses.events import (
    Event,
    Response,
    decode,
    decode_response,
)
from trunkline.inference.adapters.responses.removals import removed
from trunkline.inference.adapters.responses.usage import read_usage
from trunkline.inference.adapters.responses.words import read_words
from trunkline.inference.adapters.thoughts import are_wanted
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, SseFrames
from trunkline.inference.v1 import chat_pb2, result_pb2

_DONE: Final = b"[DONE]"
_TEXT: Final = "response.output_text.delta"
_OWN: Final = "response."
_FAILED: Final = "response.failed"
_ENDS: Final = frozenset({"completed", "incomplete"})


class StreamDecoder:
    """The reading of one stream; see `Decoder`.

    What comes after the terminator is passed over, so that it makes no difference how much of
    it arrived in the same read.
    """

    __slots__ = (
        "_answer",
        "_ending",
        "_frames",
        "_gaps",
        "_head",
        "_target",
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
        self._ending: Ending | None = None
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
        speaking: tuple[int | None, int | None] | None = None
        for frame in frames:
            if self.finished:
                return
            try:
                event = decode(frame)
            except (ValueError, RecursionError):
                self._undecodable(frame)
                continue
            if event.type == _TEXT and event.delta.__class__ is str:
                place = (event.output_index, event.content_index)
                if say is not None and place == speaking:
                    say(event.delta)
                    continue
                answer.add_text(event, drafts)
                say, speaking = answer.text_sink(event, drafts), place
            else:
                self._other(event, frame, drafts)
                say = None

    def end(self, drafts: Drafts) -> Ending:
        """Say how the answer ended; see `Decoder.end`."""
        if self._ending is None:
            raise self._head.unfinished(self._target, read_words, in_stream)
        return self._ending

    def _other(self, event: Event, frame: bytes, drafts: Drafts) -> None:
        """Take in an event that brings no more text."""
        answer = self._answer
        match event.type:
            case "response.output_item.added":
                answer.begin(event, drafts)
            case "response.refusal.delta":
                answer.refuse(event, drafts)
            case "response.reasoning_summary_text.delta" | "response.reasoning_text.delta":
                answer.think(event, drafts)
            case "response.function_call_arguments.delta":
                answer.argue(event, drafts)
            case "response.output_text.annotation.added":
                answer.cite(event, drafts)
            case "response.output_item.done":
                answer.stop(event, drafts)
            case "response.completed" | "response.incomplete":
                self._finish(event, drafts)
            case kind if kind.startswith(_OWN) and kind != _FAILED:
                # What was said, once more; progress; or what is yet to be invented.
                pass
            case _:
                words = read_words(frame)
                if words is not None:
                    raise in_stream(self._target, words, frame)

    def _finish(self, event: Event, drafts: Drafts) -> None:
        """Take in the end of the answer."""
        try:
            response = decode_response(event.response)
        except (ValueError, RecursionError):
            response = Response()
        # The event's own name is the status that holds.
        response.status = event.type.removeprefix("response.")
        self._ending = _end(self._answer, response, drafts, self._gaps.losses)
        self.finished = self.complete = True

    def _undecodable(self, frame: bytes) -> None:
        """Pass over a frame that is no event, when that may be done."""
        word = frame.strip()
        if word == _DONE:
            raise broken(self._target, "ended without its last event")
        if word:
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
            response: Response | None = decode_response(body)
        except (ValueError, RecursionError):
            response = None
        if response is None or response.error is not None or response.output is None:
            words = read_words(body)
            if words is not None:
                raise in_stream(self._target, words, body)
        if response is None or response.output is None:
            raise broken(self._target, "is no response", body)
        if response.status == "failed":
            raise in_stream(self._target, Words(codes=(response.status,)), body)
        if response.status not in _ENDS:
            raise broken(self._target, "ended without a status that says so", body)
        for index, item in enumerate(response.output):
            self._answer.stop(Event(output_index=index, item=item), drafts)
        return _end(self._answer, response, drafts, ())


def _answer(target: Target, request: chat_pb2.ChatRequest) -> Answer:
    """Return an answer that has not begun."""
    return Answer(target, thoughts=are_wanted(request.reasoning))


def _end(
    answer: Answer, response: Response, drafts: Drafts, losses: tuple[result_pb2.Loss, ...]
) -> Ending:
    """Let an answer end, and say how it did.

    Args:
        answer: all of whose items have come.
        response: as it ended.
        drafts: takes the ends of calls.
        losses: of the way here.
    """
    why = (response.incomplete_details or {}).get("reason")
    raw = why if isinstance(why, str) and why else response.status or ""
    answer.finish(raw, drafts)
    usage = read_usage(response.usage) if response.usage else None
    return answer.ending(usage, (*losses, *removed(response.input_transformations)))
