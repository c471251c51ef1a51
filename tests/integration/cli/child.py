"""The command line as a process of its own, in a home of its own."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pexpect.fdpexpect import fdspawn  # type: ignore[import-untyped] # it has no types

from support.program import run_to_end

_LIMIT_S = 30


@dataclass(frozen=True)
class Result:
    """How a command ended.

    Attributes:
        code: its exit code.
        out: its standard output.
        err: its standard error.
    """

    code: int
    out: str
    err: str

    @property
    def document(self) -> Any:
        """Return the JSON document on standard output."""
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """Return the error that standard error holds as JSON, and nothing else."""
        error: dict[str, Any] = json.loads(self.err)["error"]
        assert set(error) == {"reason", "code", "message", "advice", "metadata"}
        return error

    def assert_reads_well(self) -> None:
        """Check that a failure says what is wrong and what to do, on standard error only."""
        assert self.code != 0
        lines = self.err.splitlines()
        assert len(lines) >= 2, self.err
        assert lines[-1].endswith((".", "?")), self.err
        assert "Traceback" not in self.err


class Terminal:
    """A process at a terminal of its own, and what a person sees and types there.

    pexpect's own way forks this process, in which gRPC runs; so the process is started as
    any other here, and a shell in between makes the terminal its own.

    Args:
        command: what to start.
        environment: its variables.
        directory: where it starts.
    """

    def __init__(self, command: list[str], environment: dict[str, str], directory: Path) -> None:
        ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 160, 0, 0))
        self._theirs = theirs
        self._process = subprocess.Popen(
            ["/bin/sh", "-c", 'exec "$@" <"$0" >"$0" 2>&1', os.ttyname(theirs), *command],
            stdin=subprocess.DEVNULL,
            env=environment,
            cwd=directory,
            # A leader of a session that opens a terminal has it for its own.
            start_new_session=True,
        )
        self._screen = fdspawn(ours, timeout=_LIMIT_S, encoding="utf-8")
        self._watch = threading.Thread(target=self._hang_up, daemon=True)
        self._watch.start()

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def see(self, text: str) -> str:
        """Wait until a text shows; return what showed before it."""
        self._screen.expect_exact(text)
        return str(self._screen.before)

    def enter(self, line: str) -> None:
        """Type a line."""
        self._screen.sendline(line)

    def press(self, key: str) -> None:
        """Press a key, such as Ctrl-C, which is `\\x03`."""
        self._screen.send(key)

    def end(self) -> tuple[int, str]:
        """Wait for the end; return the exit code and what else showed."""
        rest = str(self._screen.read())
        self._watch.join(_LIMIT_S)
        self._screen.close()
        return self._process.wait(_LIMIT_S), rest

    def _hang_up(self) -> None:
        """Close our hold on the terminal when the process has ended, which ends our reading."""
        self._process.wait()
        os.close(self._theirs)


class Cli:
    """Runs `trunkline`.

    Args:
        home: a directory for it alone.
        environment: variables beside the few that every process needs.
    """

    def __init__(self, home: Path, environment: dict[str, str]) -> None:
        self.home = home
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(home),
            "LANG": "C.UTF-8",
            "TERM": "xterm",
            "PYTHONWARNINGS": "error",
            "PYTHONDONTWRITEBYTECODE": "1",
            "TRUNKLINE_CONFIG_DIR": str(home / "config"),
            **environment,
        }

    def run(
        self, *arguments: str, stdin: str | bytes = "", env: dict[str, str] | None = None
    ) -> Result:
        """Run a command to its end.

        Args:
            arguments: after the program's name.
            stdin: what it reads.
            env: variables to set; an empty one is unset.
        """
        content = stdin.encode() if isinstance(stdin, str) else stdin
        code, out, err = run_to_end(
            arguments, self.variables(env), stdin=content, directory=self.home, limit=_LIMIT_S
        )
        return Result(code, out.decode(), err.decode())

    def start(self, *arguments: str, env: dict[str, str] | None = None) -> subprocess.Popen[str]:
        """Start a command whose output is read while it runs."""
        return subprocess.Popen(
            self.command(*arguments),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self.variables(env),
            cwd=self.home,
            text=True,
        )

    def at_terminal(self, *arguments: str, env: dict[str, str] | None = None) -> Terminal:
        """Start a command at a terminal of its own."""
        return Terminal(self.command(*arguments), self.variables(env), self.home)

    def variables(self, env: dict[str, str] | None = None) -> dict[str, str]:
        """Return the environment of a command."""
        merged = {**self.environment, **(env or {})}
        return {name: value for name, value in merged.items() if value}

    @staticmethod
    def command(*arguments: str) -> list[str]:
        """Return the command as it is started."""
        return [sys.executable, "-m", "trunkline", *arguments]
