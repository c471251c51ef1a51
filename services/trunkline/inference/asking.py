"""One attempt's way to its provider and back: sent, read and decoded."""

from __future__ import annotations

import asyncio

from trunkline.inference.adapters.adapter import (
    Adapter,
    BuiltChat,
    Ending,
    ProviderFailed,
    Reply,
    Target,
)
from trunkline.inference.attempt import Attempt
from trunkline.inference.endings import from_fault
from trunkline.inference.seam import HELD_S
from trunkline.inference.transport import Exchange, NoPlace, Silent, Transport, TransportFault
from trunkline.inference.v1 import event_pb2
from trunkline.inference.waits import Deadlines

MAX_REFUSAL_BYTES = 64 * 1024


class Asking:
    """The exchange of one attempt.

    `open` first, then `read` until it returns False, then `end`; `close` whatever happens.

    Args:
        attempt: under way.
        adapter: of the provider's format.
        target: where the request goes, with the key.
        transport: sends.
        streams: the provider is asked for a stream.
    """

    def __init__(
        self,
        attempt: Attempt,
        adapter: Adapter,
        target: Target,
        transport: Transport,
        *,
        streams: bool,
    ) -> None:
        request = attempt.continuation.request
        self.attempt = attempt
        self._adapter = adapter
        self._target = target
        self._transport = transport
        self._built: BuiltChat = adapter.build_chat(target, request, stream=streams)
        attempt.losses = self._built.losses
        self._decoder = adapter.decoder(target, request, stream=streams)
        self._exchange: Exchange | None = None
        self._by: Deadlines | None = None
        self._held_by: float | None = None

    async def open(self) -> None:
        """Send the request and wait for the head of its answer.

        Raises:
            ProviderFailed: it was refused, or nobody answers.
            NoPlace: all connections to the provider are in use.
        """
        attempt = self.attempt
        attempt.begin()
        loop = asyncio.get_running_loop()
        sent_at = loop.time()
        self._by = Deadlines(attempt.waits, sent_at)
        try:
            self._exchange = exchange = await self._transport.open(
                self._built.request,
                connect_s=attempt.waits.connect,
                deadline=self._by.next(sent_at, spoken=False, finished=False),
            )
        except NoPlace:
            raise
        except TransportFault as fault:
            raise ProviderFailed(from_fault(fault)) from None
        if exchange.status != 200:
            reply = await read_refusal(exchange, attempt.waits.connect)
            raise ProviderFailed(self._adapter.classify(self._target, reply))

    async def read(self) -> bool:
        """Decode what comes next into the attempt's drafts.

        Returns:
            False: the answer is over, or as good as over.

        Raises:
            ProviderFailed: the stream broke, was silent for too long, or reports an error.
        """
        decoder, exchange, by = self._decoder, self._exchange, self._by
        assert exchange is not None
        assert by is not None
        if decoder.complete:
            return False
        attempt = self.attempt
        deadline = by.next(
            asyncio.get_running_loop().time(),
            spoken=attempt.first_token is not None,
            finished=decoder.finished,
        )
        exchange.deadline = deadline if self._held_by is None else min(deadline, self._held_by)
        try:
            data = await exchange.read()
        except Silent as fault:
            if self._held_by is not None:
                return True  # what is held back was held for long enough
            if decoder.finished:
                return False  # the answer is whole; only its usage did not come
            raise ProviderFailed(from_fault(fault)) from None
        except TransportFault as fault:
            if decoder.finished:
                return False
            raise ProviderFailed(from_fault(fault)) from None
        if not data:
            return False
        decoder.feed(data, attempt.drafts)
        return True

    def take(self, *, last: bool = False) -> list[event_pb2.ChatEvent]:
        """Return what was said since the last time, as far as it may be told already.

        Args:
            last: nothing follows: what is held back is told now.
        """
        attempt = self.attempt
        drafts = attempt.drafts.take()
        if drafts and attempt.first_token is None:
            attempt.first_token = attempt.clock.monotonic()
        seam = attempt.seam
        if seam is None:
            return drafts
        told = seam.join(drafts)
        now = asyncio.get_running_loop().time()
        if last or (self._held_by is not None and now >= self._held_by):
            told += seam.release()
        if not seam.is_holding:
            self._held_by = None
        elif self._held_by is None:
            self._held_by = now + HELD_S
        return told

    def end(self) -> Ending:
        """Say how the answer ended; what the decoder still had is in the drafts then.

        Raises:
            ProviderFailed: it did not come to its terminator.
        """
        ending = self._decoder.end(self.attempt.drafts)
        exchange = self._exchange
        assert exchange is not None
        if self._decoder.complete:
            exchange.finish()
        else:
            exchange.close()
        return ending

    def close(self) -> None:
        """Close the socket, unless the answer was read to its end; again is no error."""
        if self._exchange is not None:
            self._exchange.close()


async def read_refusal(exchange: Exchange, wait_s: float) -> Reply:
    """Read the start of a refusal's body; a body that breaks off says enough.

    Args:
        exchange: whose head has come.
        wait_s: how long the body is waited for.
    """
    exchange.deadline = asyncio.get_running_loop().time() + wait_s
    body = bytearray()
    try:
        while len(body) < MAX_REFUSAL_BYTES:
            data = await exchange.read()
            if not data:
                break
            body += data
    except TransportFault as fault:
        del fault
    return Reply(exchange.status, exchange.headers, bytes(body[:MAX_REFUSAL_BYTES]))
