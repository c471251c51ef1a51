"""The ground of the bench: it counts what it claims to count. What things cost is not tested."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bench import answers
from bench.child import Child, ChildFailed, make_environment, read_cpu_ns, read_rss_bytes
from bench.decoding import measure_decodings
from bench.direct import compose_request
from bench.figures import DECODINGS
from bench.fleet import Fleet
from bench.load import (
    BurstMeasure,
    EmbedMeasure,
    FirstContentMeasure,
    PacedMeasure,
    Parting,
    Question,
    UnaryMeasure,
)
from bench.standin import Connection, Counters
from bench.targets import DirectRoute, GatewayRoute, Route

if TYPE_CHECKING:
    from typing_extensions import Buffer

_ORIGIN = ("127.0.0.1", 1)


@pytest.fixture(scope="module")
def standin() -> Iterator[Child]:
    """Serve as the provider."""
    with Child("bench.standin") as child:
        yield child


@pytest.fixture(scope="module")
def load() -> Iterator[Child]:
    """Ask for chats."""
    with Child("bench.load") as child:
        yield child


@pytest.fixture(scope="module")
def relay(standin: Child) -> Iterator[Child]:
    """Relay, one message for each event."""
    with Child("bench.relay", standin.greeting["address"]) as child:
        yield child


@pytest.fixture(scope="module")
def joining_relay(standin: Child) -> Iterator[Child]:
    """Relay, one message for each read."""
    with Child("bench.relay", standin.greeting["address"], "--per-read") as child:
        yield child


@pytest.fixture(scope="module")
def fleet(standin: Child) -> Iterator[Fleet]:
    """Serve as four processes, the stand-in their provider."""
    # A unix socket's path is at most some 100 bytes long, which a test's directory may be.
    with (
        tempfile.TemporaryDirectory(prefix="bench-") as home,
        Fleet(Path(home), cpu=None) as four,
    ):
        four.deployment.connect_standin(standin.greeting["address"])
        yield four


def _ask(load: Child, question: Question) -> dict[str, Any]:
    return load.ask(msgspec.to_builtins(question), limit_seconds=20.0)


def _grow(child: Child, before: dict[str, Any]) -> dict[str, int]:
    return {name: value - before[name] for name, value in child.ask().items()}


def test_the_relay_writes_one_message_for_each_event(
    standin: Child, relay: Child, load: Child
) -> None:
    """Every event of a burst is counted once by the stand-in, the relay and the load."""
    at_standin, at_relay = standin.ask(), relay.ask()
    route = GatewayRoute(relay.greeting["address"])
    cost = _ask(load, BurstMeasure(route, (relay.pid,), streams=8, words=32))
    assert (cost["events"], cost["messages"]) == (256, 256)
    assert cost["cpu_ns"] > 0
    assert _grow(standin, at_standin)["events"] == 256
    grown = _grow(relay, at_relay)
    assert grown["events"] == 256
    assert 8 <= grown["reads"] <= 8 * 36


def test_the_joining_relay_writes_at_most_one_message_for_each_read(
    joining_relay: Child, load: Child
) -> None:
    """Its messages are as many as the reads that brought text, and lose no event."""
    before = joining_relay.ask()
    route = GatewayRoute(joining_relay.greeting["address"])
    cost = _ask(load, BurstMeasure(route, streams=8, words=32))
    assert cost["events"] == 256
    grown = _grow(joining_relay, before)
    assert grown["events"] == 256
    assert 8 <= cost["messages"] <= grown["reads"]


def test_unary_chats_are_counted(standin: Child, relay: Child, load: Child) -> None:
    """As many requests reach the stand-in as chats were asked for, and none is a stream."""
    before = standin.ask()
    cost = _ask(load, UnaryMeasure(GatewayRoute(relay.greeting["address"]), chats=16))
    assert cost["events"] == 16
    grown = _grow(standin, before)
    assert (grown["requests"], grown["events"]) == (16, 0)


def test_embeddings_are_counted(standin: Child, relay: Child, load: Child) -> None:
    """As many requests reach the stand-in as were asked for; the vectors are the stand-in's."""
    before = standin.ask()
    route = GatewayRoute(relay.greeting["address"])
    cost = _ask(load, EmbedMeasure(route, (relay.pid,), calls=2))
    assert cost["events"] == 2
    assert cost["cpu_ns"] > 0
    assert _grow(standin, before)["requests"] == 2


