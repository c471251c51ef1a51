"""`trunkline up` as a real process, for tests that see it as a newcomer does."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from support.program import Program, run_to_end

_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 30.0


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return an environment without settings of the machine's user."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")}
    return {**clean, "TRUNKLINE_OS_KEYRING": "never", **(extra or {})}


@dataclass(frozen=True)
class Done:
    """A command line that has ended.

    Attributes:
        code: its exit code.
        out, err: what it printed.
    """

    code: int
    out: str
    err: str


async def run(
    *arguments: str,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    limit: float = _START_LIMIT_S,
) -> Done:
    """Run the command line to its end, at most `limit` seconds."""
    code, out, err = await asyncio.to_thread(
        run_to_end, arguments, environment(env), stdin=stdin.encode(), limit=limit
    )
    return Done(code, out.decode(), err.decode())


@dataclass
class Up:
    """A running `trunkline up`.

    Attributes:
        directory: holds `data` and `config`.
        env: further variables.
        arguments: further arguments.
    """

    directory: Path
    env: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()
    output: list[str] = field(default_factory=list)
    process: Program | None = None

    @property
    def address(self) -> str:
        """Return where it serves."""
        found = re.search(r"is serving on (\S+?)\.$", self.output[0])
        assert found is not None, self.output
        return found[1]

    @property
    def token(self) -> str:
        """Return the first admin token."""
        return (self.directory / "config" / "admin-token").read_text().strip()

    @property
    def client(self) -> dict[str, str]:
        """Return the variables with which the command line reaches it."""
        return {"TRUNKLINE_ADDRESS": self.address, "TRUNKLINE_TOKEN": self.token}

    @property
    def log(self) -> Path:
        """Return the file that standard error goes to."""
        return self.directory / "up.log"

    async def __aenter__(self) -> Up:
        """Start, and wait until it has said all it says at first."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self.process = await Program.start(
                [
                    "up",
                    "--data-dir",
                    str(self.directory / "data"),
                    "--config-dir",
                    str(self.directory / "config"),
                    "--listen",
                    "127.0.0.1:0",
                    *self.arguments,
                ],
                environment(self.env),
                stderr=log,
            )
        async with asyncio.timeout(_START_LIMIT_S):
            while not self.output or not self.output[-1].startswith("Connect a real provider"):
                line = await self.process.stdout.readline()
                assert line, self.log.read_text()
                self.output.append(line.decode().rstrip("\n"))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop as an operator would."""
        await self.stop()

    async def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; return the exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(_STOP_LIMIT_S):
            return await self.process.wait()
