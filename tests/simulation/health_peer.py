"""Health as the replicas meet it: its real rules, behind a wire of virtual time.

Only its database is not there: what cools is kept in memory, one transaction after the
other, each with the time that a commit takes.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any, cast

import grpc

from simulation.record import Record
from trunkline.health.cooldown import Cooldown
from trunkline.health.cooldown_message import describe, describe_closed, route_of
from trunkline.health.cooldown_register import CooldownRegister, Decision
from trunkline.health.cooldowns import Cooldowns
from trunkline.health.route import Route
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.kernel.clock import Clock
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

# One way to health or back.
_WAY_S = (0.001, 0.005)
_COMMIT_S = 0.003
# Until a change that was committed has come to a replica that watches.
_PUSH_S = (0.05, 0.2)
_HEARTBEAT_S = 1.0


class MemoryRegister:
    """Keeps what cools as `CooldownRegister` does, without a database.

    Args:
        clock: the time of all.

    Attributes:
        held: what cools.
        on_told: is called with each change.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._writer = asyncio.Lock()
        self.held: dict[Route, Cooldown] = {}
        self.revision = 0
        self.on_told: Callable[[health_pb2.Cooldown], None] = lambda _: None

    def on_hear(self, listener: Callable[[], None]) -> None:
        """Do nothing: there is no other process of health to hear of."""

    def time_ns(self) -> int:
        """Return the time in nanoseconds since 1970."""
        return self._clock.time_ns()

    async def change(self, models: Collection[str], decide: Decision) -> list[Cooldown]:
        """Decide by what is kept, keep and tell it; return what that closed."""
        async with self._writer:
            kept = {route: each for route, each in self.held.items() if route.model in models}
            changes = decide(kept, self.time_ns(), self.revision + 1)
            # One that changes nothing has waited for its turn all the same.
            await asyncio.sleep(_COMMIT_S)
        closed = [kept[route] for route, each in changes.items() if each is None]
        then = self.held | changes
        self.held = {route: each for route, each in then.items() if each is not None}
        if changes:
            self.revision += 1
        for each in changes.values():
            if each is not None:
                self.on_told(describe(each, self.time_ns()))
        for each in closed:
            self.on_told(describe_closed(each))
        return closed


class Watch:
    """One replica's WatchHealth: what is told comes in its order, each with a delay.

    Args:
        draw: of the delays.
        on_cancel: is told when nobody reads any more.
    """

    def __init__(self, draw: random.Random, on_cancel: Callable[[Watch], None]) -> None:
        self._draw = draw
        self._on_cancel = on_cancel
        # The newest come in time; a reader takes them as they come.
        self._coming: asyncio.Queue[tuple[float, health_service_pb2.WatchHealthResponse | None]] = (
            asyncio.Queue()
        )

    def tell(self, message: health_service_pb2.WatchHealthResponse | None) -> None:
        """Send a message; None: the stream breaks."""
        due = asyncio.get_running_loop().time() + self._draw.uniform(*_PUSH_S)
        self._coming.put_nowait((due, message))

    def __aiter__(self) -> Watch:
        """Read it."""
        return self

    async def __anext__(self) -> health_service_pb2.WatchHealthResponse:
        """Return the next message when it has come."""
        due, message = await self._coming.get()
        await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        if message is None:
            raise _fail(grpc.StatusCode.UNAVAILABLE)
        return message

    def cancel(self) -> None:
        """Read no more."""
        self._on_cancel(self)


