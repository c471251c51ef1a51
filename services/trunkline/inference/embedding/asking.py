"""One request for vectors on its way to a provider and back."""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from trunkline.inference.adapters.adapter import Adapter, ProviderFailed, Target
from trunkline.inference.adapters.embedder import Batch, Embedded, Embedder
from trunkline.inference.asking import read_refusal
from trunkline.inference.endings import from_fault
from trunkline.inference.outgoing import Request
from trunkline.inference.transport import NoPlace, Transport, TransportFault

MAX_ANSWER: Final = 64 * 1024 * 1024
"""In bytes: more than a batch comes to, in base64 or as numbers of some 20 digits."""

_OK: Final = 200


class EmbeddingWaits(msgspec.Struct, frozen=True):
    """The longest waits of one request, in seconds.

    Attributes:
        connect: to be connected, TLS included.
        answer: from the request sent to the end of the answer.
    """

    connect: float
    answer: float


class Way(msgspec.Struct, frozen=True):
    """How a candidate is asked.

    Attributes:
        target: where, with the key.
        embedder: of its format: builds and reads.
        adapter: of its format: says what a refusal means.
        waits: the longest ones.
    """

    target: Target
    embedder: Embedder
    adapter: Adapter
    waits: EmbeddingWaits


async def ask(request: Request, way: Way, batch: Batch, transport: Transport) -> Embedded:
    """Send a request for vectors, and read its answer.

    Args:
        request: as the embedder built it.
        way: how the candidate is asked.
        batch: what is asked for.
        transport: sends.

    Raises:
        ProviderFailed: it was refused, nobody answers, or the answer is none.
        NoPlace: all connections to the provider are in use.
    """
    exchange = None
    try:
        exchange = await transport.open(
            request,
            connect_s=way.waits.connect,
            deadline=asyncio.get_running_loop().time() + way.waits.answer,
        )
        if exchange.status != _OK:
            reply = await read_refusal(exchange, way.waits.connect)
            raise ProviderFailed(way.adapter.classify(way.target, reply))
        body = await exchange.read_all(MAX_ANSWER)
    except NoPlace:
        raise
    except TransportFault as fault:
        raise ProviderFailed(from_fault(fault)) from None
    finally:
        if exchange is not None:
            # Of an answer that was not read to its end the socket is closed with it.
            exchange.close()
    return way.embedder.read(way.target, batch, body)
