"""A service for real: listeners on sockets, and peers as small fakes."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import grpc

from support.service_calls import cancel
from support.service_peers import FakeCatalog, FakeCredentials, FakeHealth, FakeInference
from support.stores import Store
from trunkline.catalog.v1 import catalog_service_pb2_grpc
from trunkline.credential.v1 import credential_service_pb2_grpc
from trunkline.health.v1 import health_service_pb2_grpc
from trunkline.inference.v1 import provider_pb2_grpc as inference_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.channel import connect
from trunkline.kernel.errors import Unauthenticated
from trunkline.kernel.interceptor import Interceptor, known_as
from trunkline.kernel.server import Listener, prepare_socket, stop_all
from trunkline.kernel.service import Service, Surroundings
from trunkline.kernel.settings import ProcessSettings, Source
from trunkline.options.v1 import options_pb2


class TurnableClock:
    """The machine's clocks, which a test can turn forward."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def turn(self, seconds: float) -> None:
        """Let both clocks jump ahead."""
        self._ahead_s += seconds

    def time_ns(self) -> int:
        """Return nanoseconds since 1970, as turned."""
        return time.time_ns() + int(self._ahead_s * 1_000_000_000)

    def monotonic(self) -> float:
        """Return seconds that never run backwards, as turned."""
        return time.monotonic() + self._ahead_s


class Tokens:
    """Knows three tokens: `admin`, `developer`, and `narrow`, which reaches one provider."""

    async def authenticate(self, token: str) -> Caller:
        """Return whose a token is."""
        if token == "admin":
            return Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
        if token == "developer":
            return Caller(options_pb2.CALLER_ROLE_DEVELOPER, "dora")
        if token == "narrow":
            reached = frozenset({"openai"})
            return Caller(options_pb2.CALLER_ROLE_DEVELOPER, "nora", providers=reached)
        raise Unauthenticated("TOKEN_INVALID", "The access token is unknown.")


class ServiceHarness:
    """One service in directories of its own, which outlive its restarts.

    Args:
        make: makes the service.
        root: an empty directory.
        callers: services that have a socket to it.
        url: of its PostgreSQL database; empty: SQLite in a directory.

    Attributes:
        data_dir: holds the database, for SQLite.
        clock: of the service.
        credentials: the peer.
        inference: the peer.
        catalog: the peer, for other services than the catalog.
        health: the peer, for other services than health.
        service: the one that runs.
    """

    def __init__(
        self,
        make: Callable[[Surroundings], Service],
        root: Path,
        callers: Iterable[str],
        url: str = "",
    ) -> None:
        self._make = make
        self._callers = tuple(callers)
        self._url = url
        self._variables = {"TRUNKLINE_DATABASE_URL": url} if url else {}
        self.data_dir = root / "data"
        self._config_dir = root / "config"
        self.clock = TurnableClock()
        self.credentials = FakeCredentials()  # type: ignore[abstract] # abstract for the checker only
        self.inference = FakeInference()
        self.catalog = FakeCatalog()  # type: ignore[abstract] # abstract for the checker only
        self.health = FakeHealth()  # type: ignore[abstract] # abstract for the checker only
        # A unix socket's path is at most some 100 bytes long, which a test's directory may be.
        self._sockets = Path(tempfile.mkdtemp(prefix="tl-"))
        self._stack = contextlib.AsyncExitStack()
        self._peers = contextlib.AsyncExitStack()

    @property
    def store(self) -> Store:
        """The service's database."""
        return Store(self.service.name, self.data_dir, self._url)

    async def start_peers(self, *names: str) -> None:
        """Start fake peers."""
        adders: dict[str, tuple[Any, Callable[[Any, Any], None]]] = {
            "credential": (
                self.credentials,
                credential_service_pb2_grpc.add_CredentialServiceServicer_to_server,
            ),
            "inference": (self.inference, inference_grpc.add_ProviderServiceServicer_to_server),
            "catalog": (
                self.catalog,
                catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server,
            ),
            "health": (
                self.health,
                health_service_pb2_grpc.add_HealthServiceServicer_to_server,
            ),
        }
        for name in names:
            server = grpc.aio.server()
            servicer, add = adders[name]
            add(servicer, server)
            server.add_insecure_port(prepare_socket(self._sockets / name))
            await server.start()
            self._peers.push_async_callback(server.stop, None)

    async def close_peers(self) -> None:
        """Stop the fake peers."""
        await self._peers.aclose()

    async def start(self) -> None:
        """Start the service behind its listeners."""
        self.service = self._make(
            Surroundings(
                ProcessSettings(data_dir=self.data_dir, config_dir=self._config_dir),
                Source(self._variables, {}, None, {}),
                self.clock,
                self._connect,
                lambda principal: True,
            )
        )
        await self.service.open()
        self._stack.push_async_callback(self.service.close)
        listeners = [await self._listen(Interceptor(authenticator=Tokens()), "public")]
        for caller in self._callers:
            identity = Caller(options_pb2.CALLER_ROLE_SERVICE, caller)
            listeners.append(await self._listen(Interceptor(identify=known_as(identity)), caller))
        self._stack.push_async_callback(stop_all, listeners, 0)
        self._stack.push_async_callback(cancel, asyncio.create_task(self.service.run()))
        self._public = self._connect("from-public")
        self._internal = {caller: self._connect(f"from-{caller}") for caller in self._callers}

    async def stop(self) -> None:
        """Stop the service in good order; its directories stay."""
        await self.service.drain(1.0)
        await self._stack.aclose()

    async def restart(self) -> None:
        """Stop the service and start it again on the same directories."""
        await self.stop()
        await self.start()

    async def close(self) -> None:
        """Stop everything."""
        await self._stack.aclose()
        await self.close_peers()
        shutil.rmtree(self._sockets)

    def channel(self, caller: str) -> grpc.aio.Channel:
        """Return the channel of a service to this one."""
        return self._internal[caller]

    async def run_sql(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        """Read or change the database behind the service's back; `?` stand for the values."""
        return await self.store.run(statement, *values)

    def _connect(self, name: str) -> grpc.aio.Channel:
        channel = connect(self._sockets / name)
        self._stack.push_async_callback(channel.close)
        return channel

    async def _listen(self, interceptor: Interceptor, caller: str) -> Listener:
        listener = Listener(
            interceptor, internal=caller != "public", max_message_bytes=64 * 1024 * 1024
        )
        listener.add(self.service.registrations())
        await listener.start(prepare_socket(self._sockets / f"from-{caller}"))
        return listener