def test_four_processes_carry_what_one_does(standin: Child, fleet: Fleet, load: Child) -> None:
    """Unary chats, bursts and first contents go through them, and the time of all four counts."""
    before = standin.ask()
    route, pids = fleet.deployment.route, fleet.pids
    unary = _ask(load, UnaryMeasure(route, pids, chats=16))
    assert unary["events"] == 16
    assert unary["cpu_ns"] > 0
    burst = _ask(load, BurstMeasure(route, pids, streams=8, words=8))
    assert burst["events"] == 64
    routes: list[Route] = [DirectRoute(standin.greeting["address"]), route]
    assert [len(ns) for ns in _ask(load, FirstContentMeasure(routes, times=2))["ns"]] == [2, 2]
    grown = _grow(standin, before)
    assert (grown["requests"], grown["events"]) == (16 + 8 + 4, 64 + 4 * 8)
    assert _ask(load, Parting()) == {}


def test_durable_streams_and_fallbacks_go_through(
    standin: Child, fleet: Fleet, load: Child
) -> None:
    """A durable route brings each event; one with a refusing model asks that one each time."""
    route = msgspec.structs.replace(fleet.deployment.route, durable=True)
    before = standin.ask()
    measure = PacedMeasure(
        route, streams=4, rate=5, words=8, settle_seconds=0.3, windows=1, window_seconds=0.7
    )
    assert _ask(load, measure)["delay_p99_ms"] > 0
    refusing = msgspec.structs.replace(fleet.deployment.route, refusing=answers.OVERLONG)
    direct = DirectRoute(standin.greeting["address"], refusing=answers.OVERLONG)
    times = _ask(load, FirstContentMeasure([direct, refusing], times=3))["ns"]
    assert [len(each) for each in times] == [3, 3]
    grown = _grow(standin, before)
    assert (grown["events"], grown["refusals"]) == (4 * 8 + 6 * 8, 6)
    assert _ask(load, Parting()) == {}


def test_four_processes_are_four(fleet: Fleet) -> None:
    """Each of the processes whose time counts runs one service."""
    commands = [Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0") for pid in fleet.pids]
    served = [command[command.index(b"serve") + 1] for command in commands]
    assert sorted(served) == [b"catalog", b"credential", b"health", b"inference"]


def test_the_time_of_all_processes_is_added(standin: Child, relay: Child, load: Child) -> None:
    """A process that works counts, wherever it stands among those that count."""
    route = DirectRoute(standin.greeting["address"])
    measure = UnaryMeasure(route, (relay.pid, standin.pid), chats=64)
    assert _ask(load, measure)["cpu_ns"] > _ask(load, UnaryMeasure(route, chats=8))["cpu_ns"] == 0


def test_every_format_is_decoded_beside_the_least() -> None:
    """Each gives as many samples as were asked for, of the decoder and of the least."""
    decodings = measure_decodings(samples=2, frames=400)
    assert decodings.keys() == DECODINGS.keys()
    for decoding in decodings.values():
        assert len(decoding.adapter_us) == len(decoding.bare_us) == 2
        assert min(*decoding.adapter_us, *decoding.bare_us) > 0
        assert 50 < decoding.frame_bytes < 500


def test_paced_windows_hold_the_events_of_their_time(relay: Child, load: Child) -> None:
    """10 streams of 60 events, 20 a second, bring some in each window, and all in the end."""
    before = relay.ask()
    measure = PacedMeasure(
        GatewayRoute(relay.greeting["address"]),
        (relay.pid,),
        streams=10,
        rate=20,
        words=60,
        settle_seconds=0.4,
        windows=2,
        window_seconds=0.5,
    )
    cost = _ask(load, measure)
    assert len(cost["windows"]) == 2
    assert all(0 < window["events"] < 600 for window in cost["windows"])
    assert cost["delay_p99_ms"] > 0
    assert _grow(relay, before)["events"] == 600


def test_the_first_content_is_timed_on_every_route(
    standin: Child, relay: Child, load: Child
) -> None:
    """Each route gives as many times as streams were asked for."""
    routes: list[Route] = [
        DirectRoute(standin.greeting["address"]),
        GatewayRoute(relay.greeting["address"]),
    ]
    measured = _ask(load, FirstContentMeasure(routes, times=5))["ns"]
    assert [len(times) for times in measured] == [5, 5]
    assert all(time > 0 for times in measured for time in times)


def test_the_direct_route_counts_every_event(standin: Child, load: Child) -> None:
    """Events are counted whole, wherever reads of the socket cut them."""
    cost = _ask(load, BurstMeasure(DirectRoute(standin.greeting["address"]), streams=8))
    assert cost["events"] == 8 * 256


def test_a_load_that_parted_connects_anew(relay: Child, load: Child) -> None:
    """After it closed its connections the same route still works."""
    measure = UnaryMeasure(GatewayRoute(relay.greeting["address"]), chats=8)
    _ask(load, measure)
    assert _ask(load, Parting()) == {}
    assert _ask(load, measure)["events"] == 8


def test_an_answer_that_is_not_whole_is_an_error(standin: Child, load: Child) -> None:
    """A model that the stand-in does not have gives no figure."""
    route = DirectRoute(standin.greeting["address"])
    with pytest.raises(ChildFailed, match="WrongAnswer"):
        _ask(load, BurstMeasure(route, streams=1, words=answers.MAX_COUNT + 1))


class _RecordingSocket(socket.socket):
    """Keeps what each call of `send` was given."""

    sent: list[bytes]

    def send(self, data: Buffer, flags: int = 0, /) -> int:
        """Send, and keep it."""
        self.sent.append(bytes(data))
        return super().send(data, flags)


@pytest.mark.parametrize(
    ("model", "events"), [("burst-256", 256), ("unary-32", 32), ("paced-500-5", 5)]
)
async def test_each_event_leaves_by_a_call_of_its_own(model: str, events: int) -> None:
    """No call of `send` has two events: head, content, finish reason, usage and end are apart."""
    ours, theirs = socket.socketpair()
    recording = _RecordingSocket(fileno=theirs.detach())
    recording.sent = []
    recording.setblocking(False)
    ours.setblocking(False)
    Connection(recording, Counters())
    body = json.dumps({"model": model, "stream": True}).encode()
    loop = asyncio.get_running_loop()
    with ours:
        await loop.sock_sendall(ours, compose_request(_ORIGIN, body, answers.KEY))
        received = b""
        while not received.endswith(b"0\r\n\r\n"):
            data = await asyncio.wait_for(loop.sock_recv(ours, 65_536), 10)
            assert data
            received += data
    assert len(recording.sent) == 1 + events + 3
    assert all(piece.count(b"data: ") == 1 for piece in recording.sent[1:])
    # It closes when it reads that the other side has closed.
    async with asyncio.timeout(10):
        while recording.fileno() >= 0:
            await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("path", "key", "body", "status"),
    [
        ("/v1/chat/completions", "another key", {"model": "unary-32"}, 401),
        ("/v1/chat/completions", answers.KEY, {"model": "nobody"}, 404),
        ("/v1/chat/completions", answers.KEY, {"model": answers.OVERLONG}, 400),
        ("/v1/chat/completions", answers.KEY, {}, 400),
        ("/v1/models", "another key", {}, 401),
        ("/v1/models", answers.KEY, {}, 200),
        ("/elsewhere", answers.KEY, {}, 404),
    ],
)
def test_the_standin_refuses_as_providers_do(
    standin: Child, path: str, key: str, body: dict[str, str], status: int
) -> None:
    """Its key, its models and its paths are what it says, and nothing else."""
    host, _, port = standin.greeting["address"].rpartition(":")
    origin = (host, int(port))
    request = compose_request(origin, json.dumps(body).encode(), key)
    with socket.create_connection(origin, timeout=10) as sock:
        sock.sendall(request.replace(b"/v1/chat/completions", path.encode(), 1))
        assert sock.recv(65_536).split()[1] == str(status).encode()


