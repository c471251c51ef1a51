"""The measuring: starts the processes, runs the ways in turn, and judges the figures.

The gateway under test has a core of its own, which its processes share where there are four; the
load and the stand-in share another. In every round the ways are measured beside each other, by
turns and in changing order, in processes that were started for the round: so what else the machine
does hits all of them, and memory is measured before anything else has grown. Medians over the
rounds are compared.
"""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.child import Answer, Child, pinned
from bench.closing import measure_closings
from bench.continuity import Continuity
from bench.decoding import measure_decodings
from bench.figures import (
    BURST,
    CANCELLED,
    DECODINGS,
    DESERTED,
    EMBED,
    FIGURES,
    FIRST_CONTENT,
    MEMORY,
    PACED,
    SERVING_AGAIN,
    SERVING_FRESH,
    UNARY,
    Samples,
    Verdict,
    Way,
)
from bench.fleet import Fleet
from bench.gateway import Gateway
from bench.load import (
    BurstMeasure,
    EmbedMeasure,
    FirstContentMeasure,
    PacedMeasure,
    Parting,
    UnaryMeasure,
)
from bench.orders import ask, warm
from bench.plan import Part, Plan
from bench.targets import DirectRoute, GatewayRoute, Route

# A busy moment is no slow machine.
_CHECKS: Final = 3


class BenchStopped(Exception):
    """The bench cannot say anything about the gateway; the text says why."""


@dataclass(frozen=True, slots=True)
class Cores:
    """Which core does what."""

    gateway: int
    load: int

    @classmethod
    def choose(cls) -> Cores:
        """Take the first and the last core that this process may use.

        Raises:
            BenchStopped: there is only one.
        """
        cores = sorted(os.sched_getaffinity(0))
        if len(cores) < 2:
            raise BenchStopped("The bench needs two cores: one for the gateway, one for the load.")
        return cls(gateway=cores[0], load=cores[-1])


@dataclass(frozen=True, slots=True)
class _Contender:
    """A gateway under test, as the load sees it.

    Attributes:
        way: which of the ways it is.
        route: how the load reaches it.
        pids: its processes.
        count: reads its counters; None when it has none.
    """

    way: Way
    route: GatewayRoute
    pids: tuple[int, ...]
    count: Callable[[], Answer] | None


