"""A service whose watch says what a test tells it to, and who follows it."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc

from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2, watch_pb2
from trunkline.kernel.channel import connect
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.server import prepare_socket
from trunkline.kernel.view import Follower

Response = watch_pb2.WatchCatalogResponse
END = None


def page(revision: int, *names: str) -> Response:
    """Return a page of a snapshot."""
    providers = [provider_pb2.Provider(name=name) for name in names]
    return Response(revision=revision, snapshot_page=watch_pb2.CatalogPage(providers=providers))


def complete(revision: int) -> Response:
    """Return the end of a snapshot."""
    return Response(revision=revision, snapshot_complete=watch_pb2.SnapshotComplete())


def change(revision: int, name: str) -> Response:
    """Return a change."""
    return Response(revision=revision, provider=provider_pb2.Provider(name=name))


def beat(revision: int) -> Response:
    """Return a heartbeat."""
    return Response(revision=revision, heartbeat=watch_pb2.Heartbeat())


class Owner(catalog_service_pb2_grpc.CatalogServiceServicer):
    """Says in each stream what a test puts into its queue.

    Attributes:
        asked: the revision that each stream began after, in order.
        asked_at: when, in seconds.
        metadata: of each stream.
        streams: what each says: a message, a status to break with, or `END`.
        open: how many streams are open.
    """

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.asked_at: list[float] = []
        self.metadata: list[dict[str, str | bytes]] = []
        self.streams: list[asyncio.Queue[Any]] = []
        self.open = 0

    def say(self, *messages: Any, stream: int | None = None) -> None:
        """Have a stream say something; the one that is asked for next when none is named."""
        number = len(self.asked) if stream is None else stream
        while len(self.streams) <= number:
            self.streams.append(asyncio.Queue())
        for message in messages:
            self.streams[number].put_nowait(message)

    async def WatchCatalog(
        self, request: watch_pb2.WatchCatalogRequest, context: Any
    ) -> AsyncIterator[Response]:
        """Say what is in the stream's queue."""
        number = len(self.asked)
        self.say(stream=number)
        self.asked.append(request.after_revision)
        self.asked_at.append(time.monotonic())
        self.metadata.append(dict(context.invocation_metadata()))
        self.open += 1
        try:
            while (message := await self.streams[number].get()) is not END:
                if isinstance(message, grpc.StatusCode):
                    await context.abort(message, "so")
                yield message
        finally:
            self.open -= 1


class Names:
    """Holds the names of providers, and fails when it is told to.

    Attributes:
        held: what holds.
        failing: raised by the next swap or change.
    """

    def __init__(self) -> None:
        self.held: list[str] = []
        self.failing: list[Exception] = []
        self._next: list[str] = []

    def add_page(self, page: Any) -> None:
        """Collect a page."""
        self._next.extend(provider.name for provider in page.providers)

    def swap(self) -> None:
        """Let the new view hold."""
        collected, self._next = self._next, []
        self._fail()
        self.held = collected

    def change(self, kind: str, value: Any) -> None:
        """Take a change."""
        self.held.append(value.name)
        self._fail()

    def _fail(self) -> None:
        if self.failing:
            raise self.failing.pop(0)


@contextlib.asynccontextmanager
async def owning(owner: Owner, path: Path) -> AsyncIterator[None]:
    """Run the service that owns what is watched."""
    server = grpc.aio.server()
    catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(owner, server)
    server.add_insecure_port(prepare_socket(path))
    await server.start()
    try:
        yield
    finally:
        await server.stop(0)


@contextlib.asynccontextmanager
async def following(
    path: Path, names: Names, *, clock: Clock | None = None, silence_s: float = 5.0
) -> AsyncIterator[Follower]:
    """Follow the view."""
    async with connect(path) as channel:
        follower = Follower(
            "catalog",
            catalog_service_pb2_grpc.CatalogServiceStub(channel).WatchCatalog,
            lambda revision: watch_pb2.WatchCatalogRequest(after_revision=revision),
            names,
            clock or SystemClock(),
            silence_s=silence_s,
        )
        running = asyncio.create_task(follower.run())
        try:
            yield follower
            assert not running.done()
        finally:
            running.cancel()
            await asyncio.wait((running,))
