"""The delivery of one answer: when each part is sent, and where it goes wrong."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from trunkline.sandbox.face import Document, Voice
from trunkline.sandbox.faults import (
    Break,
    BreakFrames,
    BreakOff,
    Drop,
    Ending,
    Fault,
    Page,
    Refuse,
    Silence,
    Trouble,
)
from trunkline.sandbox.frames import split_frames
from trunkline.sandbox.outlet import Outlet
from trunkline.sandbox.speech import Finish, Speech, Utterance

STALL_SECONDS: Final = 600.0
"""Longest silence, before time is scaled; then the connection is closed."""

HANG_UP_SECONDS: Final = 30.0
"""Silence before a connection is closed in the middle of an answer, before time is scaled."""

LATE_SECONDS: Final = 3.0
"""Wait before what follows a finish reason late, before time is scaled."""

_HTML: Final = b"<!doctype html>\n<title>Sign in</title>\n<p>Please sign in to the network.</p>\n"
_HTML_TYPE: Final = "text/html; charset=utf-8"
_JSON_TYPE: Final = "application/json"
_MID_STREAM: Final = Refuse(
    Trouble.SERVER_ERROR, "The server had an error while processing your request."
)


@dataclass(frozen=True, slots=True)
class Pace:
    """Say when the parts of an answer are sent. Times are in seconds, before scaling.

    Args:
        first_seconds: wait before the first part.
        between_seconds: time from one utterance to the next, counted from the first.
        piece_bytes: size of the writes; None for one write for each utterance.
        joined: whether all utterances are sent in one write.
        comments: whether a comment comes before every part, where the face has one.
    """

    first_seconds: float = 0.0
    between_seconds: float = 0.0
    piece_bytes: int | None = None
    joined: bool = False
    comments: bool = False


AT_ONCE: Final = Pace()
"""No waits, one write for each utterance."""


class _BrokenOff(Exception):
    """End a stream that is to have no end."""


class Delivery:
    """Deliver one answer through a voice.

    Args:
        outlet: where it is written.
        voice: how it looks on the wire.
        pace: when its parts are sent.
        fault: how it goes wrong; None when it does not.
        time_scale: factor of every wait.
        announced_scale: factor of a wait that a refusal asks for.
    """

    def __init__(
        self,
        outlet: Outlet,
        voice: Voice,
        *,
        pace: Pace,
        fault: Fault | None,
        time_scale: float,
        announced_scale: float,
    ) -> None:
        self._outlet = outlet
        self._voice = voice
        self._pace = pace
        self._fault = fault
        self._time_scale = time_scale
        self._announced_scale = announced_scale
        self._sent = 0
        """The frames sent; counted only where they tell when to break."""

    async def deliver(self, speech: Iterator[Speech], *, stream: bool) -> None:
        """Send an answer, as a stream or as one document.

        Raises:
            Refusal: the fault is a refusal; nothing was sent.
            ConnectionError: the client is gone.
            TimeoutError: the client does not read.
        """
        match self._fault:
            case Refuse():
                raise self._fault.refusal(self._announced_scale)
            case Drop.CUT:
                await self._outlet.cut()
                return
            case Drop.RESET:
                await self._outlet.reset()
                return
            case Silence.BEFORE_HEAD:
                await self._stall()
                return
            case Page.HTML:
                await self._outlet.answer(Document(200, _HTML_TYPE, _HTML))
                return
            case Page.EMPTY:
                kind = self._voice.stream_type if stream else _JSON_TYPE
                await self._outlet.answer(Document(200, kind, b""))
                return
            case BreakOff() | BreakFrames() | Ending() | Silence.AFTER_HEAD | None:
                pass
            case _:
                assert_never(self._fault)
        if self._pace.piece_bytes is not None:
            self._outlet.split(self._pace.piece_bytes)
        await (self._stream(speech) if stream else self._send_whole(speech))

    async def _stream(self, speech: Iterator[Speech]) -> None:
        await self._outlet.begin(200, self._voice.stream_type)
        if self._fault is Silence.AFTER_HEAD:
            await self._stall()
            return
        await self._pause(self._pace.first_seconds)
        try:
            await self._send(self._voice.open())
            await self._send_end(await self._send_utterances(speech))
        except _BrokenOff:
            return

    async def _send_utterances(self, speech: Iterator[Speech]) -> Finish:
        """Send the content; return what ends it."""
        begun = time.monotonic()
        said = 0
        joined: list[bytes] = []
        for part in speech:
            if isinstance(self._fault, BreakOff):
                await self._break_at(self._fault, said, ends=isinstance(part, Finish))
            if isinstance(part, Finish):
                await self._send(b"".join(joined))
                return part
            if self._pace.joined:
                joined.append(self._voice.say(part))
                continue
            # Counted from the first, so that what a write costs does not add up.
            due = begun + said * self._pace.between_seconds * self._time_scale
            await self._pause_until(due)
            await self._send(self._voice.say(part))
            said += 1
        raise AssertionError("A script ends with what ends it.")

    async def _send(self, data: bytes) -> None:
        """Send a part of the stream, which may have a frame before which it breaks."""
        if data and self._pace.comments and self._voice.comment:
            await self._outlet.send(self._voice.comment)
        if not isinstance(self._fault, BreakFrames):
            await self._outlet.send(data)
            return
        for frame in split_frames(self._voice.stream_type, data):
            await self._break_at(self._fault, self._sent)
            await self._outlet.send(frame)
            self._sent += 1

    async def _send_end(self, finish: Finish) -> None:
        """Send what follows the content; the last part goes out with the end of the body."""
        voice = self._voice
        parts = []
        # A step that is left out is not asked for: a voice may put in the next one what it held.
        if self._fault is not Ending.NO_FINISH:
            parts.append(voice.finish(finish))
        if self._fault is Ending.LATE_USAGE:
            await self._send(parts.pop())
            await self._pause(LATE_SECONDS)
        parts.append(voice.count(finish.usage))
        if self._fault is not Ending.NO_DONE:
            parts.append(voice.close())
        *earlier, last = list(filter(None, parts)) or [b""]
        for part in earlier:
            await self._send(part)
        if isinstance(self._fault, BreakFrames):
            await self._send(last)
            await self._break_at(self._fault, self._sent, ends=True)
            last = b""
        await self._outlet.end(last)

    async def _break_at(self, fault: BreakOff | BreakFrames, sent: int, ends: bool = False) -> None:
        """Break the stream if its place has come.

        Args:
            fault: how, and after how many parts.
            sent: parts that were sent.
            ends: no more will come.

        Raises:
            _BrokenOff: the stream is over.
        """
        twice = fault.how is Break.GARBLE_TWICE
        if sent == fault.after or (ends and sent < fault.after):
            await self._break(fault.how)
        if twice and (sent == fault.after + 1 or (ends and sent <= fault.after)):
            await self._break(fault.how)

    async def _break(self, how: Break) -> None:
        """Break the stream.

        Raises:
            _BrokenOff: it is over.
        """
        match how:
            case Break.GARBLE | Break.GARBLE_TWICE:
                await self._outlet.send(self._voice.garble())
                return
            case Break.CUT:
                await self._outlet.cut()
            case Break.RESET:
                await self._outlet.reset()
            case Break.STALL:
                await self._stall()
            case Break.HANG_UP:
                await self._pause(HANG_UP_SECONDS)
                await self._outlet.cut()
            case Break.END:
                await self._outlet.end()
            case Break.ERROR:
                await self._outlet.end(self._voice.fail(_MID_STREAM.refusal()))
            case _:
                assert_never(how)
        raise _BrokenOff

    async def _send_whole(self, speech: Iterator[Speech]) -> None:
        """Send an answer that is not streamed, after the time that streaming it would take.

        A break that loses the connection, or its life, comes after half of the body.
        """
        utterances: list[Utterance] = []
        finish: Finish | None = None
        for part in speech:
            if isinstance(part, Finish):
                finish = part
            else:
                utterances.append(part)
        gaps = max(0, len(utterances) - 1)
        wait = self._pace.first_seconds + gaps * self._pace.between_seconds
        match self._fault:
            case BreakOff(Break.END, after) | BreakFrames(Break.END, after):
                body = self._voice.whole(utterances[:after], None)
            case BreakOff(Break.ERROR, _) | BreakFrames(Break.ERROR, _):
                raise _MID_STREAM.refusal()
            case Ending.NO_FINISH:
                body = self._voice.whole(utterances, None)
            case _:
                body = self._voice.whole(utterances, finish)
        if self._fault is Ending.LATE_USAGE:
            wait += LATE_SECONDS
        await self._pause(wait)
        await self._send_body(body)

    async def _send_body(self, body: bytes) -> None:
        half = body[: len(body) // 2]
        broken = isinstance(self._fault, BreakOff | BreakFrames) and self._fault.how
        if broken in (Break.GARBLE, Break.GARBLE_TWICE):
            await self._outlet.answer(Document(200, _JSON_TYPE, half))
            return
        await self._outlet.begin(200, _JSON_TYPE, length=len(body))
        if self._fault is Silence.AFTER_HEAD:
            await self._stall()
        elif broken in (Break.CUT, Break.RESET, Break.STALL, Break.HANG_UP):
            await self._outlet.send(half)
            with contextlib.suppress(_BrokenOff):
                await self._break(broken)
        else:
            await self._outlet.end(body)

    async def _stall(self) -> None:
        """Be silent for the longest time, then close the connection."""
        await self._pause(STALL_SECONDS)
        await self._outlet.cut()

    async def _pause(self, seconds: float) -> None:
        if seconds:
            await asyncio.sleep(seconds * self._time_scale)

    async def _pause_until(self, due: float) -> None:
        left = due - time.monotonic()
        if left > 0:
            await asyncio.sleep(left)
