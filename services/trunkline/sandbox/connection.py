"""One client connection: requests in, one answer after the other out.

Receiving never stops while an answer is under way. So a client that leaves is noticed at once, in
the middle of a pause or of a stall as well.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from typing import Final, TypeAlias

from trunkline.sandbox.face import Document, Occasion
from trunkline.sandbox.faults import Refusal
from trunkline.sandbox.outlet import Outlet, reset
from trunkline.sandbox.request import Bounds, Request, RequestReader
from trunkline.sandbox.sightings import Sighting, State

_READ_BYTES: Final = 64 * 2**10

Answer: TypeAlias = Callable[[Request, Sighting, Outlet], Awaitable[None]]
"""Answer one request through an outlet; raises nothing but ConnectionError and TimeoutError."""


class Connection:
    """Serve one connection until either side closes it.

    Args:
        reader: where requests come from.
        writer: where answers go.
        bounds: what the connection may cost.
        answer: answers one request.
        refuse: puts on the wire the refusal of what is no request.
    """

    def __init__(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        *,
        bounds: Bounds,
        answer: Answer,
        refuse: Callable[[Refusal, Occasion], Document],
    ) -> None:
        self._reader = reader
        self._writer = writer
        self._bounds = bounds
        self._answer = answer
        self._refuse = refuse
        self._requests = RequestReader(bounds)
        # One waiting request is all that a client without pipelining ever has.
        self._queue: asyncio.Queue[Request | Refusal] = asyncio.Queue(maxsize=1)
        self._under_way: tuple[Sighting, Outlet] | None = None

    async def serve(self) -> None:
        """Serve until the end, and close the connection."""
        connection = self._writer.get_extra_info("socket")
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        receiving = asyncio.create_task(self._receive())
        answering = asyncio.create_task(self._answer_all())
        try:
            await asyncio.wait((receiving, answering), return_when=asyncio.FIRST_COMPLETED)
            self._note_end(State.CLIENT_CLOSED)
        finally:
            receiving.cancel()
            answering.cancel()
            ends = await asyncio.gather(receiving, answering, return_exceptions=True)
            await self._close()
        for end in ends:
            # A fault of this program, not of the client: the loop's handler shows it.
            if isinstance(end, Exception):
                raise end

    def abort(self) -> None:
        """Close the connection at once; an answer under way counts as cut."""
        self._note_end(State.CUT)
        self._writer.transport.abort()

    async def _receive(self) -> None:
        """Take requests until the client leaves, falls silent, or sends what is no request."""
        while True:
            try:
                async with asyncio.timeout(self._bounds.idle_seconds):
                    data = await self._reader.read(_READ_BYTES)
            except ConnectionError:
                return
            except TimeoutError:
                if self._under_way is None:
                    return
                # A client that waits for its answer has nothing to say.
                continue
            if not data:
                return
            try:
                requests = self._requests.feed(data)
            except Refusal as refusal:
                await self._queue.put(refusal)
                await self._drop_rest()
                return
            if self._requests.take_continue() and self._under_way is None:
                self._writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            for request in requests:
                await self._queue.put(request)

    async def _drop_rest(self) -> None:
        """Read on without keeping anything: closing before would reset the connection."""
        with contextlib.suppress(ConnectionError):
            while await self._reader.read(_READ_BYTES):
                pass

    async def _answer_all(self) -> None:
        """Answer the requests in their order until one ends the connection."""
        goes_on = True
        while goes_on:
            request = await self._queue.get()
            try:
                if isinstance(request, Refusal):
                    await self._answer_refusal(request)
                    return
                goes_on = await self._answer_one(request)
            except ConnectionError:
                self._note_end(State.CLIENT_CLOSED)
                return
            except TimeoutError:
                # The client does not read, so an orderly close would never end either.
                reset(self._writer)
                return
            finally:
                self._note_end(State.CUT)
                self._under_way = None

    async def _answer_one(self, request: Request) -> bool:
        """Answer a request; tell whether the connection stays open."""
        digest = blake2b(f"{request.method} {request.target}\n".encode(), digest_size=12)
        digest.update(request.body)
        outlet = Outlet(
            self._writer,
            request_id=f"req_{digest.hexdigest()}",
            keep_alive=request.keep_alive,
            head_only=request.method == "HEAD",
            write_seconds=self._bounds.write_seconds,
        )
        sighting = Sighting(request.method, request.target, request.headers, request.body)
        self._under_way = sighting, outlet
        await self._answer(request, sighting, outlet)
        return outlet.keep_alive

    async def _answer_refusal(self, refusal: Refusal) -> None:
        """Refuse what is no request, and give the client time to read it."""
        outlet = Outlet(
            self._writer,
            request_id="req_refused",
            keep_alive=False,
            head_only=False,
            write_seconds=self._bounds.write_seconds,
        )
        await outlet.answer(self._refuse(refusal, Occasion(outlet.request_id)))
        self._writer.write_eof()
        await asyncio.sleep(self._bounds.linger_seconds)

    def _note_end(self, otherwise: State) -> None:
        """Note how the answer under way ended, `otherwise` when it was not complete."""
        if self._under_way is not None:
            sighting, outlet = self._under_way
            sighting.end(outlet.state or otherwise)

    async def _close(self) -> None:
        """Close the connection once what was written is sent, or the time for that is over."""
        self._writer.close()
        try:
            async with asyncio.timeout(self._bounds.write_seconds):
                await self._writer.wait_closed()
        except TimeoutError:
            self._writer.transport.abort()
        except OSError:
            # The client reset the connection: it is closed.
            return