def test_a_connection_can_be_used_again_at_once(standin: Child) -> None:
    """Who asks again the moment the last answer ended is answered, and over one connection."""
    host, _, port = standin.greeting["address"].rpartition(":")
    origin = (host, int(port))
    body = json.dumps({"model": "burst-2", "stream": True}).encode()
    request = compose_request(origin, body, answers.KEY)
    with socket.create_connection(origin, timeout=10) as sock:
        for _ in range(300):
            sock.sendall(request)
            received = b""
            while not received.endswith(b"0\r\n\r\n"):
                data = sock.recv(65_536)
                assert data, "cut off"
                received += data


def test_clocks_of_a_process_grow_with_its_work(standin: Child) -> None:
    """Processor time is read for another process and only grows; memory is more than nothing."""
    before = read_cpu_ns(standin.pid)
    standin.ask()
    assert read_cpu_ns(standin.pid) > before
    assert read_rss_bytes(standin.pid) > 1_000_000


def test_a_child_that_is_left_alone_ends() -> None:
    """A child ends by itself when its parent's end of the pipe is gone."""
    parent, child = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.standin"],
        stdin=parent,
        stdout=subprocess.PIPE,
        env=make_environment(),
    )
    with process:
        os.close(parent)
        assert process.stdout is not None
        assert process.stdout.readline()
        os.close(child)
        assert process.wait(10) == 0


def test_an_interrupted_bench_leaves_no_process() -> None:
    """Ctrl-C ends the bench with 130, and with it every process that it started."""
    bench = subprocess.Popen(
        [sys.executable, "-m", "bench", "--without-gateway", "--quick"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env=make_environment(),
    )
    with bench:
        assert bench.stderr is not None
        assert b"relay" in bench.stderr.readline()
        children = _read_children(bench.pid)
        assert len(children) >= 2
        bench.send_signal(signal.SIGINT)
        assert bench.wait(20) == 130
    for pid in children:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def _read_children(pid: int) -> list[int]:
    """Return the processes that one has started and not reaped (proc(5))."""
    listed = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in listed.split()]
