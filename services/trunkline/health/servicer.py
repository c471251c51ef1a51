"""HealthService: gRPC in and out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import grpc

from trunkline.health.recorder import Recorder
from trunkline.health.v1 import health_service_pb2, health_service_pb2_grpc
from trunkline.kernel.page_token import DEFAULT_PAGE_SIZE, decode_page_token, encode_page_token

Context = grpc.aio.ServicerContext[Any, Any]

_PROVIDER_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class HealthServicer(health_service_pb2_grpc.HealthServiceServicer):
    """Answers how providers fare.

    Args:
        recorder: the domain.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    async def GetHealth(
        self, request: health_service_pb2.GetHealthRequest, context: Context
    ) -> health_service_pb2.GetHealthResponse:
        """Tell how one provider fares."""
        del context
        health = await self._recorder.get(request.provider)
        return health_service_pb2.GetHealthResponse(health=health)

    async def ListHealth(
        self, request: health_service_pb2.ListHealthRequest, context: Context
    ) -> health_service_pb2.ListHealthResponse:
        """Tell how every provider fares."""
        del context
        size = request.page_size or DEFAULT_PAGE_SIZE
        healths = await self._recorder.page(
            after=decode_page_token(request.page_token, _PROVIDER_KEY), size=size + 1
        )
        more = len(healths) > size
        return health_service_pb2.ListHealthResponse(
            healths=healths[:size],
            next_page_token=encode_page_token(healths[size - 1].provider) if more else "",
        )

    async def ReportOutcomes(
        self, request: health_service_pb2.ReportOutcomesRequest, context: Context
    ) -> health_service_pb2.ReportOutcomesResponse:
        """Note what attempts came to."""
        del context
        await self._recorder.note(request.outcomes)
        return health_service_pb2.ReportOutcomesResponse()

    def WatchHealth(
        self, request: health_service_pb2.WatchHealthRequest, context: Context
    ) -> AsyncIterator[health_service_pb2.WatchHealthResponse]:
        """Send how everything fares, then every change."""
        del context
        # Changes come as the bytes that the outbox holds, which the listener passes on.
        return cast(
            AsyncIterator[health_service_pb2.WatchHealthResponse],
            self._recorder.feed.follow(request.after_revision),
        )
