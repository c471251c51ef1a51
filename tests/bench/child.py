"""Processes of the bench: started pinned to a core, asked in lines of JSON, stopped for certain.

A child of ours prints one line of JSON when it serves, answers every line on its standard input
with one line of JSON, and ends when its standard input ends. So none outlives the bench, however
the bench itself came to its end.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self, TypeAlias

Answer: TypeAlias = dict[str, Any]

SOURCE_ROOT: Final = Path(__file__).resolve().parent.parent
_STOP_LIMIT_SECONDS: Final = 5.0
_libc: Final = ctypes.CDLL(None, use_errno=True)


def make_environment() -> dict[str, str]:
    """Return the environment of a process of the bench: it imports what this one does."""
    paths = filter(None, (str(SOURCE_ROOT), os.environ.get("PYTHONPATH", "")))
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class ChildFailed(Exception):
    """A process of the bench did not start, did not answer in time, or went away."""


@contextmanager
def pinned(cpu: int | None) -> Iterator[None]:
    """Run what is started inside on one core.

    A process inherits the affinity of the one that starts it, so that even the threads it makes
    first are bound; afterwards this process has its own back.

    Args:
        cpu: number of the core; None leaves everything as it is.
    """
    before = os.sched_getaffinity(0)
    if cpu is not None:
        os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Put off the signals that end the bench until what is done inside is done."""
    noted: list[int] = []
    handlers = {
        signum: signal.signal(signum, lambda number, _: noted.append(number))
        for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
    }
    try:
        yield
    finally:
        for signum, handler in handlers.items():
            signal.signal(signum, handler)
        for number in noted:
            signal.raise_signal(number)


def start(
    command: Sequence[str],
    environment: dict[str, str],
    *,
    cpu: int | None,
    stdin: int,
    stdout: int | IO[bytes],
    stderr: int | None = None,
) -> subprocess.Popen[bytes]:
    """Start a process on a core, so that a signal finds it known and stopped, or not there at all.

    Args:
        command: the command line.
        environment: all its variables.
        cpu: number of the core; None: any.
        stdin, stdout, stderr: as subprocess.Popen takes them.

    Raises:
        OSError: it cannot be started.
    """
    process: subprocess.Popen[bytes] | None = None
    try:
        with _undisturbed(), pinned(cpu):
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                env=environment,
                bufsize=0,
                # Ctrl-C in a terminal goes to the whole group; the bench alone decides.
                start_new_session=True,
            )
    except BaseException:
        if process is not None:
            stop(process)
        raise
    return process


def read_cpu_ns(pid: int) -> int:
    """Return the processor time that a process took so far, in nanoseconds.

    All its threads count, those that ended included, and the kernel's work for it. The clock is
    the one of clock_getcpuclockid(3): `/proc/PID/stat` counts in steps of 10 ms.

    Raises:
        ProcessLookupError: there is no such process.
    """
    clock = ctypes.c_int()
    error: int = _libc.clock_getcpuclockid(ctypes.c_int(pid), ctypes.byref(clock))
    if error:
        raise ProcessLookupError(error, os.strerror(error))
    return time.clock_gettime_ns(clock.value)


def read_rss_bytes(pid: int) -> int:
    """Return the resident memory of a process, in bytes (proc(5), statm's second field)."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def read_line(pipe: IO[bytes], limit_seconds: float) -> bytes:
    """Read one line from an unbuffered pipe.

    Args:
        pipe: read byte by byte as far as the line's end, so that nothing is lost to a buffer.
        limit_seconds: how long the whole line may take.

    Returns:
        The line with its end; shorter or empty when the pipe ended first.

    Raises:
        TimeoutError: the line was not whole in time.
    """
    deadline = time.monotonic() + limit_seconds
    line = bytearray()
    while not line.endswith(b"\n"):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([pipe], [], [], left)[0]:
            raise TimeoutError("no whole line in time")
        byte = pipe.read(1)
        if not byte:
            break
        line += byte
    return bytes(line)


def stop(process: subprocess.Popen[bytes], limit_seconds: float = _STOP_LIMIT_SECONDS) -> None:
    """End a process: SIGTERM, and SIGKILL when it is still there after the limit."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(limit_seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(limit_seconds)


class Child:
    """A module of the bench that runs as a process of its own.

    Args:
        module: its name, such as `bench.standin`.
        arguments: its command line.
        cpu: the core it is pinned to; None: any.
        start_limit_seconds: how long it may take until it serves.

    Raises:
        ChildFailed: it did not come to serve.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        cpu: int | None = None,
        start_limit_seconds: float = 15.0,
    ) -> None:
        self._name = module
        self._process = start(
            [sys.executable, "-m", module, *arguments],
            make_environment(),
            cpu=cpu,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        try:
            self.greeting = self._receive(start_limit_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def ask(self, question: Answer | None = None, limit_seconds: float = 10.0) -> Answer:
        """Send one line and return the answer to it.

        Raises:
            ChildFailed: the process is gone, answered with an error, or not in time.
        """
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(question or {}).encode() + b"\n")
        except BrokenPipeError:
            raise ChildFailed(f"{self._name} went away") from None
        return self._receive(limit_seconds)

    def _receive(self, limit_seconds: float) -> Answer:
        assert self._process.stdout is not None
        try:
            line = read_line(self._process.stdout, limit_seconds)
        except TimeoutError:
            raise ChildFailed(f"{self._name} said nothing for {limit_seconds:g} s") from None
        if not line:
            raise ChildFailed(f"{self._name} went away")
        answer: Answer = json.loads(line)
        if "error" in answer:
            raise ChildFailed(f"{self._name}: {answer['error']}")
        return answer

    def close(self) -> None:
        """Stop the process. Doing it twice does nothing."""
        stop(self._process)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


async def attend(greeting: Answer, answer: Callable[[Answer], Awaitable[Answer]]) -> None:
    """Be a child: greet, then answer line by line until standard input ends.

    Args:
        greeting: what the parent reads as "it serves".
        answer: turns a question into its answer; what it raises is answered as an error.
    """
    loop = asyncio.get_running_loop()
    lines = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(lines), sys.stdin)
    print(json.dumps(greeting), flush=True)
    while line := await lines.readline():
        try:
            said = await answer(json.loads(line))
        except Exception as error:  # the parent decides what it means
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)
