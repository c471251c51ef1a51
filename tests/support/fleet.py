"""A deployment as four processes: on this machine's sockets, or on mutual TLS."""

from __future__ import annotations

import asyncio
import contextlib
import json
import signal
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

import grpc
import pytest

from support.deployment import TESTED_WITH, Deployment, Stubs
from support.ports import free_ports
from support.postgres import PostgresServer
from support.process import environment, run
from support.program import Program
from trunkline.catalog.v1 import catalog_service_pb2_grpc
from trunkline.credential.v1 import access_pb2_grpc, credential_service_pb2_grpc
from trunkline.health.v1 import health_service_pb2_grpc
from trunkline.inference.v1 import inference_service_pb2_grpc

SERVICES = ("credential", "catalog", "health", "inference")

_START_LIMIT_S = 40.0
_STOP_LIMIT_S = 30.0


class Shape(StrEnum):
    """How a deployment is cut into processes."""

    ONE = "one-process"
    FOUR = "four-processes"
    FOUR_SECURE = "four-processes-postgresql-mutual-tls"


@dataclass
class Member:
    """One `trunkline serve SERVICE`.

    Attributes:
        service: its name.
        env: its variables.
        log: the file that standard error goes to.
        address: of its public listener; empty until it serves.
    """

    service: str
    env: dict[str, str]
    log: Path
    address: str = ""
    process: Program | None = field(default=None, repr=False)

    async def start(self) -> None:
        """Start the process, without waiting until it serves."""
        with self.log.open("ab") as log:
            self.process = await Program.start(
                ["serve", self.service, "--json"], environment(self.env), stderr=log
            )

    async def serving(self) -> None:
        """Wait until it serves."""
        assert self.process is not None
        async with asyncio.timeout(_START_LIMIT_S):
            line = await self.process.stdout.readline()
        assert line, self.log.read_text()[-2000:]
        self.address = json.loads(line)["address"]

    async def end(self, number: int = signal.SIGTERM) -> int | None:
        """Send a signal and wait for the end; return the exit code."""
        process = self.process
        if process is None:
            return None
        if process.returncode is None:
            process.send_signal(number)
        async with asyncio.timeout(_STOP_LIMIT_S):
            return await process.wait()


class Fleet(Deployment):
    """A deployment of four processes, in directories of their own.

    Args:
        shape: which; not ONE.
        connected, models, time_scale, settings: as of a Deployment.
        order: of the services, each of which starts when the one before it serves; empty:
            they start together.
        postgres: holds the databases; None: they are SQLite.

    Attributes:
        members: by service.
    """

    def __init__(
        self,
        shape: Shape,
        *,
        connected: bool = True,
        models: Iterable[str] = (),
        time_scale: float = 0.1,
        order: Sequence[str] = (),
        postgres: PostgresServer | None = None,
        **settings: object,
    ) -> None:
        super().__init__(connected=connected, models=models, time_scale=time_scale, **settings)
        self.shape = shape
        self.members: dict[str, Member] = {}
        self._order = order
        self._postgres = postgres
        self._stack = contextlib.AsyncExitStack()

    async def start(self, *names: str) -> None:
        """Start the processes, or some of them, and wait until they serve."""
        if not self.members:
            await self._prepare()
        if self._order:
            for name in self._order:
                await self.members[name].start()
                await self.members[name].serving()
        else:
            for name in names or SERVICES:
                await self.members[name].start()
            for name in names or SERVICES:
                await self.members[name].serving()
        if all(member.address for member in self.members.values()):
            self._stubs = self.open_stubs()

    async def stop(self) -> None:
        """Stop the processes; the directories and the sandbox stay."""
        if hasattr(self, "_stubs"):
            await self._stubs.close()
            del self._stubs
        await asyncio.gather(*(member.end() for member in self.members.values()))

    async def close(self) -> None:
        """Stop everything, and remove the directories."""
        try:
            await super().close()
        finally:
            await self._stack.aclose()

    async def restart(self, service: str, number: int = signal.SIGTERM) -> None:
        """End one process by a signal, and start it again on the same address."""
        member = self.members[service]
        await member.end(number)
        await member.start()
        await member.serving()

    def open_stubs(self) -> FleetStubs:
        """Return the services as another client calls them, each on a connection of its own."""
        return FleetStubs({name: self.channel_to(name) for name in SERVICES})

    def channel_to(self, service: str) -> grpc.aio.Channel:
        """Return a channel to a service's public listener."""
        address = self.members[service].address
        if self.shape is Shape.FOUR:
            return grpc.aio.insecure_channel(address)
        authority = (self.root / "pki" / "ca.pem").read_bytes()
        return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(authority))

    @property
    def client(self) -> dict[str, str]:
        """Return the variables with which the command line reaches it."""
        addresses = ",".join(f"{name}={each.address}" for name, each in self.members.items())
        variables = {
            "TRUNKLINE_ADDRESS": addresses,
            "TRUNKLINE_TOKEN": self.admin[0][1].removeprefix("Bearer "),
        }
        if self.shape is Shape.FOUR_SECURE:
            variables["TRUNKLINE_CA_FILE"] = str(self.root / "pki" / "ca.pem")
        return variables

    async def _prepare(self) -> None:
        """Make certificates, databases and the environment of each process."""
        free = free_ports(2 * len(SERVICES))
        ports = dict(zip(SERVICES, free, strict=False))
        internal = dict(zip(SERVICES, free[len(SERVICES) :], strict=True))
        shared: dict[str, str] = {
            f"TRUNKLINE_{name.upper()}": str(value)
            for name, value in {**TESTED_WITH, **self._settings}.items()
        }
        shared["TRUNKLINE_CONFIG_DIR"] = str(self.root / "config")
        url = ""
        if self.shape is Shape.FOUR_SECURE:
            if self._postgres is not None:
                url = await self._stack.enter_async_context(self._postgres.database())
            made = await run("pki", "init", "--directory", str(self.root / "pki"))
            assert made.code == 0, made.err
        for name in SERVICES:
            env = {**shared, "TRUNKLINE_LISTEN": f"127.0.0.1:{ports[name]}"}
            # Settings of one service are unknown to none of the others.
            if self.shape is Shape.FOUR:
                env["TRUNKLINE_DATA_DIR"] = str(self.root / "data")
            else:
                env["TRUNKLINE_DATA_DIR"] = str(self.root / f"data-{name}")
                if url:
                    env["TRUNKLINE_DATABASE_URL"] = url
                env.update(_secure(self.root / "pki" / name, name, internal))
            self.members[name] = Member(name, env, self.root / f"{name}.log")


