"""The health service for real, and the outcomes that it is told of."""

from __future__ import annotations

from pathlib import Path

from google.protobuf.duration_pb2 import Duration

from support.service_calls import DEVELOPER, Reading
from support.service_harness import ServiceHarness
from trunkline.health.app import HealthService
from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import failure_pb2

OK = health_pb2.ENDPOINT_STATUS_OK
UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE
UNKNOWN = health_pb2.ENDPOINT_STATUS_UNSPECIFIED

SILENT = failure_pb2.ERROR_KIND_SILENT
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED


def outcome(
    model: str = "openai/a", kind: int = 0, *, key: str = "", first_ms: int = -1, ms: int = -1
) -> health_service_pb2.Outcome:
    """Return the outcome of one attempt; a negative time is left out."""
    made = health_service_pb2.Outcome(
        route=health_pb2.RouteKey(model=model, credential_id=key),
        kind=failure_pb2.ErrorKind.ValueType(kind),
    )
    if first_ms >= 0:
        made.time_to_first_token.CopyFrom(Duration(nanos=first_ms * 1_000_000))
    if ms >= 0:
        made.duration.CopyFrom(Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000))
    return made


class HealthHarness(ServiceHarness):
    """The health service, with the calls that tests make most.

    Args:
        root: an empty directory.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(HealthService, root, ("inference", "catalog"))

    @property
    def stub(self) -> health_service_pb2_grpc.HealthServiceAsyncStub:
        """A stub on the public listener."""
        return health_service_pb2_grpc.HealthServiceStub(self._public)

    def internal_stub(self, caller: str) -> health_service_pb2_grpc.HealthServiceAsyncStub:
        """Return a stub on the listener for a service."""
        return health_service_pb2_grpc.HealthServiceStub(self._internal[caller])

    async def get(self, provider: str = "openai") -> health_pb2.ProviderHealth:
        """Get a provider's state as a developer."""
        request = health_service_pb2.GetHealthRequest(provider=provider)
        return (await self.stub.GetHealth(request, metadata=DEVELOPER)).health

    async def report(self, *outcomes: health_service_pb2.Outcome) -> None:
        """Report outcomes as inference."""
        request = health_service_pb2.ReportOutcomesRequest(outcomes=outcomes)
        await self.internal_stub("inference").ReportOutcomes(request)

    def watch(self, after_revision: int = 0) -> Reading:
        """Read the watch as a service."""
        return Reading(
            self.internal_stub("inference").WatchHealth(
                health_service_pb2.WatchHealthRequest(after_revision=after_revision)
            )
        )
