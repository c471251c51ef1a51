"""`trunkline serve inference --workers N`: several processes behind one address.

Each is a program of its own, started afresh: gRPC does not survive a fork. The kernel
spreads connections over them, and any of them can go on with what another one began. One
that dies is started again, but not without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from trunkline.kernel.log import get_logger
from trunkline.kernel.service import StartupError

log = get_logger("trunkline.workers")

MAX_RESTARTS: Final = 5
RESTARTS_IN_S: Final = 60.0
_START_S: Final = 60.0
_STOP_S: Final = 30.0
_PAUSE_S: Final = 0.5


class Workers:
    """Processes that serve inference together.

    Args:
        arguments: of the command line that each of them runs, without `--workers`.
        environment: of each of them.
        listen: the address that they share, `host:port`.
        count: how many.
    """

    def __init__(
        self, arguments: Sequence[str], environment: Mapping[str, str], listen: str, count: int
    ) -> None:
        self._arguments = list(arguments)
        self._environment = dict(environment)
        self._listen = listen
        self._count = count
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._restarts: deque[float] = deque()

    async def run(self, stop: asyncio.Event, tell: Callable[[str], None]) -> None:
        """Run them until told to stop, or until they die too often.

        Args:
            stop: tells them to stop.
            tell: is called with their address once all of them serve.

        Raises:
            StartupError: one of them does not start, or they die too often.
        """
        with self._reserve():
            serving = asyncio.ensure_future(self._serve(tell))
            stopped = asyncio.ensure_future(stop.wait())
            try:
                # Told to stop, none of them waits for one that is being started.
                await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
                if serving.done():
                    await serving
            finally:
                for each in (serving, stopped):
                    each.cancel()
                await asyncio.wait({serving, stopped})
                await self._stop()

    async def _serve(self, tell: Callable[[str], None]) -> None:
        """Start all of them, and start again what dies, until cancelled.

        Raises:
            StartupError: as `run`.
        """
        # The first one makes what all of them use.
        await self._start(0)
        others = map(self._start, range(1, self._count))
        for failed in await asyncio.gather(*others, return_exceptions=True):
            if failed is not None:
                raise failed
        tell(self._listen)
        await self._watch()

    def _reserve(self) -> socket.socket:
        """Take the address for all of them, so that nobody else gets it between two starts.

        Raises:
            StartupError: it is taken.
        """
        host, _, port = self._listen.rpartition(":")
        address = host.strip("[]"), int(port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        reserved = socket.socket(family, socket.SOCK_STREAM)
        try:
            # Whoever shares an address finds it free, though another deployment serves there.
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(address)
            reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            reserved.bind(address)
        except OSError as error:
            reserved.close()
            raise StartupError(
                f"The address {self._listen} cannot be listened on: it is taken, or not this"
                " machine's.",
                "Stop what uses it, or choose another one with --listen or TRUNKLINE_LISTEN.",
            ) from error
        self._listen = f"{host}:{reserved.getsockname()[1]}"
        return reserved

    async def _start(self, number: int) -> None:
        """Start one, and wait until it serves.

        Raises:
            StartupError: it does not.
        """
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trunkline",
            *self._arguments,
            "--listen",
            self._listen,
            "--json",
            # Its end tells them that we are gone, however that came about.
            "--until-stdin-ends",
            env={
                **self._environment,
                "TRUNKLINE_WORKER": str(number),
                "TRUNKLINE_SHARES_PORT": "true",
            },
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            # Ctrl-C is for us alone: told twice, they would not end in order.
            start_new_session=True,
        )
        self._processes[number] = process
        assert process.stdout is not None
        try:
            async with asyncio.timeout(_START_S):
                line = await process.stdout.readline()
        except TimeoutError:
            line = b""
            process.kill()
        if not line:
            await process.wait()
            raise StartupError(
                f"Process {number} of inference did not start.", "It says above what is wrong."
            )

    async def _watch(self) -> None:
        """Start again what dies, until cancelled.

        Raises:
            StartupError: they die too often.
        """
        ends = {
            asyncio.ensure_future(process.wait()): number
            for number, process in self._processes.items()
        }
        try:
            while True:
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for ended in [each for each in ends if each.done()]:
                    number = ends.pop(ended)
                    log.error("worker_died", worker=number, code=ended.result())
                    self._count_restart()
                    await asyncio.sleep(_PAUSE_S)
                    # One that does not start has died again.
                    with contextlib.suppress(StartupError):
                        await self._start(number)
                    ends[asyncio.ensure_future(self._processes[number].wait())] = number
        finally:
            for each in ends:
                each.cancel()

    def _count_restart(self) -> None:
        """Note that one has to be started again.

        Raises:
            StartupError: that was needed too often.
        """
        now = asyncio.get_running_loop().time()
        while self._restarts and now - self._restarts[0] > RESTARTS_IN_S:
            self._restarts.popleft()
        if len(self._restarts) >= MAX_RESTARTS:
            raise StartupError(
                f"Processes of inference died {MAX_RESTARTS} times within a minute.",
                "Their log says why.",
            )
        self._restarts.append(now)

    async def _stop(self) -> None:
        """Tell all of them to stop, and wait until they have."""
        running = [each for each in self._processes.values() if each.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(_STOP_S):
                await asyncio.gather(*(process.wait() for process in running))
        except TimeoutError:
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
