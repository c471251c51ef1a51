"""Trunkline in four processes: `trunkline serve` for each service, as the bench runs it."""

from __future__ import annotations

import re
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from bench.deployment import Deployment
from bench.program import Program
from trunkline.cli.client import TOKEN_FILE

_SERVICES: Final = ("credential", "catalog", "health", "inference")
SERVING: Final = re.compile(r"(?m)^Trunkline \w+ is serving on (\S+?)\.$")


class Fleet:
    """One run of the four services on one data directory, from their commands to their ends.

    They speak to each other over the unix sockets of that directory, and keep SQLite databases
    in it, as they do when nothing else is set.

    Args:
        home: a directory of its own, which exists.
        cpu: the core they all are pinned to; None: any.
        start_limit_seconds: how long they may take until all serve; they start together.

    Attributes:
        deployment: where it is called.

    Raises:
        ChildFailed: one did not come to serve; the text ends with what it printed.
    """

    def __init__(self, home: Path, *, cpu: int | None, start_limit_seconds: float = 40.0) -> None:
        with ExitStack() as stack:
            self._programs = {
                service: stack.enter_context(
                    Program(
                        "serve",
                        service,
                        home=home,
                        cpu=cpu,
                        start_limit_seconds=start_limit_seconds,
                    )
                )
                for service in _SERVICES
            }
            addresses = {
                service: program.find(SERVING) for service, program in self._programs.items()
            }
            self._stack = stack.pop_all()
        self.deployment = Deployment(
            inference=addresses["inference"],
            catalog=addresses["catalog"],
            credential=addresses["credential"],
            token_file=str(home / "config" / TOKEN_FILE),
        )

    @property
    def pids(self) -> tuple[int, ...]:
        """Return the ids of its processes."""
        return tuple(program.pid for program in self._programs.values())

    def close(self) -> None:
        """Stop them. Doing it twice does nothing."""
        self._stack.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
