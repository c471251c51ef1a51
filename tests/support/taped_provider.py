"""The sandbox without sockets: every answer is spoken onto a tape, and read back from it.

It stands where the transport stands. What goes over the wire is the sandbox's own, byte for byte,
and each read gives what one write was; a stall is a wait that is over at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import httpx

from support.heard import Heard, hear
from trunkline.inference.outgoing import Request as TransportRequest
from trunkline.inference.transport import (
    Broken,
    BrokenReason,
    Silent,
    TransportFault,
    Unreachable,
    UnreachableReason,
)
from trunkline.sandbox.delivery import Delivery
from trunkline.sandbox.face import Occasion
from trunkline.sandbox.faces.all import FACES
from trunkline.sandbox.faults import (
    Break,
    BreakFrames,
    BreakOff,
    Fault,
    Refusal,
    Silence,
    Trouble,
)
from trunkline.sandbox.outlet import Outlet
from trunkline.sandbox.request import Request
from trunkline.sandbox.scripts import perform
from trunkline.sandbox.sightings import State

ORIGIN: Final = "http://127.0.0.1:1"

ADDRESSES: Final = {face.name: ORIGIN + face.base_path for face in FACES}
"""The base address of each face by its format's name."""


class Tape(Outlet):
    """What one response is written to.

    Attributes:
        status: of HTTP; 0: not even a head was written.
        headers: of the head.
        writes: of the body, in order.
        fault: how reading it ends; None: in order.
    """

    def __init__(self) -> None:
        self.request_id = "req_taped"
        self.keep_alive = True
        self._head_only = False
        self.state: State | None = None
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.writes: list[bytes] = []
        self.fault: TransportFault | None = None

    def split(self, piece_bytes: int) -> None:
        """Take any writes."""

    async def begin(
        self,
        status: int,
        content_type: str,
        *,
        length: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
    ) -> None:
        """Take the head."""
        self.status = status
        self.headers = [("content-type", content_type), *headers]

    async def send(self, data: bytes) -> None:
        """Take a part of the body."""
        if data:
            self.writes.append(data)

    async def end(self, data: bytes = b"") -> None:
        """Take the last part of the body."""
        await self.send(data)
        self.state = State.ANSWERED

    async def cut(self) -> None:
        """End the connection in order, and not the body."""
        self._lose(BrokenReason.CUT)

    async def reset(self) -> None:
        """Reset the connection."""
        self._lose(BrokenReason.RESET)

    def _lose(self, reason: BrokenReason) -> None:
        self.state = State.CUT
        headed = self.status != 0
        self.fault = Broken(reason) if headed else Unreachable(UnreachableReason.RESET)


class TapedExchange:
    """One reply, read from its tape.

    Attributes:
        deadline: is moved by who reads; nothing here takes any time.
        closed: who reads has parted from it.
    """

    def __init__(self, tape: Tape, deadline: float) -> None:
        self._writes = list(tape.writes)
        self._fault = tape.fault
        self.status = tape.status
        self.headers = httpx.Headers(tape.headers)
        self.deadline = deadline
        self.closed = False

    async def read(self) -> bytes:
        """Return the next write; none at the end of the body.

        Raises:
            TransportFault: the tape ends so.
        """
        if self._writes:
            return self._writes.pop(0)
        if self._fault is not None:
            raise self._fault
        return b""

    def close(self) -> None:
        """Part from it."""
        self.closed = True

    def finish(self) -> None:
        """Part from it."""
        self.closed = True


class TapedProvider:
    """Answers as the sandbox does.

    Attributes:
        heard: the requests that came, in order.
        tapes: what was said to each of them.
        exchanges: the replies to them that have a head, in order.
    """

    def __init__(self) -> None:
        self.heard: list[Heard] = []
        self.tapes: list[Tape] = []
        self.exchanges: list[TapedExchange] = []

    async def open(
        self, request: TransportRequest, *, connect_s: float, deadline: float
    ) -> TapedExchange:
        """Answer a request.

        Raises:
            TransportFault: the answer has no head.
        """
        target = request.place.path.decode()
        fields = tuple((name.lower(), value) for name, value in request.headers.items())
        heard = hear(Request(request.method, target, fields, request.content, True))
        tape = await _speak(heard)
        self.heard.append(heard)
        self.tapes.append(tape)
        if not tape.status:
            assert tape.fault is not None
            raise tape.fault
        exchange = TapedExchange(tape, deadline)
        self.exchanges.append(exchange)
        return exchange


async def _speak(heard: Heard) -> Tape:
    """Return the tape of an answer."""
    tape = Tape()
    prompt, behaviour, face = heard.prompt, heard.behaviour, heard.face
    occasion = Occasion(tape.request_id, heard.route, heard.model)
    try:
        if behaviour.refuses_prefill and prompt.history.prefill is not None:
            raise Refusal(Trouble.INVALID_REQUEST, "It ends with an assistant's message.")
        delivery = Delivery(
            tape,
            face.voice(prompt, occasion),
            pace=behaviour.pace,
            fault=behaviour.fault,
            time_scale=0.0,
            announced_scale=0.0,
        )
        await delivery.deliver(perform(behaviour.script, prompt), stream=prompt.stream)
    except Refusal as refusal:
        await tape.answer(face.refuse(refusal, occasion))
    if _stalls(behaviour.fault):
        # What the sandbox does in the end, when it was silent for ten minutes, nobody waits for.
        tape.fault = Silent(head_received=tape.status != 0)
    return tape


def _stalls(fault: Fault | None) -> bool:
    """Tell whether a fault is silence."""
    match fault:
        case BreakOff(Break.STALL, _) | BreakFrames(Break.STALL, _) | Silence():
            return True
        case _:
            return False