def make_fleet(request: pytest.FixtureRequest, shape: Shape, **arguments: Any) -> Fleet:
    """Return a fleet of a shape, with what the shape needs.

    Args:
        request: gives the PostgreSQL server where one is needed.
        shape: not ONE.
        arguments: further ones of the Fleet.
    """
    postgres = request.getfixturevalue("postgres") if shape is Shape.FOUR_SECURE else None
    return Fleet(shape, postgres=postgres, **arguments)


class FleetStubs(Stubs):
    """The public services, each called over its own channel.

    Args:
        channels: by service.
    """

    def __init__(self, channels: Mapping[str, grpc.aio.Channel]) -> None:
        self.channels = channels
        self.channel = channels["inference"]
        self.inference = inference_service_pb2_grpc.InferenceServiceStub(channels["inference"])
        self.catalog = catalog_service_pb2_grpc.CatalogServiceStub(channels["catalog"])
        self.credentials = credential_service_pb2_grpc.CredentialServiceStub(channels["credential"])
        self.access = access_pb2_grpc.AccessServiceStub(channels["credential"])
        self.health = health_service_pb2_grpc.HealthServiceStub(channels["health"])

    async def close(self) -> None:
        """Close the channels."""
        for channel in self.channels.values():
            await channel.close()


def _secure(folder: Path, service: str, ports: Mapping[str, int]) -> dict[str, str]:
    """Return the settings of a process that speaks TLS."""
    return {
        "TRUNKLINE_INTERNAL_LISTEN": f"127.0.0.1:{ports[service]}",
        "TRUNKLINE_INTERNAL_CERTIFICATE_FILE": str(folder / "internal.pem"),
        "TRUNKLINE_INTERNAL_KEY_FILE": str(folder / "internal-key.pem"),
        "TRUNKLINE_INTERNAL_CA_FILE": str(folder / "ca.pem"),
        "TRUNKLINE_PUBLIC_CERTIFICATE_FILE": str(folder / "public.pem"),
        "TRUNKLINE_PUBLIC_KEY_FILE": str(folder / "public-key.pem"),
        **{
            f"TRUNKLINE_{name.upper()}_ADDRESS": f"127.0.0.1:{port}"
            for name, port in ports.items()
            if name != service
        },
    }
