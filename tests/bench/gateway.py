"""Trunkline in one process: `trunkline up` with everything on, as the bench runs it."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.deployment import Deployment
from bench.program import Program

_SERVING: Final = re.compile(r"(?m)^Trunkline is serving on (\S+?)\.$")
_TOKEN: Final = re.compile(r"(?m)^ +admin token +(/\S+)$")


class Gateway:
    """One run of `trunkline up`, from its command to its end.

    Args:
        home: a directory of its own, which exists; a second run over the same one finds what the
            first left.
        cpu: the core it is pinned to; None: any.
        settings: further variables of its environment.
        start_limit_seconds: how long it may take until it serves.

    Attributes:
        deployment: where it is called.
        serving_seconds: from the command to the line that says it serves.

    Raises:
        ChildFailed: it did not come to serve; the text ends with what it printed.
    """

    def __init__(
        self,
        home: Path,
        *,
        cpu: int | None,
        settings: Mapping[str, str] | None = None,
        start_limit_seconds: float = 15.0,
    ) -> None:
        self._program = Program(
            "up", home=home, cpu=cpu, settings=settings, start_limit_seconds=start_limit_seconds
        )
        try:
            address = self._program.find(_SERVING)
            self.serving_seconds = time.monotonic() - self._program.begun_seconds
            token_file = self._program.find(_TOKEN)
        except BaseException:
            self.close()
            raise
        self.deployment = Deployment(address, address, address, token_file)

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the ids of its processes, which is one."""
        return (self._program.pid,)

    def close(self) -> None:
        """Stop it. Doing it twice does nothing."""
        self._program.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
