"""What an HTTP client costs in processor time, request by request and event by event.

Compares, against the stand-in: httpx over its own transport, httpx over aiohttp, aiohttp alone, and
the bare client of `bench.direct`, alone and as a transport of httpx. Each transport of httpx is
called as a transport and through `AsyncClient.send`. None has a time limit to keep, each may open
as many connections as it likes, and each only counts the events in the bytes that it is handed.

A burst is measured twice: read as fast as it comes, where every event costs a system call or two,
and by a reader that works 40 µs on every piece it gets, as a gateway does that writes a message of
gRPC, where several events come in one read; the 40 µs are not counted.

Run with `PYTHONPATH=tests python -m bench.transport_bench`.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import statistics
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Final, Protocol

import aiohttp
import httpx
import msgspec
import uvloop
from httpx_aiohttp import AiohttpTransport

from bench.answers import KEY
from bench.child import Child
from bench.direct import DirectClient, Exchange, Origin, compose_request

_UNLIMITED: Final = httpx.Limits(max_connections=None, max_keepalive_connections=None)
_NO_TIMEOUT: Final = httpx.Timeout(None)
_CONCURRENT_CHATS: Final = 8
_BURST_STREAMS: Final = 64
_PACED_STREAMS: Final = 500
_PACED_SETTLE_SECONDS: Final = 2.0
_WORK_SECONDS: Final = 40e-6
_COLUMNS: Final = (
    "µs/chat",
    "µs/event",
    "events/piece",
    "busy: µs/ev.",
    "events/piece",
    "paced: µs/ev.",
)


class Contender(Protocol):
    """A way to send a request and read its reply."""

    def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        """Send a chat request and yield the reply's body as it comes."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...


class _Plain:
    """aiohttp, alone."""

    def __init__(self, origin: Origin) -> None:
        self._url = str(_url(origin))
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout()
        )

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        async with self._session.post(self._url, data=body, headers=_HEADERS) as response:
            async for piece in response.content.iter_any():
                yield piece

    async def close(self) -> None:
        await self._session.close()


class _Bare:
    """The bare client, alone."""

    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self._client = DirectClient()

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        request = compose_request(self._origin, body, KEY)
        exchange = await self._client.exchange(self._origin, request)
        try:
            async for piece in exchange.read():
                yield piece
        finally:
            exchange.close()

    async def close(self) -> None:
        self._client.close()


class _Transport:
    """A transport of httpx, called as such."""

    def __init__(self, transport: httpx.AsyncBaseTransport, origin: Origin) -> None:
        self._transport = transport
        self._url = _url(origin)

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        request = httpx.Request("POST", self._url, headers=_HEADERS, content=body)
        response = await self._transport.handle_async_request(request)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        try:
            async for piece in response.stream:
                yield piece
        finally:
            await response.stream.aclose()

    async def close(self) -> None:
        await self._transport.aclose()


class _Client:
    """A transport of httpx under its AsyncClient."""

    def __init__(self, transport: httpx.AsyncBaseTransport, origin: Origin) -> None:
        self._client = httpx.AsyncClient(transport=transport, timeout=_NO_TIMEOUT, trust_env=False)
        self._url = _url(origin)

    async def post(self, body: bytes) -> AsyncGenerator[bytes, None]:
        request = self._client.build_request("POST", self._url, headers=_HEADERS, content=body)
        response = await self._client.send(request, stream=True)
        try:
            async for piece in response.aiter_raw():
                yield piece
        finally:
            await response.aclose()

    async def close(self) -> None:
        await self._client.aclose()


class _ExchangeStream(httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._exchange.read()

    async def aclose(self) -> None:
        self._exchange.close()


class _BareTransport(httpx.AsyncBaseTransport):
    """The bare client as a transport of httpx."""

    def __init__(self) -> None:
        self._client = DirectClient()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        head = [b"%b %b HTTP/1.1" % (request.method.encode(), url.raw_path)]
        head += [b"%b: %b" % header for header in request.headers.raw]
        exchange = await self._client.exchange(
            (url.host, url.port or 80), b"\r\n".join(head) + b"\r\n\r\n" + request.content
        )
        return httpx.Response(exchange.status, stream=_ExchangeStream(exchange), request=request)

    async def aclose(self) -> None:
        self._client.close()


_HEADERS: Final = {"authorization": f"Bearer {KEY}", "content-type": "application/json"}


def _url(origin: Origin) -> httpx.URL:
    return httpx.URL(f"http://{origin[0]}:{origin[1]}/v1/chat/completions")


def _httpx_default() -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(limits=_UNLIMITED, trust_env=False)


def _httpx_aiohttp() -> httpx.AsyncBaseTransport:
    def open_session() -> aiohttp.ClientSession:
        return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))

    return AiohttpTransport(client=open_session, trust_env=False)


