"""A deployment whose inference is two processes on one journal, each of which can be hurt."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
import sqlite3
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import grpc

from support.chats import ask, failure_of
from support.cuttable_line import CuttableLine
from support.deployment import Deployment, eventually
from support.fleet import FleetStubs
from support.ports import free_ports
from support.process import environment
from support.program import Program
from support.redis import PASSWORD_IN_URL, RedisServer
from trunkline.sandbox.models import list_names
from trunkline.sandbox.sightings import Sighting

HUB = ("credential", "catalog")
_START_LIMIT_S = 40.0
_STOP_LIMIT_S = 30.0


@dataclass
class Process:
    """One `trunkline serve SERVICE…`, always on the same address.

    Attributes:
        services: that it serves.
        env: its variables.
        log: the file that standard error goes to.
        line: between it and Redis; None: its journal is a file.
    """

    services: tuple[str, ...]
    env: dict[str, str] = field(repr=False)
    log: Path
    line: CuttableLine | None = None
    process: Program | None = field(default=None, repr=False)

    @property
    def address(self) -> str:
        """Return where it listens."""
        return self.env["TRUNKLINE_LISTEN"]

    def channel(self) -> grpc.aio.Channel:
        """Return a connection of one's own to it, which comes back soon when it was away."""
        soon = [("grpc.initial_reconnect_backoff_ms", 100), ("grpc.max_reconnect_backoff_ms", 200)]
        alone = [("grpc.use_local_subchannel_pool", 1)]
        return grpc.aio.insecure_channel(self.address, options=[*soon, *alone])

    async def start(self) -> None:
        """Start it, and wait until it serves."""
        with self.log.open("ab") as log:
            self.process = await Program.start(
                ["serve", *self.services, "--json"], environment(self.env), stderr=log
            )
        async with asyncio.timeout(_START_LIMIT_S):
            line = await self.process.stdout.readline()
        assert line, self.log.read_text()[-2000:]
        assert json.loads(line)["address"] == self.address

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        assert self.process is not None
        self.process.send_signal(number)

    async def ended(self) -> int:
        """Wait for its end, and return the exit code."""
        assert self.process is not None
        async with asyncio.timeout(_STOP_LIMIT_S):
            return await self.process.wait()

    async def end(self, number: signal.Signals = signal.SIGTERM) -> None:
        """Send it a signal and wait for its end; one that has ended stays so."""
        if self.process is not None and self.process.returncode is None:
            self.send(number)
            self.send(signal.SIGCONT)
            await self.ended()


