"""HealthService: gRPC in and out."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final, cast

import grpc

from trunkline.health.cooldown_message import route_of
from trunkline.health.cooldown_register import CooldownRegister
from trunkline.health.cooldowns import TRIAL_NS, Cooldowns
from trunkline.health.history import History
from trunkline.health.prober import Prober
from trunkline.health.recorder import Recorder
from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.health.words import (
    may_read_words,
    withhold,
    withhold_cooldowns,
    withhold_healths,
    without_words,
)
from trunkline.kernel.call import current_caller
from trunkline.kernel.page_token import (
    DEFAULT_PAGE_SIZE,
    cut_page,
    decode_page_token,
    encode_page_token,
)

Context = grpc.aio.ServicerContext[Any, Any]

_MAX_CHECKED: Final = 100
_PROVIDER_KEY: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


class HealthServicer(health_service_pb2_grpc.HealthServiceServicer):
    """Answers how providers fare.

    Args:
        recorder: how providers fare.
        register: what cools.
        cooldowns: what outcomes and trials make of it.
        history: how they fared.
        prober: finds out.
    """

    def __init__(
        self,
        recorder: Recorder,
        register: CooldownRegister,
        cooldowns: Cooldowns,
        history: History,
        prober: Prober,
    ) -> None:
        self._recorder = recorder
        self._register = register
        self._cooldowns = cooldowns
        self._history = history
        self._prober = prober

    async def GetHealth(
        self, request: health_service_pb2.GetHealthRequest, context: Context
    ) -> health_service_pb2.GetHealthResponse:
        """Tell how one provider fares."""
        del context
        health = await self._recorder.get(request.provider)
        return health_service_pb2.GetHealthResponse(health=self._complete(health))

    async def ListHealth(
        self, request: health_service_pb2.ListHealthRequest, context: Context
    ) -> health_service_pb2.ListHealthResponse:
        """Tell how every provider fares."""
        del context
        size = request.page_size or DEFAULT_PAGE_SIZE
        healths = await self._recorder.page(
            after=decode_page_token(request.page_token, _PROVIDER_KEY), size=size + 1
        )
        page, more = cut_page(healths, size)
        return health_service_pb2.ListHealthResponse(
            healths=map(self._complete, page),
            next_page_token=encode_page_token(page[-1].provider) if more else "",
        )

    async def ListSnapshots(
        self, request: health_service_pb2.ListSnapshotsRequest, context: Context
    ) -> health_service_pb2.ListSnapshotsResponse:
        """Page through past probes."""
        del context
        if request.provider:
            await self._recorder.get(request.provider)
        response = await self._history.page(request)
        if not may_read_words(current_caller()):
            withhold(snapshot.verification for snapshot in response.snapshots)
        return response

    async def CheckNow(
        self, request: health_service_pb2.CheckNowRequest, context: Context
    ) -> health_service_pb2.CheckNowResponse:
        """Probe at once, and tell what is found."""
        del context
        if request.provider:
            await self._recorder.get(request.provider)
            await self._prober.check(request.provider)
        else:
            await self._prober.check_all()
        # The share of probes that were answered is counted where they are kept.
        await self._recorder.flush()
        if request.provider:
            healths = [await self._recorder.get(request.provider)]
        else:
            healths = await self._recorder.page(after=None, size=_MAX_CHECKED)
        return health_service_pb2.CheckNowResponse(healths=map(self._complete, healths))

    async def ReportOutcomes(
        self, request: health_service_pb2.ReportOutcomesRequest, context: Context
    ) -> health_service_pb2.ReportOutcomesResponse:
        """Note what attempts came to, and tell what cools by it."""
        del context
        await self._recorder.wait_known()
        # First: a report that cannot be taken comes again, and would be counted twice.
        cooldowns = await self._cooldowns.note(request.outcomes)
        await self._recorder.note(request.outcomes)
        return health_service_pb2.ReportOutcomesResponse(cooldowns=cooldowns)

    async def AcquireTrial(
        self, request: health_service_pb2.AcquireTrialRequest, context: Context
    ) -> health_service_pb2.AcquireTrialResponse:
        """Lease a half-open route to one of those who ask."""
        del context
        ttl_ns = request.ttl.ToNanoseconds() if request.HasField("ttl") else TRIAL_NS
        trial_id, cooldown = await self._cooldowns.acquire(route_of(request.route), ttl_ns)
        return health_service_pb2.AcquireTrialResponse(trial_id=trial_id, cooldown=cooldown)

    def WatchHealth(
        self, request: health_service_pb2.WatchHealthRequest, context: Context
    ) -> AsyncIterator[health_service_pb2.WatchHealthResponse]:
        """Send how everything fares, then every change."""
        del context
        if request.cooldowns_only:
            messages = self._register.follow(request.after_revision)
        else:
            messages = self._register.counted_out(self._recorder.follow(request.after_revision))
        if not may_read_words(current_caller()):
            messages = without_words(messages, self._cooldowns.is_personal)
        # Changes come as the bytes that the outbox holds, which the listener passes on.
        return cast(AsyncIterator[health_service_pb2.WatchHealthResponse], messages)

    def _complete(self, health: health_pb2.ProviderHealth) -> health_pb2.ProviderHealth:
        """Add what cools of a provider to its state, and withhold what is not for the caller."""
        health.cooldowns.extend(self._cooldowns.of_provider(health.provider))
        if not may_read_words(current_caller()):
            withhold_healths((health,))
            withhold_cooldowns(health.cooldowns, self._cooldowns.is_personal)
        return health
