"""The delivery of one answer: when each part is sent, and where it goes wrong."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, assert_never

from trunkline.sandbox.face import Document, Voice
from trunkline.sandbox.faults import (
    Break,
    BreakOff,
    Ending,
    Fault,
    Page,
    Refuse,
    Silence,
    Trouble,
)
from trunkline.sandbox.outlet import Outlet
from trunkline.sandbox.speech import Finish, Speech, Utterance

STALL_SECONDS: Final = 600.0
"""Longest silence, before time is scaled; then the connection is closed."""

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
    """

    first_seconds: float = 0.0
    between_seconds: float = 0.0
    piece_bytes: int | None = None
    joined: bool = False


AT_ONCE: Final = Pace()
"""No waits, one write for each utterance."""


class Delivery:
    """Deliver one answer through a voice.

    Args:
        outlet: where it is written.
        voice: how it looks on the wire.
        pace: when its parts are sent.
        fault: how it goes wrong; None when it does not.
        time_scale: factor of every wait.
    """

    def __init__(
        self,
        outlet: Outlet,
        voice: Voice,
        *,
        pace: Pace,
        fault: Fault | None,
        time_scale: float,
    ) -> None:
        self._outlet = outlet
        self._voice = voice
        self._pace = pace
        self._fault = fault
        self._time_scale = time_scale

    async def deliver(self, speech: Iterator[Speech], *, stream: bool) -> None:
        """Send an answer, as a stream or as one document.

        Raises:
            Refusal: the fault is a refusal; nothing was sent.
            ConnectionError: the client is gone.
            TimeoutError: the client does not read.
        """
        match self._fault:
            case Refuse():
                raise self._fault.refusal()
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
            case BreakOff() | Ending() | Silence.AFTER_HEAD | None:
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
        await self._outlet.send(self._voice.open())
        finish = await self._send_utterances(speech)
        if finish is not None:
            await self._send_end(finish)

    async def _send_utterances(self, speech: Iterator[Speech]) -> Finish | None:
        """Send the content; return None when the answer was broken off."""
        broken = self._fault if isinstance(self._fault, BreakOff) else None
        begun = time.monotonic()
        said = 0
        joined: list[bytes] = []
        for part in speech:
            ends = isinstance(part, Finish)
            if broken and (ends or said == broken.after):
                if not await self._break(broken.how):
                    return None
                broken = None
            if isinstance(part, Finish):
                await self._outlet.send(b"".join(joined))
                return part
            if self._pace.joined:
                joined.append(self._voice.say(part))
                continue
            # Counted from the first, so that what a write costs does not add up.
            due = begun + said * self._pace.between_seconds * self._time_scale
            await self._pause_until(due)
            await self._outlet.send(self._voice.say(part))
            said += 1
        return None

    async def _send_end(self, finish: Finish) -> None:
        """Send what follows the content; the last part goes out with the end of the body."""
        voice = self._voice
        parts = []
        # A step that is left out is not asked for: a voice may put in the next one what it held.
        if self._fault is not Ending.NO_FINISH:
            parts.append(voice.finish(finish))
        if self._fault is Ending.LATE_USAGE:
            await self._outlet.send(parts.pop())
            await self._pause(LATE_SECONDS)
        parts.append(voice.count(finish.usage))
        if self._fault is not Ending.NO_DONE:
            parts.append(voice.close())
        *earlier, last = list(filter(None, parts)) or [b""]
        for part in earlier:
            await self._outlet.send(part)
        await self._outlet.end(last)

    async def _break(self, how: Break) -> bool:
        """Break the stream; tell whether it goes on."""
        match how:
            case Break.GARBLE:
                await self._outlet.send(self._voice.garble())
                return True
            case Break.CUT:
                await self._outlet.cut()
            case Break.RESET:
                await self._outlet.reset()
            case Break.STALL:
                await self._stall()
            case Break.END:
                await self._outlet.end()
            case Break.ERROR:
                await self._outlet.end(self._voice.fail(_MID_STREAM.refusal()))
            case _:
                assert_never(how)
        return False

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
            case BreakOff(Break.END, after):
                body = self._voice.whole(utterances[:after], None)
            case BreakOff(Break.ERROR, _):
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
        broken = isinstance(self._fault, BreakOff) and self._fault.how
        if broken is Break.GARBLE:
            await self._outlet.answer(Document(200, _JSON_TYPE, half))
            return
        await self._outlet.begin(200, _JSON_TYPE, length=len(body))
        if self._fault is Silence.AFTER_HEAD:
            await self._stall()
        elif broken in (Break.CUT, Break.RESET, Break.STALL):
            await self._outlet.send(half)
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
