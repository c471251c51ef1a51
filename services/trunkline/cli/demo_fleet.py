"""The processes of the demonstration: a whole deployment, and one more process of inference."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from trunkline.cli.failures import Failure

LEASE_S: Final = 1.0
"""How long a process that says nothing is taken for alive; 5 s unless it is set."""

_START_S: Final = 30.0
_STOP_S: Final = 5.0
_SHOWN_LINES: Final = 5


class Member:
    """One process that serves.

    Args:
        process: itself.
        address: where it serves, `host:port`.
    """

    def __init__(self, process: asyncio.subprocess.Process, address: str) -> None:
        self.address = address
        self._process = process

    @property
    def pid(self) -> int:
        """Return its id."""
        return self._process.pid

    async def kill(self) -> None:
        """End it at once, as a crash would: SIGKILL, which no process can handle."""
        self._process.kill()
        await self._process.wait()


class Fleet:
    """Processes on one directory of data, which end with it.

    Args:
        directory: for data, keys and logs.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._processes: list[asyncio.subprocess.Process] = []

    async def __aenter__(self) -> Self:
        """Return it; nothing runs yet."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End every process, by its own id."""
        await self._stop()

    @property
    def token(self) -> str:
        """Return the admin's token, once all four services run."""
        return (self._directory / "config" / "admin-token").read_text(encoding="ascii").strip()

    async def start_all(self) -> Member:
        """Start the four services in one process.

        Raises:
            Failure: it does not start.
        """
        return await self._start("up", "--no-sandbox")

    async def start_inference(self) -> Member:
        """Start one more process of inference, beside the one that there is.

        Raises:
            Failure: it does not start.
        """
        return await self._start("serve", "inference", worker=1)

    async def _start(self, *arguments: str, worker: int = 0) -> Member:
        """Start a process and wait until it serves."""
        log = self._directory / f"{arguments[0]}.log"
        with log.open("ab") as file:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "trunkline",
                *arguments,
                "--json",
                env={**self._environment(), "TRUNKLINE_WORKER": str(worker)},
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
            )
        self._processes.append(process)
        assert process.stdout is not None
        line = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_S):
                line = await process.stdout.readline()
        if not line:
            raise Failure(
                f"`trunkline {' '.join(arguments)}` did not start.",
                "It says above what is wrong; `trunkline demo --keep` keeps its whole log.",
                reason="STARTUP",
                code="FAILED_PRECONDITION",
                details=tuple(_last_lines(log)),
            )
        return Member(process, str(json.loads(line)["address"]))

    def _environment(self) -> Mapping[str, str]:
        """Return the variables of every process."""
        return {
            **os.environ,
            "TRUNKLINE_DATA_DIR": str(self._directory / "data"),
            "TRUNKLINE_CONFIG_DIR": str(self._directory / "config"),
            "TRUNKLINE_LISTEN": "127.0.0.1:0",
            "TRUNKLINE_OS_KEYRING": "never",
            "TRUNKLINE_RUN_LEASE_S": str(LEASE_S),
            "TRUNKLINE_STOP_GRACE_S": "1",
        }

    async def _stop(self) -> None:
        """Ask all to end, and kill what does not."""
        running = [each for each in self._processes if each.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_STOP_S):
                    await asyncio.gather(*(process.wait() for process in running))
        finally:
            # Also when Ctrl-C comes a second time.
            for process in running:
                with contextlib.suppress(ProcessLookupError):
                    if process.returncode is None:
                        process.kill()
        await asyncio.gather(*(process.wait() for process in running))


def _last_lines(log: Path) -> list[str]:
    """Return the end of a log."""
    return log.read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
