"""The program `trunkline` as a process: run to its end, or started.

In `make test` an interpreter that has read the program forks itself for it
(`support.warm_interpreter`); in a full run each is started from nothing.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import functools
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final

from support import matrix
from support.canary import holds_canary
from support.warm_interpreter import MAX_REQUEST_BYTES

_START_LIMIT_S: Final = 30.0
_REST_S: Final = 1.0
_COMMAND: Final = (sys.executable, "-m", "trunkline")


def run_to_end(
    arguments: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: bytes = b"",
    directory: Path | None = None,
    limit: float,
) -> tuple[int, bytes, bytes]:
    """Run a command to its end; blocking.

    Args:
        arguments: after the program's name.
        environment: all its variables.
        stdin: what it reads.
        directory: where it starts; None: here.
        limit: most seconds.

    Returns:
        Its exit code, standard output and standard error.

    Raises:
        TimeoutExpired: it did not end in time, and was killed.
    """
    if matrix.is_full():
        done = subprocess.run(
            [*_COMMAND, *arguments],
            input=stdin,
            capture_output=True,
            env=dict(environment),
            cwd=directory,
            timeout=limit,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr
    with (
        tempfile.TemporaryFile() as given,
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
    ):
        given.write(stdin)
        given.seek(0)
        fork = _Fork(arguments, environment, directory, given, out, err)
        fork.told.settimeout(limit)
        try:
            code = fork.end(fork.told.recv(64))
        except TimeoutError:
            fork.send_signal(signal.SIGKILL)
            raise subprocess.TimeoutExpired([*_COMMAND, *arguments], limit) from None
        finally:
            fork.told.close()
        out.seek(0)
        err.seek(0)
        return code, out.read(), err.read()


class Program:
    """A command that runs, and what it prints.

    Attributes:
        stdout: its standard output.
        pid: its id.
    """

    def __init__(
        self,
        process: asyncio.subprocess.Process | _Fork,
        stdout: asyncio.StreamReader,
        pipe: asyncio.BaseTransport | None = None,
    ) -> None:
        self.stdout = stdout
        self.pid = process.pid
        self._process = process
        self._pipe = pipe

    @classmethod
    async def start(
        cls,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        *,
        stderr: IO[bytes] | None = None,
    ) -> Program:
        """Start a command.

        Args:
            arguments: after the program's name.
            environment: all its variables.
            stderr: takes its standard error; None: nothing does.
        """
        if matrix.is_full():
            process = await asyncio.create_subprocess_exec(
                *_COMMAND,
                *arguments,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stderr or subprocess.DEVNULL,
            )
            assert process.stdout is not None
            return cls(process, process.stdout)
        ours, theirs = os.pipe()
        with Path(os.devnull).open("r+b") as nothing, os.fdopen(theirs, "wb") as printed:
            fork = _Fork(arguments, environment, None, nothing, printed, stderr or nothing)
        fork.told.setblocking(False)
        stdout = asyncio.StreamReader()
        pipe, _ = await asyncio.get_running_loop().connect_read_pipe(
            lambda: asyncio.StreamReaderProtocol(stdout), os.fdopen(ours, "rb")
        )
        return cls(fork, stdout, pipe)

    @property
    def returncode(self) -> int | None:
        """Its exit code; None: it runs."""
        return self._process.returncode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        self._process.send_signal(number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Wait for its end, and close what it printed; return the exit code."""
        code = await self._process.wait()
        if self._pipe is not None:
            with contextlib.suppress(TimeoutError):
                # Processes that it started may still hold the pipe.
                async with asyncio.timeout(_REST_S):
                    while not self.stdout.at_eof() and not self._pipe.is_closing():
                        await asyncio.sleep(0.01)
            self._pipe.close()
            await asyncio.sleep(0)
        return code


class _Fork:
    """A process that the warm interpreter forked.

    Attributes:
        told: a socket on which its exit code comes.
        pid: its id.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        directory: Path | None,
        *files: IO[bytes],
    ) -> None:
        # Arguments of programs are seen by everybody, those of a fork by nobody.
        assert not holds_canary("\0".join(arguments).encode(errors="surrogateescape"))
        request = json.dumps(
            {
                "arguments": list(arguments),
                "environment": dict(environment),
                "directory": str(directory or Path.cwd()),
            }
        ).encode()
        assert len(request) <= MAX_REQUEST_BYTES
        self.told, telling = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.told.settimeout(_START_LIMIT_S)
        with telling:
            numbers = [*(file.fileno() for file in files), telling.fileno()]
            socket.send_fds(_warm_interpreter(), [request], numbers)
        self.pid = int(self.told.recv(64))
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit code; None: it runs."""
        if self._code is None:
            try:
                self.end(self.told.recv(64))
            except BlockingIOError:
                return None
        return self._code

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if self._code is None:
            os.kill(self.pid, number)

    async def wait(self) -> int:
        """Wait for its end; return the exit code."""
        if self._code is None:
            return self.end(await asyncio.get_running_loop().sock_recv(self.told, 64))
        return self._code

    def end(self, told: bytes) -> int:
        """Take in what was told of its end; only the first of several readers is told."""
        if told:
            self._code = int(told)
            self.told.close()
        assert self._code is not None, "the warm interpreter has ended"
        return self._code


@functools.cache
def _warm_interpreter() -> socket.socket:
    """Start the interpreter; return what takes requests."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        process = subprocess.Popen(
            [sys.executable, "-m", "support.warm_interpreter"],
            stdin=theirs.fileno(),
            stdout=subprocess.DEVNULL,
            cwd=Path(__file__).parents[1],
        )

    def end() -> None:
        ours.close()
        process.wait(_START_LIMIT_S)

    atexit.register(end)
    return ours
