"""The services of one process: one public listener, and lines between the services.

All four in one process and one in each of four processes are the same code.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence

from trunkline.catalog.app import CatalogService
from trunkline.configuration import SETTINGS
from trunkline.credential.app import CredentialService
from trunkline.health.app import HealthService
from trunkline.inference.app import InferenceService
from trunkline.kernel.certificates import Certificates
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.database import Database
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.log import get_logger
from trunkline.kernel.network import NetworkSettings
from trunkline.kernel.server import AddressInUse, Listener, stop_all
from trunkline.kernel.service import Service, Surroundings, WatchedView
from trunkline.kernel.settings import ProcessSettings, Source
from trunkline.process.servicer import ProcessServicer
from trunkline.process.v1 import process_pb2, process_pb2_grpc
from trunkline.views.access import AccessView
from trunkline.wiring import Wiring, address_taken

log = get_logger("trunkline.suite")

SERVICES: dict[str, Callable[[Surroundings], Service]] = {
    "credential": CredentialService,
    "catalog": CatalogService,
    "health": HealthService,
    "inference": InferenceService,
}
_TICK_S = 0.5


class Suite:
    """Some or all of the four services, started and stopped together.

    Args:
        source: of the settings.
        names: of the services; all by default.
        clock: the time; None: the machine's.

    Attributes:
        failed: is set when background work died of a fault: the process serves, and does not
            do what it says any more.
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
        self._wiring = Wiring(
            self.process, source.load(NetworkSettings), names, SERVICES, self._clock
        )
        self.services = {
            name: SERVICES[name](
                Surroundings(
                    self.process, source, self._clock, self._wiring.opener(name), self._may_run
                )
            )
            for name in names
        }
        self.access = AccessView(
            self._wiring.channel(names[0], "credential"),
            self._clock,
            max_staleness_s=self.process.max_security_staleness_s,
        )
        self.failed = asyncio.Event()
        self._public: Listener | None = None
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def address(self) -> str:
        """Return the public listener's address, once it listens."""
        return self._public.address if self._public is not None else ""

    @property
    def own_address(self) -> str:
        """Return where this process itself calls its public listener, in the clear."""
        return self._public.addresses[-1] if self._public is not None else ""

    @property
    def is_secure(self) -> bool:
        """Tell whether others call the public listener on TLS."""
        return self._public is not None and self._public.is_secure

    def names(self) -> list[str]:
        """Return the services of this process."""
        return list(self.services)

    def listeners(self) -> Iterator[process_pb2.Listener]:
        """Return where the process listens."""
        for listener in self._all_listeners():
            for address in listener.addresses:
                is_socket = address.startswith("unix:")
                yield process_pb2.Listener(
                    address=address,
                    internal=listener.is_internal,
                    tls=listener.is_secure and not is_socket,
                )

    def certificates(self) -> list[Certificates]:
        """Return the certificates that the process shows."""
        return self._wiring.certificates

    def databases(self) -> Iterator[Database]:
        """Return the databases of the services."""
        for service in self.services.values():
            if service.database is not None:
                yield service.database

    def views(self) -> Iterator[tuple[str, WatchedView]]:
        """Return what the services watch, each with the service's name."""
        yield "process", self.access.watched
        for name, service in self.services.items():
            for view in service.views:
                yield name, view

    async def start(self) -> None:
        """Start everything; when this returns, every service is serving.

        Raises:
            StartupError, DatabaseError, SettingsError: what is wrong and what to do.
        """
        try:
            self._wiring.lock()
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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await stop_all(self._all_listeners(), min(grace, 0.5))
        await self._wiring.close()
        for service in self.services.values():
            await service.close()
        self._wiring.unlock()

    def _all_listeners(self) -> list[Listener]:
        """Return the listeners that listen, the public one first."""
        public = [self._public] if self._public is not None else []
        return [*public, *self._wiring.listeners]

    async def _listen(self) -> None:
        """Open the listeners, internal ones first."""
        registrations = [
            registration
            for service in self.services.values()
            for registration in service.registrations()
        ]
        await self._wiring.listen(registrations)
        credentials = self._wiring.public_credentials()
        interceptor = Interceptor(authenticator=self.access, max_calls=self.process.max_calls)
        self.access.on_end(lambda token_id, _: interceptor.end_calls_of(token_id))
        self.access.on_end(self._end_runs)
        public = Listener(
            interceptor,
            internal=False,
            max_message_bytes=self.process.max_message_bytes,
            shares_port=self.process.shares_port,
        )
        public.add(registrations)
        servicer = ProcessServicer(self, self._clock)
        public.add([(servicer, process_pb2_grpc.add_ProcessServiceServicer_to_server)])
        public.add_public_tools(self.process.listen)
        try:
            # On TLS we could not call ourselves: what the certificate is for is not known.
            own = [self._wiring.own_socket()] if credentials is not None else []
            await public.start(self.process.listen, *own, credentials=credentials)
        except AddressInUse as error:
            raise address_taken(error.address, "--listen or TRUNKLINE_LISTEN") from None
        self._public = public
        await public.serving()

    def _may_run(self, principal: str) -> bool:
        """Tell whether a principal has a valid token; before that is known, it may."""
        return not self.access.follower.is_ready or self.access.has_token(principal)

    def _end_runs(self, token_id: str, principal: str) -> None:
        """End the runs of a principal whose last token ended."""
        del token_id
        inference = self.services.get("inference")
        if isinstance(inference, InferenceService) and not self.access.has_token(principal):
            inference.end_runs_of(principal)

    async def _tick(self) -> None:
        """Do what is due about each second."""
        while True:
            await asyncio.sleep(_TICK_S)
            self.access.expire()
            self._wiring.refresh()

    async def _guard(self, work: asyncio.Future[None]) -> None:
        """Let no background work die unseen."""
        try:
            await work
        except asyncio.CancelledError:
            raise
        except BaseException as error:
            log.error("background_work_failed", exc_info=error)
            self.failed.set()
            raise
