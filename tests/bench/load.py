"""The load: asks for chats, counts what comes, and reads what the gateway took for it.

Run as `python -m bench.load`; it answers each line on its standard input, one measure of this
module as JSON, with what it measured. It stays the same process from measure to measure, so that
its connections and its caches are warm. An answer that is not whole is an error.
"""

from __future__ import annotations

import asyncio
import gc
import statistics
import time
from array import array
from dataclasses import asdict, dataclass
from typing import Any, Final, TypeAlias

import msgspec
import uvloop

from bench.child import attend, read_cpu_ns, read_rss_bytes
from bench.targets import GatewayTarget, Route, Target, open_target
from bench.vectors import DIMENSIONS, EMBEDDER, TEXTS, make_vector
from trunkline.inference.v1 import embedding_pb2

_REST_SECONDS: Final = 0.002


class WrongAnswer(Exception):
    """A target said less, or more, than the stand-in did."""


class Measure(msgspec.Struct, frozen=True, tag_field="measure"):
    """Something to measure at one target.

    Attributes:
        route: where to.
        pids: the gateway's processes, whose processor time and memory count; empty: none do.
    """

    route: Route
    pids: tuple[int, ...] = ()


class UnaryMeasure(Measure, frozen=True, tag="unary"):
    """`chats` answers in one piece, `concurrency` at a time."""

    chats: int = 2_000
    concurrency: int = 8
    words: int = 32


class BurstMeasure(Measure, frozen=True, tag="burst"):
    """`streams` streams asked for at once, each as fast as it comes."""

    streams: int = 64
    words: int = 256


class PacedMeasure(Measure, frozen=True, tag="paced"):
    """`streams` streams of `words` events each, `rate` a second, all open at once.

    What they cost is measured from `settle_seconds` after the first was asked for, in `windows`
    of `window_seconds` one after the other, in which none begins and none ends.
    """

    streams: int = 1_000
    rate: int = 5
    words: int = 48
    settle_seconds: float = 2.5
    windows: int = 6
    window_seconds: float = 1.0


class EmbedMeasure(Measure, frozen=True, tag="embed"):
    """`calls` embeddings of as many texts each, one after the other."""

    calls: int = 8


class FirstContentMeasure(msgspec.Struct, frozen=True, tag_field="measure", tag="ttft"):
    """The time to the first content of one stream after the other, each route in turn."""

    routes: list[Route]
    times: int = 200
    words: int = 8


class Parting(msgspec.Struct, frozen=True, tag_field="measure", tag="parting"):
    """No measure: close all connections, since their other ends are about to stop."""