class Bench:
    """One run of the bench.

    Args:
        plan: how much is measured.
        say: told about progress, line by line.
    """

    def __init__(self, plan: Plan, say: Callable[[str], None]) -> None:
        self._plan = plan
        self._say = say
        self._cores = Cores.choose()
        self.samples = Samples()

    def run(self) -> list[Verdict]:
        """Measure, and return a verdict for each figure that was asked for.

        Raises:
            BenchStopped: the bare relay is slower than it must be, or the machine is too small.
            ChildFailed: a process of the bench failed.
        """
        if self._plan.deployed:
            self._measure_deployments()
        if Part.DECODING in self._plan.parts:
            self._measure_decodings()
        return [
            self.samples.judge(figure, bound)
            for figure in FIGURES
            for bound in figure.bounds
            if self._plan.holds(figure, bound)
        ]

    def _measure_deployments(self) -> None:
        """Measure all that takes processes."""
        _allow_open_files()
        with ExitStack() as stack:
            # Out of the gateway's way: this process looks at files while the gateway starts.
            stack.enter_context(pinned(self._cores.load))
            home = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
            standin = stack.enter_context(Child("bench.standin", cpu=self._cores.load))
            load = stack.enter_context(Child("bench.load", cpu=self._cores.load))
            direct = DirectRoute(standin.greeting["address"])
            if self._plan.relayed:
                self._measure_beside_relay(load, direct, home)
            if self._plan.gateway:
                core = self._cores.gateway
                Continuity(self._plan, core, load, direct, home, self.samples, self._say).measure()

    def _measure_beside_relay(self, load: Child, direct: DirectRoute, home: Path) -> None:
        """Measure all that is compared with the bare relay, round by round."""
        self._check_relay(load, direct)
        for turn in range(self._plan.rounds):
            self._say(f"round {turn + 1} of {self._plan.rounds}")
            with (
                self._contenders(turn, direct, home) as contenders,
                self._connections(load),
            ):
                self._measure(load, direct, contenders, turn)
        if Part.BURST in self._plan.parts:
            self._measure_joining_relay(load, direct)

    def _check_relay(self, load: Child, direct: DirectRoute) -> None:
        """Stop before anything is measured when the bare relay is not what it must be."""
        self._say("the bare relay alone")
        failure = None
        with self._relay(direct) as relay, self._connections(load):
            warm(load, relay.route)
            for _ in range(_CHECKS):
                trial = Samples()
                for _ in range(self._plan.samples):
                    self._sample_burst(load, relay, trial)
                    self._sample_unary(load, relay, trial)
                failure = trial.find_slow_relay()
                if failure is None:
                    return
        raise BenchStopped(f"{failure} This machine is too slow, or too busy with other things.")

    @contextmanager
    def _relay(self, direct: DirectRoute, *arguments: str) -> Iterator[_Contender]:
        core = self._cores.gateway
        with Child("bench.relay", direct.address, *arguments, cpu=core) as child:
            route = GatewayRoute(child.greeting["address"])
            yield _Contender(Way.RELAY, route, (child.pid,), child.ask)

    @contextmanager
    def _contenders(self, turn: int, direct: DirectRoute, home: Path) -> Iterator[list[_Contender]]:
        with ExitStack() as stack:
            contenders = [stack.enter_context(self._relay(direct))]
            if self._plan.gateway:
                place = home / f"{turn}-one"
                place.mkdir()
                with Gateway(place, cpu=self._cores.gateway) as fresh:
                    self.samples.add(SERVING_FRESH, Way.GATEWAY, fresh.serving_seconds)
                    fresh.deployment.connect_standin(direct.address)
                again = stack.enter_context(Gateway(place, cpu=self._cores.gateway))
                self.samples.add(SERVING_AGAIN, Way.GATEWAY, again.serving_seconds)
                again.deployment.wait_for_chat()
                route = again.deployment.route
                contenders.append(_Contender(Way.GATEWAY, route, again.pids, None))
            if self._plan.fleet:
                place = home / f"{turn}-four"
                place.mkdir()
                fleet = stack.enter_context(Fleet(place, cpu=self._cores.gateway))
                fleet.deployment.connect_standin(direct.address)
                route = fleet.deployment.route
                contenders.append(_Contender(Way.FLEET, route, fleet.pids, None))
            first = turn % len(contenders)
            yield contenders[first:] + contenders[:first]

    @contextmanager
    def _connections(self, load: Child) -> Iterator[None]:
        """Have the load close its connections before what it is connected to stops."""
        yield
        ask(load, Parting())

    def _measure(
        self, load: Child, direct: DirectRoute, contenders: list[_Contender], turn: int
    ) -> None:
        parts = self._plan.parts
        for contender in contenders:
            warm(load, contender.route)
        if Part.PACED in parts and turn < self._plan.paced_rounds:
            for contender in contenders:
                self._measure_paced(load, contender)
        for _ in range(self._plan.samples):
            if Part.BURST in parts:
                for contender in contenders:
                    self._sample_burst(load, contender, self.samples)
            if Part.UNARY in parts:
                for contender in contenders:
                    self._sample_unary(load, contender, self.samples)
            if Part.EMBED in parts:
                for contender in contenders:
                    self._sample_embed(load, contender)
        if Part.TTFT in parts:
            self._time_first_content(load, direct, contenders)
        if Part.CLOSING in parts:
            for contender in contenders:
                if contender.way is Way.GATEWAY:
                    closings = measure_closings(contender.route, self._plan.closings)
                    self.samples.add(CANCELLED, Way.GATEWAY, *closings.cancelled)
                    self.samples.add(DESERTED, Way.GATEWAY, *closings.deserted)

    def _sample_unary(self, load: Child, contender: _Contender, samples: Samples) -> None:
        measure = UnaryMeasure(contender.route, contender.pids, chats=self._plan.unary_chats)
        cost = ask(load, measure)
        samples.add(UNARY, contender.way, cost["cpu_ns"] / cost["events"] / 1e3)

    def _sample_embed(self, load: Child, contender: _Contender) -> None:
        # The first one warms the way.
        ask(load, EmbedMeasure(contender.route, calls=1))
        measure = EmbedMeasure(contender.route, contender.pids, calls=self._plan.embeddings)
        cost = ask(load, measure)
        self.samples.add(EMBED, contender.way, cost["cpu_ns"] / cost["events"] / 1e6)

    def _sample_burst(self, load: Child, contender: _Contender, samples: Samples) -> None:
        # The connections of 64 streams, opened before what they cost is counted.
        ask(load, BurstMeasure(contender.route, words=8))
        before = contender.count() if contender.count is not None else None
        cost = ask(load, BurstMeasure(contender.route, contender.pids))
        way, notes = contender.way, samples.notes
        samples.add(BURST, way, cost["cpu_ns"] / cost["events"] / 1e3)
        if before is not None and contender.count is not None:
            reads = contender.count()["reads"] - before["reads"]
            notes[f"({way}) burst events per upstream read"].append(cost["events"] / reads)
        notes[f"({way}) burst events per message"].append(cost["events"] / cost["messages"])
        busy = cost["cpu_ns"] / cost["wall_ns"]
        notes[f"({way}) burst, share of its core taken"].append(busy)

    def _measure_paced(self, load: Child, contender: _Contender) -> None:
        measure = PacedMeasure(
            contender.route,
            contender.pids,
            words=self._plan.paced_words,
            windows=self._plan.paced_windows,
        )
        cost = ask(load, measure)
        samples, way = self.samples, contender.way
        for window in cost["windows"]:
            samples.add(PACED, way, window["cpu_ns"] / window["events"] / 1e3)
        samples.add(MEMORY, way, cost["rss_bytes"] / measure.streams / 1024)
        samples.notes[f"({way}) paced, 99 of 100 events later by less than, ms"].append(
            cost["delay_p99_ms"]
        )

    def _time_first_content(
        self, load: Child, direct: DirectRoute, contenders: list[_Contender]
    ) -> None:
        ways = [Way.DIRECT, *(contender.way for contender in contenders)]
        routes: list[Route] = [direct, *(contender.route for contender in contenders)]
        answer = ask(load, FirstContentMeasure(routes, times=self._plan.ttft_times))
        for way, times in zip(ways, answer["ns"], strict=True):
            self.samples.add(FIRST_CONTENT, way, *(time / 1e3 for time in times))

    def _measure_joining_relay(self, load: Child, direct: DirectRoute) -> None:
        """Measure, for information, the relay that writes one message for each read."""
        self._say("the bare relay, one message for each read")
        joined = Samples()
        with self._relay(direct, "--per-read") as relay, self._connections(load):
            warm(load, relay.route)
            for _ in range(self._plan.samples):
                self._sample_burst(load, relay, joined)
        self.samples.notes["(b) one message per read: burst, ms per 1,000"] = joined.values(
            BURST, Way.RELAY
        )
        per_read = joined.notes["(b) burst events per upstream read"]
        self.samples.notes["(b) one message per read: events per upstream read"] = per_read

    def _measure_decodings(self) -> None:
        """Measure the decoders, in this process and with no other at work."""
        self._say("decoding")
        with pinned(self._cores.gateway):
            decodings = measure_decodings(self._plan.decodings)
        for name, figure in DECODINGS.items():
            decoding = decodings[name]
            self.samples.add(figure, Way.ADAPTER, *decoding.adapter_us)
            self.samples.add(figure, Way.BARE, *decoding.bare_us)
            self.samples.notes[f"{figure.title}, ms per MiB"] = [
                frame_us * 2**20 / decoding.frame_bytes / 1e3 for frame_us in decoding.adapter_us
            ]


def _allow_open_files() -> None:
    """Raise the limit of open files as far as it goes: 1,000 streams are 1,000 sockets upstream."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
