"""What it takes that no chat is lost: fallbacks, durable journals, processes that are killed.

None of it is compared with the bare relay, which has nothing of the kind: a fallback is compared
with the same asked by hand, a durable journal with MEMORY, on gateways that are started for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from bench.answers import OVERLONG
from bench.child import Child, ChildFailed, read_cpu_ns
from bench.figures import CONTINUED, DELAY, FALLBACK, JOURNALLED, Samples, Way
from bench.gateway import Gateway
from bench.killing import measure_kills
from bench.load import FirstContentMeasure, PacedMeasure, Parting
from bench.orders import ask, warm
from bench.plan import Part, Plan
from bench.targets import DirectRoute, Route
from support.redis import RedisServer

_JOURNALS: Final = (Way.MEMORY, Way.SQLITE, Way.REDIS)
# A thousand durable runs take longer to begin than others.
_SETTLE_SECONDS: Final = 5.0
_WORDS: Final = 60
_WINDOWS: Final = 5


class Continuity:
    """Measures the parts of the bench that are about continuity.

    Args:
        plan: how much is measured.
        cpu: the core of the gateways; this process is on the other.
        load: asks for chats.
        direct: the stand-in.
        home: a directory of its own.
        samples: take what is measured.
        say: told about progress.
    """

    def __init__(
        self,
        plan: Plan,
        cpu: int,
        load: Child,
        direct: DirectRoute,
        home: Path,
        samples: Samples,
        say: Callable[[str], None],
    ) -> None:
        self._plan = plan
        self._cpu = cpu
        self._load = load
        self._direct = direct
        self._home = home
        self._samples = samples
        self._say = say

    def measure(self) -> None:
        """Measure what was asked for."""
        parts = self._plan.parts
        if Part.FALLBACK in parts:
            self._say("fallback")
            self._measure_fallbacks()
        if Part.DURABLE in parts:
            for turn in range(self._plan.durable_rounds):
                self._say(f"durable, round {turn + 1} of {self._plan.durable_rounds}")
                self._measure_journals(turn)
        if Part.KILL in parts:
            self._say("kill")
            self._measure_kills()

    def _measure_fallbacks(self) -> None:
        """Compare what a refusal adds on the way through the gateway, and to the same by hand."""
        with self._gateway("fallback") as gateway:
            through = gateway.deployment.route
            warm(self._load, through)
            routes: list[Route] = [
                self._direct,
                msgspec.structs.replace(self._direct, refusing=OVERLONG),
                through,
                msgspec.structs.replace(through, refusing=OVERLONG),
            ]
            ask(self._load, FirstContentMeasure(routes, times=20))
            measure = FirstContentMeasure(routes, times=self._plan.fallback_times)
            times = ask(self._load, measure)["ns"]
            for way, alone, after in ((Way.DIRECT, *times[:2]), (Way.GATEWAY, *times[2:])):
                added = [(late - soon) / 1e3 for soon, late in zip(alone, after, strict=True)]
                self._samples.add(FALLBACK, way, *added)
            ask(self._load, Parting())

    def _measure_journals(self, turn: int) -> None:
        """Measure paced streams with each journal, in changing order."""
        with ExitStack() as stack:
            server = stack.enter_context(_redis())
            gateways = {
                way: stack.enter_context(
                    self._gateway(
                        f"{turn}-{way}",
                        **{"TRUNKLINE_JOURNAL_URL": server.url} if way is Way.REDIS else {},
                    )
                )
                for way in _JOURNALS
            }
            with server.connect() as client:
                redis_pid: int = client.info("server")["process_id"]
            first = turn % len(_JOURNALS)
            for way in _JOURNALS[first:] + _JOURNALS[:first]:
                redis_before = read_cpu_ns(redis_pid)
                self._pace(way, gateways[way])
                if way is Way.REDIS:
                    events = self._plan.durable_streams * _WORDS
                    note = "Redis's own CPU per paced event, begin and end included, µs"
                    took = (read_cpu_ns(redis_pid) - redis_before) / events / 1e3
                    self._samples.notes[note].append(took)
            ask(self._load, Parting())

    def _pace(self, way: Way, gateway: Gateway) -> None:
        """Measure paced streams with one journal."""
        route = msgspec.structs.replace(gateway.deployment.route, durable=way is not Way.MEMORY)
        warm(self._load, route)
        measure = PacedMeasure(
            route,
            gateway.pids,
            streams=self._plan.durable_streams,
            words=_WORDS,
            settle_seconds=_SETTLE_SECONDS,
            windows=_WINDOWS,
        )
        cost = ask(self._load, measure)
        for window in cost["windows"]:
            # One without events has no cost for each; its delays tell of it.
            if window["events"]:
                cpu_us = window["cpu_ns"] / window["events"] / 1e3
                self._samples.add(JOURNALLED, way, cpu_us)
        self._samples.add(DELAY, way, cost["delay_p99_ms"])

    def _measure_kills(self) -> None:
        """Kill processes that carry chats, with each durable journal."""
        with _redis() as server:
            settings = {Way.SQLITE: {}, Way.REDIS: {"TRUNKLINE_JOURNAL_URL": server.url}}
            for way, journal in settings.items():
                place = self._home / f"kill-{way}"
                place.mkdir()
                seconds = measure_kills(
                    place, self._direct.address, journal, self._plan.kills, cpu=self._cpu
                )
                self._samples.add(CONTINUED, way, *seconds)

    @contextmanager
    def _gateway(self, name: str, **settings: str) -> Iterator[Gateway]:
        """Serve with the stand-in as the provider."""
        place = self._home / name
        place.mkdir()
        with Gateway(place, cpu=self._cpu, settings=settings) as gateway:
            gateway.deployment.connect_standin(self._direct.address)
            yield gateway


@contextmanager
def _redis() -> Iterator[RedisServer]:
    """Serve as Redis, on the core of this process.

    Raises:
        ChildFailed: there is none on this machine, or it does not start.
    """
    server = RedisServer()
    try:
        server.start()
        yield server
    except (FileNotFoundError, AssertionError) as error:
        raise ChildFailed(str(error)) from None
    finally:
        server.close()
