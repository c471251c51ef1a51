"""The command `trunkline` as the bench runs it: pinned, with settings of its own, heard out."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.child import ChildFailed, start, stop

_COMMAND: Final = str(Path(sys.executable).with_name("trunkline"))
_LOOK_SECONDS: Final = 0.002
_STOP_LIMIT_SECONDS: Final = 25.0
_TOLD_CHARACTERS: Final = 2_000

# Nothing of the user's is read or written.
_ENVIRONMENT: Final = {
    "HOME": "{home}",
    "TRUNKLINE_DATA_DIR": "{home}/data",
    "TRUNKLINE_CONFIG_DIR": "{home}/config",
    "TRUNKLINE_LISTEN": "127.0.0.1:0",
    "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    "PYTHONUNBUFFERED": "1",
    "NO_COLOR": "1",
}


class Program:
    """One run of `trunkline`, from its command to its end.

    Args:
        arguments: of the command.
        home: a directory which exists, and in which all is kept.
        cpu: the core it is pinned to; None: any.
        settings: further variables of its environment.
        start_limit_seconds: how long it may take until it has printed what is looked for.

    Attributes:
        begun_seconds: when its command was given, by the monotonic clock.

    Raises:
        ChildFailed: the command cannot be run.
    """

    def __init__(
        self,
        *arguments: str,
        home: Path,
        cpu: int | None,
        settings: Mapping[str, str] | None = None,
        start_limit_seconds: float,
    ) -> None:
        self._name = " ".join(("trunkline", *arguments))
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")
        }
        own = {name: value.format(home=home) for name, value in _ENVIRONMENT.items()}
        # A file and no pipe: nobody has to keep reading what it prints while it is measured.
        with tempfile.NamedTemporaryFile(dir=home, suffix=".out", delete=False) as output:
            self._output = Path(output.name)
            self.begun_seconds = time.monotonic()
            self._deadline = self.begun_seconds + start_limit_seconds
            try:
                self._process = start(
                    (_COMMAND, *arguments),
                    {**inherited, **own, **(settings or {})},
                    cpu=cpu,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ChildFailed(f"{_COMMAND}: {error.strerror}") from None

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    def find(self, pattern: re.Pattern[str]) -> str:
        """Wait for a line, and return the first group that the pattern finds in it.

        Raises:
            ChildFailed: it was not printed in time; the text ends with what was.
        """
        while True:
            printed = self._output.read_text(errors="replace")
            # A line counts when it is whole.
            match = pattern.search(printed[: printed.rfind("\n") + 1])
            if match is not None:
                return match[1]
            if self._process.poll() is not None or time.monotonic() > self._deadline:
                raise ChildFailed(
                    f"{self._name} did not print in time what was looked for:\n"
                    f"{printed[-_TOLD_CHARACTERS:]}"
                )
            time.sleep(_LOOK_SECONDS)

    def kill(self) -> None:
        """Send it SIGKILL, and wait for nothing."""
        self._process.kill()

    def close(self) -> None:
        """Stop it. Doing it twice does nothing."""
        stop(self._process, _STOP_LIMIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
