"""`trunkline serve inference --workers N`: several processes behind one address.

Each is a program of its own, started afresh: gRPC does not survive a fork. The kernel
spreads connections over them, and any of them can go on with what another one began. One
that dies is started again, but not without end.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import sys
from collections import deque
from collections.abc import Sequence
from typing import Final

from trunkline.kernel.log import get_logger
from trunkline.kernel.service import StartupError

log = get_logger("trunkline.workers")

MAX_RESTARTS: Final = 5
RESTARTS_IN_S: Final = 60.0
_STOP_S: Final = 30.0
_PAUSE_S: Final = 0.5


class Workers:
    """Processes that serve inference together.

    Args:
        arguments: of the command line that each of them runs, without `--workers`.
        listen: the address that they share, `host:port`.
        count: how many.
    """

    def __init__(self, arguments: Sequence[str], listen: str, count: int) -> None:
        self._arguments = list(arguments)
        self._listen = listen
        self._count = count
        self._reserved: socket.socket | None = None
        self._processes: dict[int, asyncio.subprocess.Process] = {}
        self._restarts: deque[float] = deque()
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> None:
        """Run them until told to stop, or until they die too often.

        Raises:
            StartupError: one of them does not start, or they die too often.
        """
        self._reserve()
        try:
            address = ""
            for number in range(self._count):
                address = await self._start(number)
            sys.stdout.write(f"Trunkline inference is serving on {address}, {self._count} times.\n")
            sys.stdout.flush()
            await self._watch(stop)
        finally:
            await self._stop()
            if self._reserved is not None:
                self._reserved.close()

    def _reserve(self) -> None:
        """Take the address for all of them, so that nobody else gets it between two starts.

        Raises:
            StartupError: it is taken.
        """
        host, _, port = self._listen.rpartition(":")
        host = host.strip("[]")
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._reserved = reserved = socket.socket(family, socket.SOCK_STREAM)
        reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        try:
            reserved.bind((host, int(port)))
        except OSError as error:
            reserved.close()
            raise StartupError(
                f"The address {self._listen} cannot be listened on: it is taken, or not this"
                " machine's.",
                "Stop what uses it, or choose another one with --listen or TRUNKLINE_LISTEN.",
            ) from error
        self._listen = f"{self._listen.rpartition(':')[0]}:{reserved.getsockname()[1]}"

    async def _start(self, number: int) -> str:
        """Start one, and return where it serves.

        Raises:
            StartupError: it does not.
        """
        environment = {
            # Any of them may be asked for what another one began.
            "TRUNKLINE_DEFAULT_DURABILITY": "durable",
            **os.environ,
            "TRUNKLINE_WORKER": str(number),
            "TRUNKLINE_SHARES_PORT": "true",
        }
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "trunkline",
            *self._arguments,
            "--listen",
            self._listen,
            "--json",
            env=environment,
            stdout=asyncio.subprocess.PIPE,
        )
        self._processes[number] = process
        assert process.stdout is not None
        line = await process.stdout.readline()
        if not line:
            await process.wait()
            raise StartupError(
                f"Process {number} of inference did not start.", "It says above what is wrong."
            )
        return str(json.loads(line)["address"])

    async def _watch(self, stop: asyncio.Event) -> None:
        """Start again what dies, until told to stop.

        Raises:
            StartupError: they die too often.
        """
        stopped = asyncio.ensure_future(stop.wait())
        try:
            while not stopped.done():
                waits = {
                    asyncio.ensure_future(process.wait()): number
                    for number, process in self._processes.items()
                }
                await asyncio.wait({stopped, *waits}, return_when=asyncio.FIRST_COMPLETED)
                died = [number for wait, number in waits.items() if wait.done()]
                for wait in waits:
                    wait.cancel()
                if stopped.done():
                    return
                for number in died:
                    await self._restart(number)
        finally:
            stopped.cancel()

    async def _restart(self, number: int) -> None:
        """Start one again that died.

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
        code = self._processes[number].returncode
        log.error("worker_died", worker=number, code=code)
        await asyncio.sleep(_PAUSE_S)
        await self._start(number)

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