class Replicas(Deployment):
    """Two processes of inference, one of health, one of the rest; the sandbox is their provider.

    Args:
        on_redis: the journal lies in a Redis server; else in a file that the two share.
        lease_s: how long an inference that says nothing is taken for alive, in seconds.
        models: to have beside those that the sandbox lists.
        settings: of inference, over the defaults.

    Attributes:
        pair: the processes of inference.
        redis: the server; None: the journal is a file.
        lease_s: as given.
    """

    def __init__(
        self,
        *,
        on_redis: bool,
        lease_s: float = 2.0,
        models: Iterable[str] = (),
        settings: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__(models=models, time_scale=1.0)
        self.redis = RedisServer() if on_redis else None
        self.lease_s = lease_s
        self._inference = {"run_lease_s": lease_s, "retry_budget": 1000, **(settings or {})}
        self._stack = contextlib.ExitStack()
        self._hub: Process
        self.health_process: Process
        self.pair: tuple[Process, Process]

    @property
    def processes(self) -> tuple[Process, ...]:
        """All of them."""
        return (*self.pair, self.health_process, self._hub)

    @property
    def journal_file(self) -> Path:
        """The file of the journal, where it is one."""
        return self.root / "data" / "journal.db"

    async def start(self, *_: str) -> None:
        """Start the processes, and wait until they serve."""
        if self.redis is not None:
            self.redis.start()
            self._stack.callback(self.redis.close)
        ports = free_ports(4)
        self._hub, self.health_process, first, second = (
            self._make(number, port) for number, port in enumerate(ports)
        )
        self.pair = first, second
        await asyncio.gather(*(each.start() for each in self.processes))
        channels = {name: self._hub.channel() for name in HUB}
        channels |= {"health": self.health_process.channel(), "inference": first.channel()}
        self._stubs = FleetStubs(channels)

    @contextlib.contextmanager
    def journal_away(self) -> Iterator[None]:
        """Let the second process not reach its Redis, or nobody write into the file."""
        line = self.pair[1].line
        if line is not None:
            line.cut(stay_down=True)
            try:
                yield
            finally:
                line.mend()
            return
        with contextlib.closing(sqlite3.connect(self.journal_file, isolation_level=None)) as lock:
            lock.execute("BEGIN IMMEDIATE")
            try:
                yield
            finally:
                lock.execute("ROLLBACK")

    @contextlib.asynccontextmanager
    async def channels(self) -> AsyncIterator[tuple[grpc.aio.Channel, grpc.aio.Channel]]:
        """Connect to the first and to the second process of inference."""
        first, second = (each.channel() for each in self.pair)
        try:
            yield first, second
        finally:
            await first.close()
            await second.close()

    async def restore(self) -> None:
        """Have every process alive again, and forget what the sandbox was asked."""
        for each in self.processes:
            assert each.process is not None
            if each.process.returncode is None:
                each.send(signal.SIGCONT)
            else:
                await each.start()
        self.sandbox.seen.clear()

    def asked(self, words: str) -> list[Sighting]:
        """Return what the sandbox was asked with some words in it."""
        return [each for each in self.sandbox.seen if words.encode() in each.raw_body]

    async def connect(self, *args: object, **kwargs: object) -> None:
        """Connect a provider, and wait until both processes can ask it."""
        await super().connect(*args, **kwargs)  # type: ignore[arg-type] # passed on as they are
        last = max([*list_names(), *self._models])
        other = FleetStubs({name: self.pair[1].channel() for name in (*HUB, "health", "inference")})

        async def is_known() -> bool:
            try:
                await other.inference.Chat(ask(f"sandbox/{last}"), metadata=self.admin)
            except grpc.aio.AioRpcError as error:
                return failure_of(error).reason not in ("MODEL_NOT_FOUND", "NO_CREDENTIAL")
            return True

        await eventually(is_known, 10.0)
        await other.close()
        self.sandbox.seen.clear()

    async def stop(self) -> None:
        """Stop the processes; the directories and the sandbox stay."""
        if hasattr(self, "_stubs"):
            await self._stubs.close()
            del self._stubs
        if hasattr(self, "pair"):
            await asyncio.gather(*(each.end(signal.SIGKILL) for each in self.processes))

    async def close(self) -> None:
        """Stop everything, and remove the directories."""
        try:
            await super().close()
        finally:
            self._stack.close()

    def _make(self, number: int, port: int) -> Process:
        """Return one of the processes: the hub, health, and two of inference."""
        env = {
            "TRUNKLINE_DATA_DIR": str(self.root / "data"),
            "TRUNKLINE_CONFIG_DIR": str(self.root / "config"),
            "TRUNKLINE_LISTEN": f"127.0.0.1:{port}",
        }
        if number < 2:
            services = HUB if number == 0 else ("health",)
            return Process(services, env, self.root / f"{services[0]}.log")
        env |= {f"TRUNKLINE_{name.upper()}": str(each) for name, each in self._inference.items()}
        env["TRUNKLINE_WORKER"] = str(number - 2)
        line = None
        if self.redis is not None:
            line = self._stack.enter_context(CuttableLine(f"127.0.0.1:{self.redis.port}"))
            env["TRUNKLINE_JOURNAL_URL"] = f"redis://:{PASSWORD_IN_URL}@{line.address}/0"
        return Process(("inference",), env, self.root / f"inference-{number - 2}.log", line)
