"""Tell whether services serve: `grpc.health.v1`, open to all.

grpcio-health-checking's own servicer writes to a watcher with the service's lock held, so
that one watcher who does not read keeps the process from saying that it stops.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from trunkline.kernel.errors import NotFound

Response = health_pb2.HealthCheckResponse


class Readiness(health_pb2_grpc.HealthServicer):
    """Answers by service name; the empty name stands for the whole listener."""

    def __init__(self) -> None:
        self._states: dict[str, int] = {}
        self._stopping = False
        self._changed = asyncio.Event()

    def serve(self, *names: str) -> None:
        """Say of services that they are serving."""
        if not self._stopping:
            self._states.update(dict.fromkeys(names, Response.SERVING))
            self._wake()

    def stop(self) -> None:
        """Say of all services that they serve no more, for good."""
        self._stopping = True
        self._states = dict.fromkeys(self._states, Response.NOT_SERVING)
        self._wake()

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> Response:
        """Answer once.

        Raises:
            NotFound: SERVICE_NOT_FOUND: there is no such service here.
        """
        del context
        state = self._states.get(request.service)
        if state is None:
            raise NotFound("SERVICE_NOT_FOUND", "There is no such service here.")
        return Response(status=state)

    async def List(self, request: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
        """Answer once for every service here, as a `HealthListResponse`."""
        del request, context
        return health_pb2.HealthListResponse(  # type: ignore[attr-defined] # the stubs are older
            statuses={name: Response(status=state) for name, state in self._states.items()}
        )

    async def Watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext[Any, Any]
    ) -> AsyncIterator[Response]:
        """Answer now and after every change; a service that is not here may come yet."""
        del context
        last: int | None = None
        while True:
            changed = self._changed
            state = self._states.get(request.service, Response.SERVICE_UNKNOWN)
            if state != last:
                yield Response(status=state)
                last = state
            else:
                await changed.wait()

    def _wake(self) -> None:
        """Have every watcher look again."""
        self._changed.set()
        self._changed = asyncio.Event()
