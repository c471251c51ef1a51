"""The health service for real, and the outcomes that it is told of."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.duration_pb2 import Duration

from support.service_calls import ADMIN, DEVELOPER, Metadata, Reading, eventually
from support.service_harness import ServiceHarness
from trunkline.health.app import HealthService
from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import failure_pb2, provider_pb2
from trunkline.kernel.clock import duration

OK = health_pb2.ENDPOINT_STATUS_OK
DEGRADED = health_pb2.ENDPOINT_STATUS_DEGRADED
UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE
UNKNOWN = health_pb2.ENDPOINT_STATUS_UNSPECIFIED

SILENT = failure_pb2.ERROR_KIND_SILENT
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED

# What is new is probed within that, and all else within a minute and what varies of it.
SOON_S = 2.0
MINUTE_S = 75.0


def outcome(
    model: str = "openai/a",
    kind: int = 0,
    *,
    key: str = "",
    first_ms: int = -1,
    ms: int = -1,
    wait_s: float = 0.0,
    trial: str = "",
) -> health_service_pb2.Outcome:
    """Return the outcome of one attempt; a negative time is left out, and a wait of 0."""
    made = health_service_pb2.Outcome(
        route=health_pb2.RouteKey(model=model, credential_id=key),
        kind=failure_pb2.ErrorKind.ValueType(kind),
        trial_id=trial,
    )
    if wait_s:
        made.retry_after.CopyFrom(duration(wait_s))
    if first_ms >= 0:
        made.time_to_first_token.CopyFrom(Duration(nanos=first_ms * 1_000_000))
    if ms >= 0:
        made.duration.CopyFrom(Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000))
    return made


def answered(
    verdict: provider_pb2.Verdict.ValueType = provider_pb2.VERDICT_VALID,
    *,
    seconds: float | None = 0.1,
    status: int = 0,
    words: str = "",
    retry_after_s: float = 0.0,
) -> provider_pb2.ProbeProviderResponse:
    """Return what inference tells of a probe.

    Args:
        verdict: on the key.
        seconds: until the end of the list; None: there was no answer.
        status: of HTTP, of a refusal.
        words: of the provider, as message and as body.
        retry_after_s: how long it asks to wait; 0: it does not.
    """
    response = provider_pb2.ProbeProviderResponse(
        verification=provider_pb2.Verification(verdict=verdict, message="Said by us.")
    )
    if seconds is not None:
        response.latency.CopyFrom(duration(seconds))
    if status:
        response.verification.reply.CopyFrom(
            failure_pb2.ProviderReply(http_status=status, code="c", message=words, body=words)
        )
    if retry_after_s:
        response.verification.reply.retry_after.CopyFrom(duration(retry_after_s))
    return response


class HealthHarness(ServiceHarness):
    """The health service, with the calls that tests make most.

    Args:
        root: an empty directory.
        url: of its PostgreSQL database; empty: SQLite in the directory.
    """

    def __init__(self, root: Path, url: str = "") -> None:
        super().__init__(HealthService, root, ("inference", "catalog"), url)

    @property
    def stub(self) -> health_service_pb2_grpc.HealthServiceAsyncStub:
        """A stub on the public listener."""
        return health_service_pb2_grpc.HealthServiceStub(self._public)

    def internal_stub(self, caller: str) -> health_service_pb2_grpc.HealthServiceAsyncStub:
        """Return a stub on the listener for a service."""
        return health_service_pb2_grpc.HealthServiceStub(self._internal[caller])

    async def get(
        self, provider: str = "openai", metadata: Metadata = DEVELOPER
    ) -> health_pb2.ProviderHealth:
        """Get a provider's state."""
        request = health_service_pb2.GetHealthRequest(provider=provider)
        return (await self.stub.GetHealth(request, metadata=metadata)).health

    async def state(
        self, provider: str = "openai", metadata: Metadata = DEVELOPER
    ) -> health_pb2.ProviderHealth:
        """Get a provider's state as it is watched: without what cools, whose time runs."""
        state = await self.get(provider, metadata)
        state.ClearField("cooldowns")
        return state

    async def check(self, provider: str = "") -> list[health_pb2.ProviderHealth]:
        """Probe a provider now, or all, as an administrator."""
        request = health_service_pb2.CheckNowRequest(provider=provider)
        return list((await self.stub.CheckNow(request, metadata=ADMIN)).healths)

    async def snapshots(
        self, metadata: Metadata = ADMIN, **fields: Any
    ) -> health_service_pb2.ListSnapshotsResponse:
        """List snapshots."""
        request = health_service_pb2.ListSnapshotsRequest(**fields)
        return await self.stub.ListSnapshots(request, metadata=metadata)

    def probes(self, provider: str = "openai") -> list[provider_pb2.ProbeProviderRequest]:
        """Return the probes of a provider that inference was asked for."""
        return [request for request in self.inference.requests if request.name == provider]

    async def known(self, provider: str) -> None:
        """Wait until there is a provider."""
        await eventually(self.names, lambda names: provider in names)

    async def names(self) -> list[str]:
        """Return the names of the providers that it knows."""
        request = health_service_pb2.ListHealthRequest(page_size=1000)
        page = await self.stub.ListHealth(request, metadata=ADMIN)
        return [state.provider for state in page.healths]

    async def first_probe(self, provider: str = "openai") -> health_pb2.ProviderHealth:
        """Wait until a new provider was probed by the timer, and return its state then."""
        await self.known(provider)
        return await self.turned(SOON_S, provider, lambda state: state.HasField("check_time"))

    async def next_probe(self, provider: str = "openai") -> health_pb2.ProviderHealth:
        """Let a minute pass until a provider is probed by the timer; return its state then."""
        before = (await self.get(provider)).check_time
        return await self.turned(MINUTE_S, provider, lambda state: state.check_time != before)

    async def turned(
        self, seconds: float, provider: str, good: Callable[[health_pb2.ProviderHealth], bool]
    ) -> health_pb2.ProviderHealth:
        """Let time pass until a provider's state is good, and return it as an administrator.

        Args:
            seconds: how much; again when the service did not count yet, as at its start.
            provider: its name.
            good: tells whether a state is what is waited for.
        """
        turned_at = 0.0
        # A minute that was turned twice would be two.
        again_s = 0.3 if seconds <= SOON_S else 0.8

        async def look() -> health_pb2.ProviderHealth:
            nonlocal turned_at
            if time.monotonic() - turned_at >= again_s:
                turned_at = time.monotonic()
                self.clock.turn(seconds)
            return await self.get(provider, ADMIN)

        return await eventually(look, good)

    async def report(self, *outcomes: health_service_pb2.Outcome) -> list[health_pb2.Cooldown]:
        """Report outcomes as inference; return the cooldowns that are answered."""
        request = health_service_pb2.ReportOutcomesRequest(outcomes=outcomes)
        return list((await self.internal_stub("inference").ReportOutcomes(request)).cooldowns)

    async def acquire(
        self, model: str = "openai/a", key: str = "", *, ttl_s: float = 0.0
    ) -> health_service_pb2.AcquireTrialResponse:
        """Ask for a trial as inference; a time of 0 is left out."""
        route = health_pb2.RouteKey(model=model, credential_id=key)
        request = health_service_pb2.AcquireTrialRequest(route=route)
        if ttl_s:
            request.ttl.CopyFrom(duration(ttl_s))
        return await self.internal_stub("inference").AcquireTrial(request)

    async def granted(self, model: str = "openai/a", key: str = "", *, ttl_s: float = 0.0) -> str:
        """Ask for a trial until it is granted; return its id."""
        answer = await eventually(
            lambda: self.acquire(model, key, ttl_s=ttl_s), lambda answer: bool(answer.trial_id)
        )
        return answer.trial_id

    def watch(self, after_revision: int = 0, *, cooldowns_only: bool = False) -> Reading:
        """Read the watch as a service."""
        return Reading(
            self.internal_stub("inference").WatchHealth(
                health_service_pb2.WatchHealthRequest(
                    after_revision=after_revision, cooldowns_only=cooldowns_only
                )
            )
        )
