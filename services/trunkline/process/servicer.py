"""ProcessService: gRPC in and out."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Sequence
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final, Protocol

import grpc

from trunkline.kernel.clock import Clock, duration, timestamp
from trunkline.kernel.database import Database
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.service import WatchedView
from trunkline.process.v1 import process_pb2, process_pb2_grpc

if TYPE_CHECKING:
    from trunkline.kernel.certificates import Certificates

_DATABASE_WAIT_S: Final = 3.0


class Inventory(Protocol):
    """What there is to be told of a process."""

    def names(self) -> Sequence[str]:
        """Return the services that it runs."""

    def listeners(self) -> Iterable[process_pb2.Listener]:
        """Return where it listens."""

    def certificates(self) -> Iterable[Certificates]:
        """Return the certificates that it shows."""

    def databases(self) -> Iterable[Database]:
        """Return the databases of its services."""

    def views(self) -> Iterable[tuple[str, WatchedView]]:
        """Return what its services watch, each with the service's name."""


class ProcessServicer(process_pb2_grpc.ProcessServiceServicer):
    """Tells of one process.

    Args:
        inventory: of it.
        clock: the time.
    """

    def __init__(self, inventory: Inventory, clock: Clock) -> None:
        self._inventory = inventory
        self._clock = clock
        self._began = clock.time_ns()

    async def GetProcess(
        self,
        request: process_pb2.GetProcessRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> process_pb2.GetProcessResponse:
        """Tell how the process is set up and what it lacks."""
        del request, context
        inventory = self._inventory
        databases = await asyncio.gather(
            *(_describe_database(each) for each in inventory.databases())
        )
        return process_pb2.GetProcessResponse(
            process=process_pb2.Process(
                version=version("trunkline"),
                # Last: what took long before it says nothing of the clock.
                time=timestamp(self._clock.time_ns()),
                start_time=timestamp(self._began),
                services=inventory.names(),
                listeners=inventory.listeners(),
                certificates=map(_describe_certificate, inventory.certificates()),
                databases=databases,
                views=(_describe_view(name, view) for name, view in inventory.views()),
            )
        )


async def _describe_database(database: Database) -> process_pb2.Database:
    """Ask a database for a sign of life; return how it answered."""
    described = process_pb2.Database(
        service=database.service, kind=database.kind, location=database.location
    )
    began = time.perf_counter()
    try:
        async with asyncio.timeout(_DATABASE_WAIT_S):
            now_ns = await database.ask_time_ns()
    except TimeoutError:
        described.message = f"No answer came within {_DATABASE_WAIT_S:.0f} s."
    except TrunklineError as error:
        described.message = error.message
    else:
        described.latency.CopyFrom(duration(time.perf_counter() - began))
        if now_ns is not None:
            described.time.CopyFrom(timestamp(now_ns))
    return described


def _describe_certificate(shown: Certificates) -> process_pb2.Certificate:
    """Return what a certificate says of itself."""
    bundle = shown.bundle
    described = process_pb2.Certificate(
        purpose=shown.purpose,
        file=str(shown.path),
        names=[*bundle.names, *bundle.uris],
        message=shown.trouble,
    )
    described.start_time.FromDatetime(bundle.start)
    described.end_time.FromDatetime(bundle.end)
    return described


def _describe_view(service: str, view: WatchedView) -> process_pb2.View:
    """Return how old a view is."""
    described = process_pb2.View(service=service, name=view.name, peer=view.follower.peer)
    if view.follower.is_ready:
        described.age.CopyFrom(duration(view.follower.age()))
    if view.max_age_s is not None:
        described.max_age.CopyFrom(duration(view.max_age_s))
    return described
