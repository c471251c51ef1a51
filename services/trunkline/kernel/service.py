"""What a service of the suite looks like to the process that runs it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import grpc

from trunkline.kernel.clock import Clock
from trunkline.kernel.database import Database
from trunkline.kernel.server import Registration
from trunkline.kernel.settings import ProcessSettings, Source
from trunkline.kernel.view import Follower


class StartupError(Exception):
    """The process cannot start.

    Args:
        what: one sentence: what is wrong.
        advice: one sentence: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a process gives to each of its services.

    Attributes:
        process: the settings that every process has.
        source: where a service's own settings come from.
        clock: tells the time.
        channel: opens a lazy channel to a peer, by its name, in this service's name.
        may_run: tells whether a principal has a valid token.
    """

    process: ProcessSettings
    source: Source
    clock: Clock
    channel: Callable[[str], grpc.aio.Channel]
    may_run: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class WatchedView:
    """A view of another service that a service follows.

    Attributes:
        name: what it is of.
        follower: keeps it up to date.
        max_age_s: the age up to which it is trusted; None: any.
    """

    name: str
    follower: Follower
    max_age_s: float | None = None


class Service(Protocol):
    """One of the four.

    Attributes:
        name: `credential`, `catalog`, `health` or `inference`.
    """

    name: str

    @property
    def database(self) -> Database | None:
        """Return where it keeps what it knows; None: nowhere."""

    @property
    def views(self) -> Sequence[WatchedView]:
        """Return what it watches at other services."""

    async def open(self) -> None:
        """Open the store; after this the service can answer.

        Raises:
            StartupError, DatabaseError, SettingsError: with a sentence what is wrong
                and one what to do.
        """

    def registrations(self) -> list[Registration]:
        """Return the servicers, each with the generated function that registers it."""

    async def run(self) -> None:
        """Do the background work until cancelled: follow views, flush, expire."""

    async def drain(self, grace: float) -> None:
        """Begin nothing new, and return when what goes on has ended, at most `grace` seconds."""

    async def close(self) -> None:
        """Close the store."""
