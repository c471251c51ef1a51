"""The services of one process: one public listener, and sockets for the services inside.

Which service calls is told by the socket that it calls on, in a directory that only this
user can enter: `{data_dir}/run/{callee}.{caller}.sock`. All four in one process and one
in each of four processes are the same code.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

import grpc

from trunkline.catalog.app import CatalogService
from trunkline.credential.app import CredentialService
from trunkline.credential.settings import CredentialSettings
from trunkline.health.app import HealthService
from trunkline.inference.app import InferenceService
from trunkline.inference.settings import InferenceSettings
from trunkline.kernel.call import Caller
from trunkline.kernel.channel import connect
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.log import get_logger
from trunkline.kernel.server import (
    AddressInUse,
    Listener,
    is_loopback,
    prepare_directory,
    prepare_socket,
    stop_all,
)
from trunkline.kernel.service import Service, StartupError, Surroundings
from trunkline.kernel.settings import ProcessSettings, Settings, Source
from trunkline.options.v1 import options_pb2
from trunkline.views.access import AccessView

log = get_logger("trunkline.suite")

SERVICES: dict[str, Callable[[Surroundings], Service]] = {
    "credential": CredentialService,
    "catalog": CatalogService,
    "health": HealthService,
    "inference": InferenceService,
}
SETTINGS: tuple[type[Settings], ...] = (ProcessSettings, CredentialSettings, InferenceSettings)

# A unix socket's path is limited to 107 bytes; longer data directories get a short one.
_MAX_SOCKET_PATH = 100
_TICK_S = 0.5


class Suite:
    """Some or all of the four services, started and stopped together.

    Args:
        source: of the settings.
        names: of the services; all by default.
        clock: the time; None: the machine's.
    """

    def __init__(
        self,
        source: Source,
        names: Sequence[str] = tuple(SERVICES),
        clock: Clock | None = None,
    ) -> None:
        source.check_names(SETTINGS)
        self.process = source.load(ProcessSettings)
        self._clock = clock or SystemClock()
        self._sockets = _socket_directory(self.process.data_dir)
        self._channels: dict[tuple[str, str], grpc.aio.Channel] = {}
        self._locks: dict[str, IO[bytes]] = {}
        self.services = {
            name: SERVICES[name](
                Surroundings(self.process, source, self._clock, self._opener(name))
            )
            for name in names
        }
        self.access = AccessView(
            self._channel(names[0], "credential"),
            self._clock,
            max_staleness_s=self.process.max_security_staleness_s,
        )
        self._public: Listener | None = None
        self._internal: list[Listener] = []
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Return the public listener's address, once it listens."""
        return self._public.address if self._public is not None else ""

    async def start(self) -> None:
        """Start everything; when this returns, every service is serving.

        Raises:
            StartupError, DatabaseError, SettingsError: what is wrong and what to do.
        """
        try:
            self._lock()
            # One after the other: what fails first is what is told.
            for service in self.services.values():
                await service.open()
            await self._listen()
        except BaseException:
            await self.stop(0.0)
            raise
        runners = [service.run() for service in self.services.values()]
        for runner in (*runners, self.access.follower.run(), self._tick()):
            self._tasks.append(asyncio.create_task(self._guard(runner)))  # type: ignore[arg-type] # coroutines all

    async def stop(self, grace: float | None = None) -> None:
        """Stop: begin nothing new, let runs end within the grace, then close everything."""
        grace = self.process.stop_grace_s if grace is None else grace
        if self._public is not None:
            await self._public.drain()
        await asyncio.gather(*(service.drain(grace) for service in self.services.values()))
        listeners = [listener for listener in (self._public, *self._internal) if listener]
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await stop_all(listeners, min(grace, 0.5))
        await asyncio.gather(*(channel.close() for channel in self._channels.values()))
        for service in self.services.values():
            await service.close()
        for name, lock in self._locks.items():
            for caller in SERVICES:
                (self._sockets / f"{name}.{caller}.sock").unlink(missing_ok=True)
            lock.close()
        self._locks.clear()

    def _lock(self) -> None:
        """Make sure that nobody else serves the same services from this data directory.

        Raises:
            StartupError: somebody does, or the directory cannot be written.
        """
        directory = self.process.data_dir
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            prepare_directory(self._sockets)
            for name in self.services:
                lock = (self._sockets / f"{name}.lock").open("ab")
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    lock.close()
                    raise
                self._locks[name] = lock
        except BlockingIOError:
            raise StartupError(
                f"The data directory {directory} is in use by another Trunkline.",
                "Stop that one, or choose another directory with --data-dir.",
            ) from None
        except OSError as error:
            raise StartupError(
                f"The data directory {directory} cannot be used: {error.strerror or error}.",
                "Choose another one with --data-dir or TRUNKLINE_DATA_DIR, or mend its rights.",
            ) from None

    async def _listen(self) -> None:
        """Open the listeners, internal ones first."""
        registrations = [
            registration
            for service in self.services.values()
            for registration in service.registrations()
        ]
        limit = self.process.max_message_bytes
        for caller in SERVICES:
            identity = Caller(options_pb2.CALLER_ROLE_SERVICE, caller)
            listener = Listener(
                Interceptor(identity=identity), internal=True, max_message_bytes=limit
            )
            listener.add(registrations)
            await listener.start(
                *(prepare_socket(self._sockets / f"{name}.{caller}.sock") for name in self.services)
            )
            self._internal.append(listener)
        if not is_loopback(self.process.listen):
            raise StartupError(
                f"The address {self.process.listen} can be reached from other machines, and"
                " tokens and keys would travel there in the clear.",
                "Listen on 127.0.0.1, and put something in front that speaks TLS.",
            )
        interceptor = Interceptor(authenticator=self.access, max_calls=self.process.max_calls)
        self.access.on_end(lambda token_id, _: interceptor.end_calls_of(token_id))
        self.access.on_end(self._end_runs)
        public = Listener(interceptor, internal=False, max_message_bytes=limit)
        public.add(registrations)
        public.add_public_tools(self.process.listen)
        try:
            await public.start(self.process.listen)
        except AddressInUse as error:
            raise StartupError(
                f"The address {error.address} cannot be listened on: it is taken, or not this"
                " machine's.",
                "Stop what uses it, or choose another one with --listen or TRUNKLINE_LISTEN.",
            ) from None
        self._public = public
        await public.serving()

    def _end_runs(self, token_id: str, principal: str) -> None:
        """End the runs of a principal whose last token ended."""
        del token_id
        inference = self.services.get("inference")
        if isinstance(inference, InferenceService) and not self.access.has_token(principal):
            inference.end_runs_of(principal)

    def _opener(self, caller: str) -> Callable[[str], grpc.aio.Channel]:
        """Return what opens channels in a service's name."""
        return lambda peer: self._channel(caller, peer)

    def _channel(self, caller: str, peer: str) -> grpc.aio.Channel:
        """Return the channel from one service to another."""
        key = (caller, peer)
        if key not in self._channels:
            self._channels[key] = connect(self._sockets / f"{peer}.{caller}.sock")
        return self._channels[key]

    async def _tick(self) -> None:
        """Do what is due about each second."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.access.expire()

    async def _guard(self, work: asyncio.Future[None]) -> None:
        """Let no background work die unseen."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error("background_work_failed", exc_info=error)
            raise


def _socket_directory(data_dir: Path) -> Path:
    """Return the directory of the internal sockets."""
    directory = data_dir / "run"
    if len(str(directory / "credential.credential.sock")) <= _MAX_SOCKET_PATH:
        return directory

    digest = hashlib.sha256(str(data_dir.resolve()).encode()).hexdigest()[:16]
    runtime = Path(os.environ.get("XDG_RUNTIME_DIR", "/tmp"))  # noqa: S108 - a 0700 directory of ours below it
    return runtime / f"trunkline-{os.getuid()}-{digest}"