CONTENDERS: Final[dict[str, Callable[[Origin], Contender]]] = {
    "httpx, transport": lambda origin: _Transport(_httpx_default(), origin),
    "httpx, client": lambda origin: _Client(_httpx_default(), origin),
    "httpx-aiohttp, transport": lambda origin: _Transport(_httpx_aiohttp(), origin),
    "httpx-aiohttp, client": lambda origin: _Client(_httpx_aiohttp(), origin),
    "aiohttp": _Plain,
    "bare": _Bare,
    "bare, httpx transport": lambda origin: _Transport(_BareTransport(), origin),
    "bare, httpx client": lambda origin: _Client(_BareTransport(), origin),
}


@dataclass(slots=True)
class _Tally:
    """What came in."""

    events: int = 0
    pieces: int = 0
    work_seconds: float = 0.0


def _compose(model: str, *, stream: bool) -> bytes:
    return msgspec.json.encode(
        {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hello"}]}
    )


async def _drain(contender: Contender, body: bytes, tally: _Tally, work: float = 0.0) -> None:
    async with aclosing(contender.post(body)) as pieces:
        async for piece in pieces:
            tally.events += piece.count(b"\n\n")
            tally.pieces += 1
            if work:
                start = time.thread_time()
                while (worked := time.thread_time() - start) < work:
                    pass
                tally.work_seconds += worked


async def _measure_chats(contender: Contender, requests: int) -> float:
    body = _compose("unary-32", stream=False)
    tally = _Tally()

    async def chat(times: int) -> None:
        for _ in range(times):
            await _drain(contender, body, tally)

    start = time.process_time()
    each = requests // _CONCURRENT_CHATS
    await asyncio.gather(*(chat(each) for _ in range(_CONCURRENT_CHATS)))
    return (time.process_time() - start) / (each * _CONCURRENT_CHATS) * 1e6


async def _measure_burst(contender: Contender, times: int, work: float) -> tuple[float, float]:
    body = _compose("burst-256", stream=True)
    tally = _Tally()
    start = time.process_time()
    for _ in range(times):
        await asyncio.gather(*(_drain(contender, body, tally, work) for _ in range(_BURST_STREAMS)))
    cost = time.process_time() - start - tally.work_seconds
    return cost / tally.events * 1e6, tally.events / tally.pieces


async def _measure_paced(contender: Contender, window_seconds: float) -> float:
    body = _compose("paced-5-48", stream=True)
    tally = _Tally()
    streams = [asyncio.ensure_future(_drain(contender, body, tally)) for _ in range(_PACED_STREAMS)]
    await asyncio.sleep(_PACED_SETTLE_SECONDS)
    start, before = time.process_time(), tally.events
    await asyncio.sleep(window_seconds)
    cost, events = time.process_time() - start, tally.events - before
    for stream in streams:
        stream.cancel()
    await asyncio.wait(streams, timeout=10)
    return cost / max(events, 1) * 1e6


async def _compare(origin: Origin, names: list[str], rounds: int, window_seconds: float) -> None:
    figures: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(rounds):
        for name in names:
            figure = figures[name]
            contender = CONTENDERS[name](origin)
            await _measure_chats(contender, 80)
            gc.collect()
            figure["chat"].append(await _measure_chats(contender, 800))
            await _measure_burst(contender, 1, 0.0)
            for work, kind in ((0.0, "idle"), (_WORK_SECONDS, "busy")):
                gc.collect()
                per_event, per_piece = await _measure_burst(contender, 2, work)
                figure[kind].append(per_event)
                figure[f"{kind}_joined"].append(per_piece)
            if window_seconds:
                gc.collect()
                figure["paced"].append(await _measure_paced(contender, window_seconds))
            with suppress(httpx.HTTPError):
                await contender.close()
    columns = ("chat", "idle", "idle_joined", "busy", "busy_joined", "paced")
    print(f"{f'medians of {rounds}':26}" + "".join(f"{column:>15}" for column in _COLUMNS))
    for name in names:
        medians = [statistics.median(figures[name][key] or [float("nan")]) for key in columns]
        print(f"{name:26}" + "".join(f"{median:15.2f}" for median in medians))


def main() -> None:
    """Compare the transports and print a table of medians."""
    parser = argparse.ArgumentParser(prog="bench.transport_bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--window", type=float, default=3.0, help="seconds of the paced measure")
    parser.add_argument("--only", nargs="*", choices=CONTENDERS, default=list(CONTENDERS))
    options = parser.parse_args()
    first, last = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))
    with Child("bench.standin", cpu=last) as standin:
        os.sched_setaffinity(0, {first})
        host, _, port = standin.greeting["address"].rpartition(":")
        uvloop.run(_compare((host, int(port)), options.only, options.rounds, options.window))


if __name__ == "__main__":
    main()