class HealthPeer:
    """The health service, one for all replicas.

    Args:
        catalog, credentials: views of what there is.
        clock: the time of all.
        draw: of delays.
        record: is told of what cools.

    Attributes:
        is_away: it does not answer.
    """

    def __init__(
        self,
        catalog: CatalogView,
        credentials: CredentialView,
        clock: Clock,
        draw: random.Random,
        record: Record,
    ) -> None:
        self._register = MemoryRegister(clock)
        self._register.on_told = self._tell
        # What it asks of a register is what the one above has.
        register = cast(CooldownRegister, self._register)
        self._cooldowns = Cooldowns(register, catalog, credentials)
        self._draw = draw
        self._record = record
        # In their order, so that a seed gives the same delays again.
        self._watches: list[Watch] = []
        self.is_away = False

    async def run(self) -> None:
        """Say each second that nothing changed, until cancelled."""
        while True:
            await asyncio.sleep(_HEARTBEAT_S)
            for watch in self._watches:
                watch.tell(self._response(heartbeat={}))

    def leave(self) -> None:
        """Be away: watches are cut, and nothing is answered."""
        self.is_away = True
        for watch in self._watches:
            watch.tell(None)

    def come_back(self) -> None:
        """Answer again, and know what cooled before."""
        self.is_away = False

    async def report_outcomes(
        self, request: health_service_pb2.ReportOutcomesRequest
    ) -> health_service_pb2.ReportOutcomesResponse:
        """Answer ReportOutcomes."""
        cooldowns = await self._cooldowns.note(request.outcomes)
        return health_service_pb2.ReportOutcomesResponse(cooldowns=cooldowns)

    async def acquire_trial(
        self, request: health_service_pb2.AcquireTrialRequest
    ) -> health_service_pb2.AcquireTrialResponse:
        """Answer AcquireTrial."""
        self._record.note_trial_ask()
        trial_id, cooldown = await self._cooldowns.acquire(
            route_of(request.route), request.ttl.ToNanoseconds()
        )
        if trial_id:
            provider = request.route.model.partition("/")[0]
            self._record.trials.append((self._record.now(), provider))
        return health_service_pb2.AcquireTrialResponse(trial_id=trial_id, cooldown=cooldown)

    def watch_health(self, request: Any, *, metadata: Any) -> Watch:
        """Answer WatchHealth: what cools, then every change."""
        del request, metadata
        watch = Watch(self._draw, self._forget)
        if self.is_away:
            watch.tell(None)
            return watch
        now_ns = self._register.time_ns()
        page = health_service_pb2.HealthPage(
            cooldowns=[describe(each, now_ns) for each in self._register.held.values()]
        )
        watch.tell(self._response(snapshot_page=page))
        watch.tell(self._response(snapshot_complete={}))
        self._watches.append(watch)
        return watch

    def channel(self) -> grpc.aio.Channel:
        """Return a channel of one replica to it."""
        return cast(grpc.aio.Channel, _Line(self))

    async def cross(self) -> None:
        """Go the way to health, or back.

        Raises:
            AioRpcError: UNAVAILABLE.
        """
        await asyncio.sleep(self._draw.uniform(*_WAY_S))
        if self.is_away:
            raise _fail(grpc.StatusCode.UNAVAILABLE)

    def _forget(self, watch: Watch) -> None:
        """Tell a watch nothing more."""
        self._watches = [each for each in self._watches if each is not watch]

    def _tell(self, cooldown: health_pb2.Cooldown) -> None:
        """Tell all who watch of a change."""
        provider = cooldown.route.model.partition("/")[0]
        self._record.changes.append((self._record.now(), provider, cooldown))
        for watch in self._watches:
            watch.tell(self._response(cooldown=cooldown))

    def _response(self, **kind: Any) -> health_service_pb2.WatchHealthResponse:
        """Return a message of a watch."""
        return health_service_pb2.WatchHealthResponse(revision=self._register.revision, **kind)


class _Line:
    """As much of a channel as the stubs of a replica ask for.

    Args:
        peer: at its other end.
    """

    def __init__(self, peer: HealthPeer) -> None:
        self._peer = peer
        self._methods: dict[str, Callable[[Any], Awaitable[Any]]] = {
            "ReportOutcomes": peer.report_outcomes,
            "AcquireTrial": peer.acquire_trial,
        }

    def unary_unary(self, path: str, **_: Any) -> Any:
        """Return what calls a method; None: nobody here does."""
        method = self._methods.get(path.rpartition("/")[2])
        if method is None:
            return None

        async def call(request: Any, *, timeout: float, metadata: Any) -> Any:
            del metadata
            try:
                async with asyncio.timeout(timeout):
                    await self._peer.cross()
                    # Who asks may leave: what was begun is done all the same.
                    answer = await asyncio.shield(asyncio.ensure_future(method(request)))
                    await self._peer.cross()
            except TimeoutError:
                raise _fail(grpc.StatusCode.DEADLINE_EXCEEDED) from None
            return answer

        return call

    def unary_stream(self, path: str, **_: Any) -> Any:
        """Return what calls a method that answers with a stream; None: nobody here does."""
        return self._peer.watch_health if path.endswith("/WatchHealth") else None


def _fail(code: grpc.StatusCode) -> grpc.aio.AioRpcError:
    """Return what a call to a service that does not answer ends with."""
    nothing = grpc.aio.Metadata()
    return grpc.aio.AioRpcError(code, nothing, nothing)