Question: TypeAlias = (
    UnaryMeasure | BurstMeasure | PacedMeasure | EmbedMeasure | FirstContentMeasure | Parting
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What a measure took.

    Attributes:
        cpu_ns: processor time of the gateway's processes; 0 when there are none.
        wall_ns: time that passed.
        events: events of the stand-in that arrived, or chats.
        messages: pieces of content they arrived in.
    """

    cpu_ns: int
    wall_ns: int
    events: int
    messages: int


@dataclass(frozen=True, slots=True)
class PacedCost:
    """What paced streams took.

    Attributes:
        windows: what each window took.
        rss_bytes: by how much the gateway's resident memory had grown at the end of the last.
        delay_p99_ms: 99 of 100 events came at most this long after the stand-in had sent them.
    """

    windows: list[Cost]
    rss_bytes: int
    delay_p99_ms: float


@dataclass(frozen=True, slots=True)
class _Meter:
    """Reads how far clocks have come."""

    pids: tuple[int, ...]
    cpu_ns: int
    wall_ns: int

    @classmethod
    def start(cls, pids: tuple[int, ...]) -> _Meter:
        return cls(pids, sum(map(read_cpu_ns, pids)), time.perf_counter_ns())

    def stop(self) -> tuple[int, int]:
        wall_ns = time.perf_counter_ns() - self.wall_ns
        return sum(map(read_cpu_ns, self.pids)) - self.cpu_ns, wall_ns


class Load:
    """Measures, over targets that it keeps open."""

    def __init__(self) -> None:
        self._targets: dict[Route, Target] = {}

    async def answer(self, question: dict[str, Any]) -> dict[str, Any]:
        """Answer one line."""
        measure: Question = msgspec.convert(question, type=Question)
        gc.collect()
        if isinstance(measure, Parting):
            await self.close()
            return {}
        if isinstance(measure, FirstContentMeasure):
            return {"ns": await self._time_first_content(measure)}
        if isinstance(measure, UnaryMeasure):
            return asdict(await self._chat(measure))
        if isinstance(measure, BurstMeasure):
            return asdict(await self._burst(measure))
        if isinstance(measure, EmbedMeasure):
            return asdict(await self._embed(measure))
        return asdict(await self._pace(measure))

    def _target(self, route: Route) -> Target:
        if route not in self._targets:
            self._targets[route] = open_target(route)
        return self._targets[route]

    async def _chat(self, measure: UnaryMeasure) -> Cost:
        target, model = self._target(measure.route), f"unary-{measure.words}"
        each = measure.chats // measure.concurrency

        async def chat() -> None:
            for _ in range(each):
                if await target.chat(model) != measure.words:
                    raise WrongAnswer(model)

        meter = _Meter.start(measure.pids)
        await asyncio.gather(*(chat() for _ in range(measure.concurrency)))
        cpu_ns, wall_ns = meter.stop()
        chats = each * measure.concurrency
        return Cost(cpu_ns=cpu_ns, wall_ns=wall_ns, events=chats, messages=chats)

    async def _burst(self, measure: BurstMeasure) -> Cost:
        target, model = self._target(measure.route), f"burst-{measure.words}"
        received: list[bytes] = []

        async def stream() -> None:
            async for message in target.stream(model):
                received.append(message)

        meter = _Meter.start(measure.pids)
        await asyncio.gather(*(stream() for _ in range(measure.streams)))
        cpu_ns, wall_ns = meter.stop()
        reading = target.read(received)
        if reading.words != measure.words * measure.streams:
            raise WrongAnswer(model)
        return Cost(cpu_ns, wall_ns, reading.words, reading.messages)

    async def _embed(self, measure: EmbedMeasure) -> Cost:
        target = self._target(measure.route)
        assert isinstance(target, GatewayTarget)
        meter = _Meter.start(measure.pids)
        answers = [await target.embed(EMBEDDER, TEXTS) for _ in range(measure.calls)]
        cpu_ns, wall_ns = meter.stop()
        vectors = [make_vector(text, DIMENSIONS) for text in TEXTS]
        for answer in set(map(_read_vectors, answers)):
            if answer != b"".join(vector.tobytes() for vector in vectors):
                raise WrongAnswer(EMBEDDER)
        return Cost(cpu_ns, wall_ns, events=measure.calls, messages=measure.calls)

    async def _pace(self, measure: PacedMeasure) -> PacedCost:
        target, model = self._target(measure.route), f"paced-{measure.rate}-{measure.words}"
        received: list[bytes] = []
        arrived: list[int] = []

        async def stream() -> None:
            async for message in target.stream(model):
                received.append(message)
                arrived.append(time.monotonic_ns())

        resting_bytes = sum(map(read_rss_bytes, measure.pids))
        streams = asyncio.gather(*(stream() for _ in range(measure.streams)))
        due = time.perf_counter() + measure.settle_seconds
        await asyncio.sleep(measure.settle_seconds)
        spans: list[tuple[int, int, int, int]] = []
        for _ in range(measure.windows):
            due += measure.window_seconds
            meter, first = _Meter.start(measure.pids), len(received)
            await asyncio.sleep(due - time.perf_counter())
            spans.append((*meter.stop(), first, len(received)))
        open_bytes = sum(map(read_rss_bytes, measure.pids))
        await streams
        if target.read(received).words != measure.words * measure.streams:
            raise WrongAnswer(model)
        windows = []
        delays: list[int] = []
        for cpu_ns, wall_ns, first, end in spans:
            reading = target.read(received[first:end])
            windows.append(Cost(cpu_ns, wall_ns, reading.words, reading.messages))
            for message, at in zip(received[first:end], arrived[first:end], strict=True):
                delays += [at - sent for sent in target.read_times(message)]
        return PacedCost(
            windows=windows,
            rss_bytes=open_bytes - resting_bytes,
            delay_p99_ms=statistics.quantiles(delays, n=100)[-1] / 1e6,
        )

    async def _time_first_content(self, measure: FirstContentMeasure) -> list[list[int]]:
        targets = [self._target(route) for route in measure.routes]
        model = f"burst-{measure.words}"
        times: list[list[int]] = [[] for _ in targets]
        for turn in range(measure.times):
            for step in range(len(targets)):
                index = (turn + step) % len(targets)
                # Let what the last one left behind come to its end: this is the time at rest.
                await asyncio.sleep(_REST_SECONDS)
                times[index].append(await targets[index].time_first_content(model))
        return times

    async def close(self) -> None:
        """Close all targets. One that is asked again is opened anew."""
        while self._targets:
            _, target = self._targets.popitem()
            await target.close()


def _read_vectors(answer: bytes) -> bytes:
    """Return the numbers of an answer, one vector after the other."""
    read = embedding_pb2.EmbedResponse.FromString(answer)
    return b"".join(array("f", each.values).tobytes() for each in read.embeddings)


async def serve() -> None:
    """Answer until standard input ends."""
    load = Load()
    await attend({"ready": True}, load.answer)
    await load.close()


if __name__ == "__main__":
    uvloop.run(serve())
